/**
 * What a thread of the engine can be told to do on the heap: numbers in, nothing out.
 *
 * @module
 */
import type { BatchGemm, Blas } from "./blas.ts";
import { bind, type Simd } from "./heap.ts";
import { fused, gemm } from "./kernels/wasm.ts";

/** The passes of `fused.as.ts`, by their names there. */
type Passes = Record<
  | "dropped"
  | "addBias"
  | "sumRows"
  | "gelu"
  | "geluBack"
  | "norm"
  | "normBack"
  | "softmax"
  | "softmaxBack"
  | "cell"
  | "cellBack"
  | "crossEntropy"
  | "add"
  | "scaled"
  | "gather"
  | "scatter"
  | "squares"
  | "adam",
  (...args: number[]) => void
>;

/** A matrix product, and what stands between products. */
export interface Calls extends Passes {
  /** The product. */
  gemm: BatchGemm;
}

/** Bytes of the heap that {@linkcode callsOn} wants, the same for each thread. */
export const CONSTANTS = 64;

/** Bytes of the heap that our own product wants for each thread. */
export function scratchBytes(form: Simd, memory: WebAssembly.Memory): number {
  return bind<{ scratchBytes(): number }>(gemm, form, memory).scratchBytes();
}

/**
 * The calls of one thread.
 *
 * @param blas What multiplies; our own kernel without it.
 * @param constants {@linkcode CONSTANTS} bytes.
 * @param scratch {@linkcode scratchBytes}, for this thread alone.
 */
export function callsOn(
  memory: WebAssembly.Memory,
  form: Simd,
  blas: Blas | undefined,
  constants: number,
  scratch: number,
): Calls {
  const { setUp, ...passes } = bind<Passes & { setUp(at: number): void }>(fused, form, memory);
  setUp(constants);
  if (blas) return { ...passes, gemm: blas.bind(memory) };
  const own = bind<{ batchGemm(...args: [...Parameters<BatchGemm>, scratch: number]): void }>(
    gemm,
    form,
    memory,
  );
  return { ...passes, gemm: (...args) => own.batchGemm(...args, scratch) };
}
