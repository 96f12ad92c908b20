/**
 * Kernels of tfjs' wasm backend that ours replace: its matrix multiplication is a naive loop, and gradients are full
 * of clones and sums.
 *
 * @module
 */
import * as tf from "../tfjs.ts";
import { ELEMENT, STRETCH } from "./operation.ts";
import { share, type ThreadPool, threadPoolOn } from "./thread-pool.ts";
import { addressOf, outputOn, type WasmBackend } from "./wasm-memory.ts";

const replaced = new Set<string>();

/** Replaces a kernel, once; the new one may call the old. */
function replaceKernel(kernelName: string, make: (stock: tf.KernelFunc) => tf.KernelFunc): void {
  const config = tf.getKernel(kernelName, "wasm");
  if (!config || replaced.has(kernelName)) return;
  replaced.add(kernelName);
  tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({ ...config, kernelFunc: make(config.kernelFunc) });
}

/**
 * Replaces three kernels. A clone shares its tensor's buffer, as on the other backends, where it would copy: what is
 * saved for a gradient is a clone. A sum of two tensors of one shape is divided among the threads, and a matrix
 * multiplication is ours, or BLAS'; without `installGemm` both stay tfjs' own.
 */
export function replaceKernels(): void {
  replaceKernel("Identity", () => ({ inputs, backend }) => {
    const { dataId, shape, dtype } = inputs["x"]!;
    (backend as WasmBackend).incRef(dataId);
    return { dataId, shape, dtype };
  });
  replaceKernel("Add", (stock) => (args) => {
    const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const backend = args.backend as WasmBackend, pool = threadPoolOn(backend);
    const alike = a.dtype === "float32" && b.dtype === "float32" && tf.util.arraysEqual(a.shape, b.shape);
    if (!pool || !alike) return stock(args);
    const out = outputOn(backend, a.shape);
    const x = addressOf(backend, a), y = addressOf(backend, b), sum = addressOf(backend, out);
    const n = tf.util.sizeFromShape(a.shape);
    pool.run(n * ELEMENT, ({ add }, part, parts) => {
      const [first, end] = share(n, part, parts, STRETCH);
      if (first < end) add(end - first, x + 4 * first, y + 4 * first, sum + 4 * first);
    });
    return out;
  });
  replaceKernel("BatchMatMul", (stock) => (args) => {
    const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const backend = args.backend as WasmBackend, pool = threadPoolOn(backend);
    if (!pool || a.dtype !== "float32" || b.dtype !== "float32") return stock(args); // Which refuses other types.
    return batchMatMul(pool, backend, a, b, args.attrs as unknown as tf.BatchMatMulAttrs);
  });
}

/** Shapes and addresses of one `BatchMatMul`, then the multiplication. */
function batchMatMul(
  pool: ThreadPool,
  backend: WasmBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  { transposeA, transposeB }: tf.BatchMatMulAttrs,
): tf.TensorInfo {
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [M, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const N = transposeB ? bRows : bColumns;
  const [aOuter, bOuter] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
  const out = outputOn(backend, [...outer, M, N]);
  const batch = tf.util.sizeFromShape(outer);
  if (batch * M * N === 0) return out;

  const pa = addressOf(backend, a), pb = addressOf(backend, b), pc = addressOf(backend, out);
  if (K === 0) {
    new Float32Array(backend.wasm.asm.memory.buffer, pc, batch * M * N).fill(0);
    return out;
  }
  const [aSize, bSize, cSize] = [4 * M * K, 4 * K * N, 4 * M * N];
  const [aBatch, bBatch] = [tf.util.sizeFromShape(aOuter), tf.util.sizeFromShape(bOuter)];
  // One B for all: the rows of all of A are one matrix.
  const joined = bBatch === 1 && aBatch === batch && !transposeA;
  const [count, rows] = joined ? [1, batch * M] : [batch, M];
  const regular = joined || [1, batch].includes(aBatch) && [1, batch].includes(bBatch);
  const [aNext, bNext] = [aBatch === 1 ? 0 : aSize, bBatch === 1 ? 0 : bSize];
  pool.run(2 * batch * M * N * K, ({ gemm }, part, parts) => {
    const [from, to] = count === 1 ? [0, 1] : share(count, part, parts);
    const [first, end] = count === 1 ? share(rows, part, parts) : [0, rows];
    if (from === to || first === end) return;
    // deno-fmt-ignore
    const run = (times: number, a: number, b: number, c: number) =>
      gemm(times, aNext, bNext, cSize, transposeA, transposeB, end - first, N, K,
        a + 4 * first * (transposeA ? 1 : aColumns), aColumns, b, bColumns, c + 4 * first * N, N, false);
    if (regular) return run(to - from, pa + from * aNext, pb + from * bNext, pc + from * cSize);
    for (let i = from; i < to; i++) { // Broadcast along some of the outer dimensions.
      run(1, pa + indexOf(i, outer, aOuter) * aSize, pb + indexOf(i, outer, bOuter) * bSize, pc + i * cSize);
    }
  });
  return out;
}

/** Which matrix of an operand with outer dimensions `own` the i-th of `outer` uses. */
function indexOf(i: number, outer: readonly number[], own: readonly number[]): number {
  let [at, stride] = [0, 1];
  for (let d = 1; d <= outer.length; d++) {
    const [length, size] = [outer.at(-d)!, own.at(-d) ?? 1];
    if (size > 1) at += (i % length) * stride, stride *= size;
    i = Math.floor(i / length);
  }
  return at;
}
