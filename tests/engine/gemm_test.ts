import * as tf from "../../lib/tfjs.ts";
import type { WasmBackend } from "../../lib/engine/wasm-memory.ts";
import { findBlas } from "../../lib/engine/blas.ts";
import { type GemmOptions, installGemm } from "../../lib/engine/gemm.ts";
import { backend, keyOf, normals } from "../../lib/engine/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { commandOf } from "../programs.ts";

const uses = ["simd", "relaxed"] as const;
const forms = [[false, false], [false, true], [true, false], [true, true]] as const;

const pools = new Map<string, Float32Array>();

/** Random numbers of a shape; the same name gives the same numbers. */
function draw(name: string, shape: number[]): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  let pool = pools.get(name);
  if (!pool || pool.length < size) {
    pools.set(name, pool = normals(keyOf(1, name), Math.max(size, 2 ** 15), 1));
  }
  return tf.tensor(pool.subarray(0, size), shape);
}

/** The memory of backend "wasm". */
function wasmMemory(): WebAssembly.Memory {
  return (tf.backend() as WasmBackend).wasm.asm.memory;
}

/** Installs a matrix multiplication and looks for leaks of what it is used for. */
async function withGemm(options: GemmOptions, body: () => void): Promise<void> {
  await backend("wasm");
  await installGemm(options);
  const before = tf.memory().numTensors;
  tf.tidy(body);
  assertEquals(tf.memory().numTensors, before);
}

/** Compares one multiplication with the definition in float64, relative to the sum of its terms' magnitudes. */
function check(M: number, N: number, K: number, tA: boolean, tB: boolean): void {
  const a = draw("a", tA ? [K, M] : [M, K]), b = draw("b", tB ? [N, K] : [K, N]);
  const c = tf.matMul(a, b, tA, tB);
  assertEquals(c.shape, [M, N]);
  const x = a.dataSync(), y = b.dataSync(), z = c.dataSync();
  let worst = 0;
  for (let i = 0; i < M; i++) {
    for (let j = 0; j < N; j++) {
      let [sum, size] = [0, 0];
      for (let k = 0; k < K; k++) {
        const term = x[tA ? k * M + i : i * K + k]! * y[tB ? j * K + k : k * N + j]!;
        sum += term, size += Math.abs(term);
      }
      worst = Math.max(worst, Math.abs(z[i * N + j]! - sum) / size); // Which NaN stays in.
    }
  }
  const form = `${M}×${K}×${N}${tA ? ", A transposed" : ""}${tB ? ", B transposed" : ""}`;
  assert(worst <= 1e-6, `${form}: off by ${worst} of the terms`);
}

/** A tensor with its last two dimensions exchanged. */
function swap(x: tf.Tensor): tf.Tensor {
  const order = [...x.shape.keys()];
  return x.transpose([...order.slice(0, -2), x.rank - 1, x.rank - 2]);
}

const sizes = [1, 2, 3, 5, 7, 8, 9, 31, 33, 64, 100, 129];

for (const use of uses) {
  Deno.test(`${use}: matrix multiplications of all awkward shapes and forms are those of the definition`, async () => {
    await withGemm({ use }, () => {
      for (const M of sizes) {
        for (const N of sizes) {
          for (const K of sizes) for (const [tA, tB] of forms) tf.tidy(() => check(M, N, K, tA, tB));
        }
      }
    });
  });

  Deno.test(`${use}: matrix multiplications that span several blocks in every direction are those of the definition`, async () => {
    await withGemm({ use }, () => {
      for (const [tA, tB] of forms) {
        check(101, 523, 263, tA, tB);
        check(5, 1029, 513, tA, tB);
        check(200, 9, 600, tA, tB);
      }
    });
  });

  Deno.test(`${use}: matrix multiplications that are divided among threads are those of the definition`, async () => {
    await withGemm({ use, threads: 3 }, () => {
      for (const [tA, tB] of forms) {
        check(101, 130, 100, tA, tB);
        check(2, 1029, 513, tA, tB);
        check(1, 1400, 800, tA, tB);
        const outers: number[][][] = [[[5], [5]], [[1], [5]], [[5], []], [[2, 1], [1, 3]], [[2, 3], [3]]];
        for (const [aOuter, bOuter] of outers) {
          const a = draw("a", [...aOuter!, ...(tA ? [70, 41] : [41, 70])]);
          const b = draw("b", [...bOuter!, ...(tB ? [130, 70] : [70, 130])]);
          const c = tf.matMul(a, b, tA, tB);
          // Elementwise arithmetic broadcasts by itself, a row of A at a time.
          const left = tA ? swap(a) : a, right = tB ? b : swap(b); // (…, 41, 70), (…, 130, 70)
          for (const row of [0, 13, 14, 28, 40]) {
            const one = tf.split(left, 41, -2)[row]!; // (…, 1, 70)
            const expected = one.mul(right).sum(-1); // (…, 130)
            const actual = tf.split(c, 41, -2)[row]!;
            assertClose(actual.dataSync(), expected.dataSync(), `row ${row} of ${a.shape} by ${b.shape}`);
          }
        }
      }
    });
  });

  Deno.test(`${use}: a row's bits depend neither on later rows nor on how many there are`, async () => {
    await withGemm({ use }, () => {
      for (const [N, K] of [[1, 40], [37, 129], [64, 300], [520, 32]] as const) {
        for (const [tA, tB] of forms) {
          const rows = draw("rows", [130, K]), b = draw("b", tB ? [N, K] : [K, N]);
          const multiply = (a: tf.Tensor) => tf.matMul(tA ? a.transpose() : a, b, tA, tB).dataSync();
          const all = multiply(rows);
          for (const count of [1, 2, 5, 6, 7, 23, 24, 25, 60, 95, 96, 97, 129]) {
            const first = rows.slice([0, 0], [count, K]);
            const noise = draw("noise", [130 - count, K]).mul(1e20);
            assertEquals(multiply(first), all.slice(0, count * N), `${count} rows alone, ${N} columns`);
            const changed = multiply(tf.concat([first, noise])).slice(0, count * N);
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
          const left = (tA ? swap(a) : a).expandDims(-2), right = (tB ? b : swap(b)).expandDims(-3);
          const expected = left.mul(right).sum(-1);
          assertEquals(c.shape, expected.shape);
          assertClose(c.dataSync(), expected.dataSync(), `${a.shape} by ${b.shape}`);
        }
      }
    });
  });
}

Deno.test("a matrix multiplication over nothing is zero, and one of nothing is empty", async () => {
  await withGemm({ use: "simd" }, () => {
    assertEquals([...tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])).dataSync()], [0, 0, 0, 0, 0, 0]);
    assertEquals(tf.matMul(tf.zeros([0, 4]), tf.zeros([4, 3])).shape, [0, 3]);
    assertEquals(tf.matMul(tf.zeros([0, 2, 4]), tf.zeros([0, 4, 3])).shape, [0, 2, 3]);
  });
});

Deno.test("gradients flow through the installed matrix multiplication", async () => {
  await withGemm({ use: "simd" }, () => {
    const a = draw("a", [2, 5, 7]), b = draw("b", [2, 7, 3]);
    const [da, db] = tf.grads((x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y).square().sum())([a, b]);
    const dc = tf.matMul(a, b).mul(2);
    assertClose(da!.dataSync(), tf.matMul(dc, b, false, true).dataSync(), "gradient of a");
    assertClose(db!.dataSync(), tf.matMul(a, dc, true, false).dataSync(), "gradient of b");
  });
});

Deno.test("matrix multiplication survives a memory that grows, and does not grow it itself", async () => {
  await withGemm({ use: "simd" }, () => {
    check(33, 31, 64, false, true);
    const { memory } = (tf.backend() as WasmBackend).wasm.asm;
    const before = memory.buffer.byteLength;
    tf.zeros([before / 4]).dispose();
    const grown = memory.buffer.byteLength;
    assert(grown > before, "the memory should have grown");
    for (let i = 0; i < 200; i++) tf.tidy(() => check(33, 31, 64, i % 2 === 0, true));
    assertEquals(memory.buffer.byteLength, grown);
  });
});

Deno.test("installing again changes the matrix multiplication and takes no more memory", async () => {
  await backend("wasm");
  const memory = wasmMemory();
  let before = 0;
  for (let i = 0; i < 20; i++) {
    const { matmul } = await installGemm({ use: uses[i % 2]!, threads: 1 + i % 3 });
    assert(matmul.startsWith(i % 2 ? "own kernel, relaxed SIMD, " : "own kernel, SIMD, "), matmul);
    tf.tidy(() => check(9, 9, 9, false, true));
    before ||= memory.buffer.byteLength;
  }
  assertEquals(memory.buffer.byteLength, before);
});

Deno.test("the committed kernels are what their sources compile to, byte for byte", async () => {
  const root = new URL("../../", import.meta.url);
  const [, ...args] = commandOf("kernels").split(" ");
  const command = new Deno.Command(Deno.execPath(), { args: [...args, "--check"], cwd: root });
  const { success, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
});

const blas = await findBlas();
const found = blas?.name ?? "none found, or no --allow-ffi";

Deno.test({
  name: `BLAS (${found}) multiplies as the definition does`,
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
