/**
 * What a thread of the engine can be told to do in the wasm backend's memory: numbers in, nothing out.
 *
 * @module
 */
import type { BatchGemm, Blas } from "./blas.ts";
import { fused, type FusedKernels, gemm, type GemmKernels } from "./kernels/wasm.ts";
import { instantiate, type Simd } from "./wasm-memory.ts";

/** The kernels of `fused.as.ts`, and matrix multiplication. */
export interface KernelCalls extends Omit<FusedKernels, "setUp"> {
  /** Matrix multiplication. */
  readonly gemm: BatchGemm;
}

/** Bytes of memory that {@linkcode kernelCallsOn} needs for constants, the same for each thread. */
export const CONSTANTS_BYTES = 64;

/** Bytes of memory that our own matrix multiplication needs for each thread. */
export function scratchBytes(form: Simd, memory: WebAssembly.Memory): number {
  return instantiate<GemmKernels>(gemm, form, memory).scratchBytes();
}

/**
 * The kernel calls of one thread.
 *
 * @param blas What multiplies. Without it our own kernel does.
 * @param constants Address of {@linkcode CONSTANTS_BYTES} bytes.
 * @param scratch Address of {@linkcode scratchBytes}, for this thread alone.
 */
export function kernelCallsOn(
  memory: WebAssembly.Memory,
  form: Simd,
  blas: Blas | undefined,
  constants: number,
  scratch: number,
): KernelCalls {
  const { setUp, ...passes } = instantiate<FusedKernels>(fused, form, memory);
  setUp(constants);
  if (blas) return { ...passes, gemm: blas.bind(memory) };
  const { batchGemm } = instantiate<GemmKernels>(gemm, form, memory);
  return { ...passes, gemm: (...args) => batchGemm(...args, scratch) };
}
