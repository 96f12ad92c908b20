import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { type BatchGemm, type BlasOptions, findBlas } from "./blas.ts";
import { allocate, bind, runs, type Simd, type WasmBackend } from "./heap.ts";
import { gemm as kernel } from "./kernels/wasm.ts";

/** Which matrix product {@linkcode installGemm} installs. */
export interface GemmOptions extends BlasOptions {
  /**
   * `"blas"`, `"relaxed"` or `"simd"`; without it the first of them that works here. The last is the only one
   * whose bits are the same on every machine.
   */
  use?: "blas" | "relaxed" | "simd";
}

/** A product that was chosen, and how to have it on a backend's heap. */
interface Choice {
  /** What it is called; a second line says what would be faster. */
  readonly name: string;
  /** The form of SIMD that suits it. */
  readonly simd: Simd;
  bind(backend: WasmBackend): BatchGemm;
}

/** A product on a heap. */
export interface Product {
  /** The product. */
  readonly gemm: BatchGemm;
  /** The form of SIMD that other kernels should take. */
  readonly simd: Simd;
}

/** What our modules export. */
interface Exports {
  scratchBytes(): number;
  batchGemm(...args: [...Parameters<BatchGemm>, scratch: number]): void;
}

/** The kernel of tfjs; it still refuses what is not float32. */
let stock: tf.KernelConfig | undefined;

/** What is installed. */
let installed: Choice | undefined;

/** The installed product on the heaps that it was used on. */
let products = new WeakMap<WasmBackend, Product>();

/** The installed product on a backend's heap, the same object until another one is installed. */
export function productOn(backend: WasmBackend): Product | undefined {
  if (!installed) return undefined;
  let product = products.get(backend);
  if (!product) products.set(backend, product = { gemm: installed.bind(backend), simd: installed.simd });
  return product;
}

/**
 * Replaces `BatchMatMul` of tfjs' wasm backend, which is a naive loop for transposed or batched products, by
 * the machine's BLAS where one is found and may be called, else by our own kernel.
 *
 * With our kernel a row of the result has the same bits whatever the other rows hold and however many there
 * are, so that a causal model is causal to the last bit. BLAS promises that for equal shapes at most.
 *
 * @returns What is in use; where something would be faster, a second line says what.
 * @throws {InputError} If `use` asks for what this machine does not have.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { backend } from "./backend.ts";
 * import { installGemm } from "./gemm.ts";
 *
 * await backend("wasm");
 * console.log(await installGemm({ use: "simd" })); // "own kernel, SIMD" and how to get a faster one
 * console.log(tf.matMul([[1, 2]], [[3, 4]], false, true).dataSync()); // [ 11 ]
 * ```
 */
export async function installGemm({ use, threads = 1 }: GemmOptions = {}): Promise<string> {
  const choice = await choose(use, threads);
  stock ??= tf.getKernel("BatchMatMul", "wasm");
  if (!stock) throw new InputError(`Cannot install a matrix product as backend "wasm" is not imported`);
  const fallback = stock.kernelFunc;
  [installed, products] = [choice, new WeakMap()];

  const kernelFunc: tf.KernelFunc = (args) => {
    const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const backend = args.backend as WasmBackend;
    if (a.dtype !== "float32" || b.dtype !== "float32") return fallback(args);
    return batchMatMul(productOn(backend)!.gemm, backend, a, b, args.attrs as unknown as tf.BatchMatMulAttrs);
  };
  tf.unregisterKernel("BatchMatMul", "wasm");
  tf.registerKernel({ ...stock, kernelFunc }); // With the old one's set-up, should the backend start later.
  return choice.name;
}

/** What to use, its name, and a line on what would be faster. */
async function choose(use: GemmOptions["use"], threads: number): Promise<Choice> {
  const blas = use === undefined || use === "blas" ? await findBlas({ threads }) : undefined;
  const simd = use !== "simd" && runs(kernel, "relaxed") ? "relaxed" : "simd";
  if (blas) return { name: blas.name, simd, bind: ({ wasm }) => blas.bind(wasm.asm.memory) };
  const allowed = (await Deno.permissions.query({ name: "ffi" })).state === "granted";
  const advice = allowed
    ? "a BLAS is faster: Debian's libopenblas0, conda's libopenblas, numpy's wheel, or GPT1_BLAS=<its path>"
    : `a BLAS is faster: run with --allow-ffi, ${
      Deno.build.os === "darwin"
        ? "which opens Accelerate"
        : "where OpenBLAS, MKL, BLIS or numpy is installed"
    }`;
  if (use === "blas") throw new InputError(`Cannot use BLAS as none was found; ${advice}`);
  if (use === "relaxed" && simd !== use) {
    throw new InputError("Cannot use relaxed SIMD as this engine has none");
  }
  return {
    name: `own kernel, ${simd === "relaxed" ? "relaxed " : ""}SIMD\n${advice}`,
    simd,
    bind: (backend) => own(simd, backend),
  };
}

/** Scratch on a heap: allocated once, for as long as the backend lives. */
const scratches = new WeakMap<WasmBackend, number>();

/** Our kernel on a backend's heap. */
function own(simd: Simd, backend: WasmBackend): BatchGemm {
  const exports = bind<Exports>(kernel, simd, backend);
  const scratch = scratches.get(backend) ?? allocate(backend, exports.scratchBytes()).start;
  scratches.set(backend, scratch);
  return (...args) => exports.batchGemm(...args, scratch);
}

/** Shapes and addresses of one `BatchMatMul`, then the product. */
function batchMatMul(
  gemm: BatchGemm,
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
  const out = backend.makeOutput([...outer, M, N], "float32");
  const batch = tf.util.sizeFromShape(outer);
  if (batch * M * N === 0) return out;

  const [pa, pb, pc] = [a, b, out].map((x) => backend.getMemoryOffset(x.dataId)) as [number, number, number];
  const [aSize, bSize, cSize] = [4 * M * K, 4 * K * N, 4 * M * N];
  const run = (
    count: number,
    aNext: number,
    bNext: number,
    rows: number,
    ...[a, b, c]: [number, number, number]
  ) =>
    gemm(
      count,
      aNext,
      bNext,
      cSize,
      transposeA,
      transposeB,
      rows,
      N,
      K,
      a,
      aColumns,
      b,
      bColumns,
      c,
      N,
      false,
    );
  const [aBatch, bBatch] = [tf.util.sizeFromShape(aOuter), tf.util.sizeFromShape(bOuter)];

  if (K === 0) {
    new Float32Array(backend.wasm.asm.memory.buffer, pc, batch * M * N).fill(0);
  } else if (bBatch === 1 && aBatch === batch && !transposeA) {
    run(1, 0, 0, batch * M, pa, pb, pc); // One B for all: the rows of all products are one matrix.
  } else if ([1, batch].includes(aBatch) && [1, batch].includes(bBatch)) {
    run(batch, aBatch === 1 ? 0 : aSize, bBatch === 1 ? 0 : bSize, M, pa, pb, pc);
  } else { // Broadcast along some of the outer dimensions.
    for (let i = 0; i < batch; i++) {
      run(
        1,
        0,
        0,
        M,
        pa + place(i, outer, aOuter) * aSize,
        pb + place(i, outer, bOuter) * bSize,
        pc + i * cSize,
      );
    }
  }
  return out;
}

/** Which product of an operand with outer dimensions `own` is used for the i-th of `outer`. */
function place(i: number, outer: readonly number[], own: readonly number[]): number {
  let [at, stride] = [0, 1];
  for (let d = 1; d <= outer.length; d++) {
    const [length, size] = [outer.at(-d)!, own.at(-d) ?? 1];
    if (size > 1) at += (i % length) * stride, stride *= size;
    i = Math.floor(i / length);
  }
  return at;
}
