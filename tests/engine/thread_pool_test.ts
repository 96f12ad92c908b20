import { fileURLToPath } from "node:url";
import * as tf from "../../lib/tfjs.ts";
import { findBlas } from "../../lib/engine/blas.ts";
import { type GemmOptions, installGemm } from "../../lib/engine/gemm.ts";
import { CONSTANTS_BYTES, kernelCallsOn, scratchBytes } from "../../lib/engine/kernel-calls.ts";
import {
  attention,
  backend,
  keyOf,
  type Linear,
  linear,
  normals,
  rotary,
  words,
} from "../../lib/engine/mod.ts";
import { share, startThreadPool } from "../../lib/engine/thread-pool.ts";
import type { WasmBackend } from "../../lib/engine/wasm-memory.ts";
import { type Config, dispose, init, leaves } from "../../lib/model/mod.ts";
import { adamState, disposeAdam, objective, pretrainDefaults, train } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

const blas = await findBlas();

/** Every bit of a model after some updates that are large enough to be divided. */
async function trained(options: GemmOptions): Promise<string> {
  await backend("wasm", { threads: 1 });
  await installGemm(options);
  const config: Config = {
    layers: 2,
    heads: 3,
    width: 48,
    context: 70,
    vocabulary: 900,
    positions: { kind: "learned" },
    variant: "paper",
    dropout: 0.1,
  };
  const parameters = init(config, 1);
  const variables = leaves(parameters).map(([, leaf]) => leaf);
  const state = adamState(variables);
  const [N, T] = [5, config.context];
  const ids = Int32Array.from(words(keyOf(1, "ids"), N * T), (word) => word % config.vocabulary);
  const lengths = Int32Array.from([T, T, 41, 7, T]);
  const losses: number[] = [];
  const job = {
    variables,
    state,
    adam: { ...pretrainDefaults, updates: 4 },
    losses: (update: number) =>
      objective({ config, parameters }, { ids, lengths }, 0, { rate: 0.1, seed: 1, update }),
  };
  for await (const { loss, norm } of train(job)) losses.push(loss, norm);
  const bits = variables.map((variable) => [...new Uint32Array(variable.dataSync().slice().buffer)]);
  disposeAdam(state);
  dispose(parameters);
  return JSON.stringify([losses, bits]);
}

Deno.test("with our own matrix multiplication a model's bits are the same for any number of threads", async () => {
  for (const use of ["simd", "relaxed"] as const) {
    const alone = await trained({ use });
    for (const threads of [2, 3, 4]) {
      assertEquals(await trained({ use, threads }), alone, `${threads} threads`);
    }
  }
});

Deno.test("so are those of rotated queries and keys, and of attention with a bias, with their gradients", async () => {
  const [N, T, heads, size] = [5, 70, 3, 16];
  const draw = <T extends tf.Tensor>(name: string, shape: number[]) =>
    tf.tensor(normals(keyOf(1, name), tf.util.sizeFromShape(shape), 1), shape) as T;
  const run = async (options: GemmOptions) => {
    await installGemm(options);
    return tf.tidy(() => {
      const rotations = draw<tf.Tensor2D>("rotations", [T, size]);
      const op = (qkv: tf.Tensor, bias: tf.Tensor) =>
        attention(rotary(qkv as tf.Tensor3D, heads, rotations), heads, { bias: bias as tf.Tensor2D });
      const inputs = [draw("qkv", [N, T, 3 * heads * size]), draw("bias", [2 * T - 1, heads])];
      const { value, grads } = tf.valueAndGrads(op)(inputs, draw("dy", [N, T, heads * size]));
      return [value, ...grads].map((x) => x.dataSync());
    });
  };
  await backend("wasm", { threads: 1 });
  for (const use of ["simd", "relaxed"] as const) {
    const alone = await run({ use });
    for (const threads of [2, 3, 4]) assertEquals(await run({ use, threads }), alone, `${threads} threads`);
  }
});

Deno.test({
  name: `with BLAS (${blas?.name ?? "none found, or no --allow-ffi"}) they are the same for the same number`,
  ignore: !blas,
  async fn() {
    for (const threads of [1, 2]) {
      assertEquals(await trained({ use: "blas", threads }), await trained({ use: "blas", threads }));
    }
  },
});

Deno.test("shares are whole units that follow each other to the end", () => {
  for (const count of [0, 1, 5, 63, 64, 65, 130, 1000]) {
    for (const parts of [1, 2, 3, 7]) {
      for (const unit of [1, 64]) {
        let next = 0;
        for (let part = 0; part < parts; part++) {
          const [first, end] = share(count, part, parts, unit);
          assertEquals(first, next);
          assert(end === count || end % unit === 0);
          next = end;
        }
        assertEquals(next, count);
      }
    }
  }
});

Deno.test("a queue takes more calls than it holds, and they are made in their order", async () => {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  const settings = { memory, form: "simd", blas: undefined, constants: 64, scratch: 65536 } as const;
  assert(scratchBytes("simd", memory) < 2 ** 21 && CONSTANTS_BYTES <= 64);
  const pool = await startThreadPool(kernelCallsOn(memory, "simd", undefined, 64, 2 ** 21 + 65536), [
    settings,
  ]);
  try {
    const at = 2 ** 22 - 4096, x = new Float32Array(memory.buffer, at, 4), count = 100_000;
    x.fill(1);
    pool.run(Infinity, ({ scaled }, part) => {
      if (part === 1) { for (let i = 0; i < count; i++) scaled(4, at, i % 2 ? 0.5 : 2, at); }
    });
    assertEquals([...x], [1, 1, 1, 1]);
    pool.run(Infinity, ({ scaled, addBias }, part) => {
      if (part === 1) { for (let i = 0; i < 10; i++) scaled(4, at, 2, at), addBias(1, 4, at, at); }
    });
    assertEquals(x[0], 4 ** 10);
  } finally {
    pool.end();
  }
});

Deno.test("threads see what a growing memory gains", async () => {
  await backend("wasm", { threads: 1 });
  const { memory } = (tf.backend() as WasmBackend).wasm.asm;
  const multiply = (place: tf.Tensor) => { // The gradients fill memory, which has its own checks of where it ends.
    const [a, b] = [
      place.slice(0, 40_000).reshape([200, 200]),
      place.slice(1000, 40_000).reshape([200, 200]),
    ];
    const op = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) =>
      linear(x, { weight, bias } as Linear).square().sum();
    return tf.grads(op)([a, b, place.slice(0, 200)]).map((gradient) => gradient.dataSync());
  };
  await installGemm({ use: "simd" });
  const expected = tf.tidy(() => multiply(tf.linspace(-1, 1, 50_000)));
  await installGemm({ use: "simd", threads: 3 });
  tf.tidy(() => {
    for (let i = 0; i < 20; i++) {
      const before = memory.buffer.byteLength;
      while (memory.buffer.byteLength === before) tf.zeros([2 ** 22]);
      assertEquals(multiply(tf.linspace(-1, 1, 50_000)), expected, `${before} bytes`);
    }
  });
});

Deno.test("a thread that does not start is an error, not a wait", async () => {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  const own = kernelCallsOn(memory, "simd", undefined, 64, 65536);
  const settings = {
    memory,
    form: "simd",
    blas: "/nowhere/libblas.so",
    constants: 64,
    scratch: 65536,
  } as const;
  await assertRefused(
    () => startThreadPool(own, [settings]),
    /^Cannot start another thread of the engine as it does not open: .*: one thread works$/s,
  );
});

Deno.test("tfjs' start leaves WebAssembly as it was, also when it is asked for twice at once", async () => {
  const { instantiate } = WebAssembly;
  const [a, b] = await Promise.all([backend("wasm", { threads: 1 }), backend("wasm", { threads: 1 })]);
  assertEquals(a, b);
  assert(WebAssembly.instantiate === instantiate);
});

Deno.test("threads can be replaced again and again", async () => {
  for (let i = 0; i < 5; i++) await trained({ use: "simd", threads: 3 });
});

Deno.test("a number of threads that cannot be is refused", async () => {
  for (const threads of [0, 1.5, NaN, -1, 200]) {
    await assertRefused(
      () => backend("wasm", { threads }),
      /^Cannot compute with threads \S+ as it must be a whole number from 1 to 64$/,
    );
  }
});

Deno.test({
  name: "without permission to read the threads' module one thread does it all, and says what is missing",
  permissions: { read: false, env: true, ffi: false },
  async fn() {
    const { matmul, faster } = await backend("wasm", { threads: 2 });
    assert(matmul.endsWith(", 1 thread"), matmul);
    assert(faster?.endsWith("; 2 threads are faster: run with --allow-read"), faster);
  },
});

Deno.test("a program whose threads wait for work ends by itself", async () => {
  const code = `import { backend } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
    console.log((await backend("wasm", { threads: 2 })).matmul);`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, code);
    const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
    const args = ["run", "--quiet", "--config", config, "--allow-read", "--allow-env", file];
    const { stdout, code: exit } = await new Deno.Command(Deno.execPath(), { args }).output();
    assertEquals(exit, 0);
    assert(new TextDecoder().decode(stdout).includes("2 threads"));
  } finally {
    await Deno.remove(file);
  }
});
