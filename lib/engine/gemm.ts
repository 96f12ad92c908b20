import * as tf from "../tfjs.ts";
import { InputError } from "../errors.ts";
import { deno } from "../host.ts";
import { type Blas, findBlas, obstacleToBlas } from "./blas.ts";
import { CONSTANTS_BYTES, kernelCallsOn, scratchBytes } from "./kernel-calls.ts";
import { gemm as kernel } from "./kernels/wasm.ts";
import { replaceKernels } from "./tfjs-kernels.ts";
import { setThreadPool, startThreadPool } from "./thread-pool.ts";
import { allocate, isShared, isSupported, type Simd, type WasmBackend } from "./wasm-memory.ts";

/** Which matrix multiplication {@linkcode installGemm} installs. */
export interface GemmOptions {
  /**
   * `"blas"`, `"relaxed"` or `"simd"`. Default: the first of them that works here. The last is the only one whose
   * bits are the same on every machine.
   */
  readonly use?: "blas" | "relaxed" | "simd";
  /** Threads that share the work. Default: 1. */
  readonly threads?: number;
}

/** What multiplies matrices, which is most of the work. */
export interface MatmulInfo {
  /** In words: `OpenBLAS (SkylakeX kernels) through FFI, 2 threads`. */
  readonly matmul: string;
  /** What would be faster, and how to get it, where there is such a thing. */
  readonly faster?: string;
}

/**
 * Gives tfjs' wasm backend matrix multiplication by the machine's BLAS where one is found and may be called, else by
 * our own kernel, and the fused operations with it. tfjs' own is a naive loop for transposed or batched matrices.
 *
 * With our kernel a row of the result has the same bits whatever the other rows hold and however many there
 * are, so that a causal model is causal to the last bit, and for any number of threads. BLAS promises that for
 * equal shapes at most.
 *
 * @throws {InputError} If the current backend is not wasm, or this machine lacks what is asked for.
 *
 * @example
 * ```ts
 * import * as tf from "../tfjs.ts";
 * import { backend } from "./backend.ts";
 * import { installGemm } from "./gemm.ts";
 *
 * await backend("wasm");
 * const { matmul, faster } = await installGemm({ use: "simd" });
 * console.log(matmul, faster); // "own kernel, SIMD, 1 thread" and how to get a faster one
 * console.log(tf.matMul([[1, 2]], [[3, 4]], false, true).dataSync()); // [ 11 ]
 * ```
 */
export async function installGemm({ use, threads = 1 }: GemmOptions = {}): Promise<MatmulInfo> {
  if (tf.getBackend() !== "wasm") {
    throw new InputError(
      `Cannot install matrix multiplication on backend "${tf.getBackend()}" as only "wasm" has ours`,
    );
  }
  const backend = tf.backend() as WasmBackend;
  const { memory } = backend.wasm.asm;
  const { blas, form, name, faster } = await choose(use);
  const obstacle = await obstacleToThreads(memory, threads);
  const count = obstacle ? 1 : threads;
  const advice = [faster, obstacle].filter(Boolean).join("; ");

  const { constants, scratch } = addressesOn(backend, count, blas ? 0 : scratchBytes(form, memory));
  const others = scratch.slice(1, count).map((scratch) => ({
    memory,
    form,
    blas: blas?.path,
    constants,
    scratch,
  }));
  const own = kernelCallsOn(memory, form, blas, constants, scratch[0]!);
  setThreadPool(backend, await startThreadPool(own, others));
  replaceKernels();
  return { matmul: `${name}, ${count} thread${count === 1 ? "" : "s"}`, ...(advice && { faster: advice }) };
}

/** What multiplies, the form of SIMD for the rest, and what would be faster. */
async function choose(
  use: GemmOptions["use"],
): Promise<{ blas?: Blas; form: Simd; name: string; faster?: string }> {
  const blas = deno && (use === undefined || use === "blas") ? await findBlas() : undefined;
  const form = use !== "simd" && isSupported(kernel, "relaxed") ? "relaxed" : "simd";
  if (blas) {
    const obstacle = await obstacleToBlas(blas);
    return { blas, form, name: `${blas.name} through FFI`, ...(obstacle && { faster: obstacle }) };
  }
  const faster = await adviceOnBlas();
  if (use === "blas") {
    throw new InputError(`Cannot use BLAS as none was found; ${faster ?? "a page cannot call one"}`);
  }
  if (use === "relaxed" && form !== use) {
    throw new InputError("Cannot use relaxed SIMD as this JavaScript engine has none");
  }
  return { form, name: `own kernel, ${form === "relaxed" ? "relaxed " : ""}SIMD`, ...(faster && { faster }) };
}

/** How to get a BLAS, where one could be called. */
async function adviceOnBlas(): Promise<string | undefined> {
  if (!deno) return undefined;
  if ((await deno.permissions.query({ name: "ffi" })).state === "granted") {
    return "a BLAS is faster: Debian's libopenblas0, conda's libopenblas, numpy's wheel, or GPT1_BLAS=<its path>";
  }
  const where = deno.build.os === "darwin"
    ? "which opens Accelerate"
    : "where OpenBLAS, MKL, BLIS or numpy is installed";
  return `a BLAS is faster: run with --allow-ffi, ${where}`;
}

/** Why several threads cannot work, where they were asked for. */
async function obstacleToThreads(memory: WebAssembly.Memory, threads: number): Promise<string | undefined> {
  if (threads === 1) return undefined;
  if (!isShared(memory)) {
    return `${threads} threads are faster: call backend() before tfjs starts "wasm" by itself`;
  }
  const path = new URL("./thread.ts", import.meta.url);
  if (path.protocol !== "file:") return undefined; // It comes from where this module came from.
  if ((await Deno.permissions.query({ name: "read", path })).state === "granted") return undefined;
  return `${threads} threads are faster: run with --allow-read`;
}

/** Addresses in a backend's memory, allocated once for as long as it lives. */
const addresses = new WeakMap<WasmBackend, { constants: number; scratch: number[] }>();

/** The addresses of the kernels' constants and of each thread's scratch: 0 where none is needed. */
function addressesOn(
  backend: WasmBackend,
  threads: number,
  bytes: number,
): { constants: number; scratch: number[] } {
  let own = addresses.get(backend);
  if (!own) {
    addresses.set(backend, own = { constants: allocate(backend, CONSTANTS_BYTES).start, scratch: [] });
  }
  if (bytes === 0) return { constants: own.constants, scratch: Array<number>(threads).fill(0) };
  while (own.scratch.length < threads) own.scratch.push(allocate(backend, bytes).start);
  return own;
}
