import * as tf from "@tensorflow/tfjs";
import { backend } from "../../lib/engine/backend.ts";
import { findBlas } from "../../lib/engine/blas.ts";
import { type GemmOptions, installGemm } from "../../lib/engine/gemm.ts";
import { generate } from "../../lib/engine/kernels/build.ts";
import { keyOf, normals } from "../../lib/engine/random.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

const uses = ["simd", "relaxed"] as const;
const forms = [[false, false], [false, true], [true, false], [true, true]] as const;

/** Random numbers of a shape; the same name gives the same numbers. */
function draw(name: string, shape: number[]): tf.Tensor {
  return tf.tensor(normals(keyOf(1, name), tf.util.sizeFromShape(shape), 1), shape);
}

/** Installs a product, gives the kit's usual one back afterwards, and looks for leaks. */
async function withGemm(options: GemmOptions, body: () => void): Promise<void> {
  await backend("wasm");
  await installGemm(options);
  const before = tf.memory().numTensors;
  tf.tidy(body);
  assertEquals(tf.memory().numTensors, before);
}

/** The definition, in float64, of one product of two matrices. */
function define(a: Float32Array, b: Float32Array, M: number, N: number, K: number, tA: boolean, tB: boolean) {
  const c = new Float64Array(M * N);
  for (let i = 0; i < M; i++) {
    for (let k = 0; k < K; k++) {
      const x = a[tA ? k * M + i : i * K + k]!;
      for (let j = 0; j < N; j++) c[i * N + j]! += x * b[tB ? j * K + k : k * N + j]!;
    }
  }
  return c;
}

/** Compares one product with the definition. */
function check(M: number, N: number, K: number, tA: boolean, tB: boolean): void {
  const a = draw("a", tA ? [K, M] : [M, K]), b = draw("b", tB ? [N, K] : [K, N]);
  const c = tf.matMul(a, b, tA, tB);
  assertEquals(c.shape, [M, N]);
  const [x, y, z] = [a, b, c].map((tensor) => tensor.dataSync() as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  assertClose(
    z,
    define(x, y, M, N, K, tA, tB),
    `${M}×${K}×${N}${tA ? ", A transposed" : ""}${tB ? ", B transposed" : ""}`,
  );
}

const sizes = [1, 2, 3, 5, 7, 8, 9, 31, 33, 64, 100, 129];

for (const use of uses) {
  Deno.test(`${use}: products of all awkward shapes and forms are those of the definition`, async () => {
    await withGemm({ use }, () => {
      for (const M of sizes) {
        for (const N of sizes) {
          // Every pair of sizes meets four depths in two forms; all 6,912 combinations take too long.
          for (const [i, K] of sizes.entries()) {
            if ((i + M + N) % 3 !== 0) continue;
            for (const [tA, tB] of forms) {
              if ((Number(tA) + Number(tB) + i) % 2 === 0) tf.tidy(() => check(M, N, K, tA, tB));
            }
          }
        }
      }
    });
  });

  Deno.test(`${use}: products that span several blocks in every direction are those of the definition`, async () => {
    await withGemm({ use }, () => {
      for (const [tA, tB] of forms) {
        check(101, 523, 263, tA, tB);
        check(5, 1029, 513, tA, tB);
        check(200, 9, 600, tA, tB);
      }
    });
  });

  Deno.test(`${use}: a row's bits depend neither on later rows nor on how many there are`, async () => {
    await withGemm({ use }, () => {
      for (const [N, K] of [[1, 40], [37, 129], [64, 300], [520, 32]] as const) {
        for (const [tA, tB] of forms) {
          const rows = draw("rows", [130, K]), b = draw("b", tB ? [N, K] : [K, N]);
          const product = (a: tf.Tensor) => tf.matMul(tA ? a.transpose() : a, b, tA, tB).dataSync();
          const all = product(rows);
          for (const count of [1, 2, 5, 6, 7, 23, 24, 25, 60, 95, 96, 97, 129]) {
            const first = rows.slice([0, 0], [count, K]);
            const noise = draw("noise", [130 - count, K]).mul(1e20);
            assertEquals(product(first), all.slice(0, count * N), `${count} rows alone, ${N} columns`);
            const changed = product(tf.concat([first, noise])).slice(0, count * N);
            assertEquals(changed, all.slice(0, count * N), `${count} rows before others, ${N} columns`);
          }
        }
      }
    });
  });

  Deno.test(`${use}: batches are multiplied one by one, and broadcast along any outer dimension`, async () => {
    await withGemm({ use }, () => {
      const outers = [[[3], [3]], [[1], [3]], [[3], [1]], [[3], []], [[], [3]], [[2, 3], [2, 3]], [[2, 1], [
        1,
        3,
      ]]];
      outers.push([[2, 3], [3]], [[2, 1, 3], [4, 1]], [[1, 1], [2, 3]]);
      for (const [aOuter, bOuter] of outers as [number[], number[]][]) {
        for (const [tA, tB] of forms) {
          const a = draw("a", [...aOuter, ...(tA ? [6, 11] : [11, 6])]);
          const b = draw("b", [...bOuter, ...(tB ? [9, 6] : [6, 9])]);
          const c = tf.matMul(a, b, tA, tB);
          // Elementwise arithmetic broadcasts by itself: (…, 11, 1, 6) times (…, 1, 9, 6), summed.
          const swap = (x: tf.Tensor) =>
            x.transpose(
              [...x.shape.keys()].map((d, i, { length }: { length: number }) =>
                i < length - 2 ? d : 2 * length - 3 - d
              ),
            );
          const left = (tA ? swap(a) : a).expandDims(-2), right = (tB ? b : swap(b)).expandDims(-3);
          const expected = left.mul(right).sum(-1);
          assertEquals(c.shape, expected.shape);
          assertClose(c.dataSync(), expected.dataSync(), `${a.shape} by ${b.shape}`);
        }
      }
    });
  });
}

Deno.test("a product over nothing is zero, and a product of nothing is empty", async () => {
  await withGemm({ use: "simd" }, () => {
    assertEquals([...tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])).dataSync()], [0, 0, 0, 0, 0, 0]);
    assertEquals(tf.matMul(tf.zeros([0, 4]), tf.zeros([4, 3])).shape, [0, 3]);
    assertEquals(tf.matMul(tf.zeros([0, 2, 4]), tf.zeros([0, 4, 3])).shape, [0, 2, 3]);
  });
});

Deno.test("gradients flow through the installed product", async () => {
  await withGemm({ use: "simd" }, () => {
    const a = draw("a", [2, 5, 7]), b = draw("b", [2, 7, 3]);
    const [da, db] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y).square().sum())([a, b]);
    const dc = tf.matMul(a, b).mul(2);
    assertClose(da!.dataSync(), tf.matMul(dc, b, false, true).dataSync(), "gradient of a");
    assertClose(db!.dataSync(), tf.matMul(a, dc, true, false).dataSync(), "gradient of b");
  });
});

Deno.test("the product survives a heap that grows, and does not grow it itself", async () => {
  await withGemm({ use: "simd" }, () => {
    check(33, 31, 64, false, true);
    const { memory } =
      (tf.backend() as unknown as { wasm: { asm: { memory: WebAssembly.Memory } } }).wasm.asm;
    const before = memory.buffer.byteLength;
    tf.zeros([before / 4]).dispose();
    const grown = memory.buffer.byteLength;
    assert(grown > before, "the heap should have grown");
    for (let i = 0; i < 200; i++) tf.tidy(() => check(33, 31, 64, i % 2 === 0, true));
    assertEquals(memory.buffer.byteLength, grown);
  });
});

Deno.test("installing again changes the product and takes no more of the heap", async () => {
  const first = await installGemm({ use: "simd" });
  assert(first.startsWith("own kernel, SIMD\n"), first);
  const second = await installGemm({ use: "relaxed" });
  assert(second.startsWith("own kernel, relaxed SIMD\n"), second);
});

Deno.test("the committed kernels are what their source compiles to", async () => {
  const committed = await Deno.readTextFile(new URL("../../lib/engine/kernels/wasm.ts", import.meta.url));
  assert(committed === await generate(), "run `deno task kernels`");
});

const blas = await findBlas();
const found = blas?.name ?? "none found, or no --allow-ffi";

Deno.test({
  name: `BLAS (${found}) gives the products of the definition`,
  ignore: !blas,
  fn: () =>
    withGemm({ use: "blas" }, () => {
      for (const M of [1, 7, 33, 100]) {
        for (const N of [1, 8, 31]) {
          for (const K of [1, 9, 300]) for (const [tA, tB] of forms) check(M, N, K, tA, tB);
        }
      }
    }),
});

Deno.test({
  name: "BLAS is refused with what to do where it may not be called",
  permissions: { ffi: false, read: true, env: true },
  fn: () =>
    assertRefused(() => installGemm({ use: "blas" }), /^Cannot use BLAS as none was found; .*--allow-ffi/),
});
