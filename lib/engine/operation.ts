/**
 * What the operations in `ops/` share: the choice of an implementation, a gradient of one's own, and the context of
 * the fused implementations, which work in the wasm backend's memory with our kernels and threads.
 *
 * What is summed over rows is summed in blocks of rows first, the same for any number of threads, so that with our
 * own matrix multiplication the result has the same bits for all of them.
 *
 * @module
 */
import * as tf from "../tfjs.ts";
import { InputError } from "../errors.ts";
import type { KernelCalls } from "./kernel-calls.ts";
import { share, type ThreadPool, threadPoolOn } from "./thread-pool.ts";
import { addressOf, outputOn, Scratch, type WasmBackend } from "./wasm-memory.ts";

/** How an operation can be computed. */
export interface Implementations<Args extends unknown[], Result> {
  /** In stock tfjs operations: the definition, which runs on every backend. */
  reference(...args: Args): Result;
  /** In the wasm backend's memory: tested against the reference, values and gradients. */
  fused(wasm: WasmContext, ...args: Args): Result;
}

/** Computes an operation by the fastest of its implementations that runs on the current backend. */
export function compute<Args extends unknown[], Result>(
  { reference, fused }: Implementations<Args, Result>,
  ...args: Args
): Result {
  const wasm = wasmContext();
  return wasm ? fused(wasm, ...args) : reference(...args);
}

/** A forward pass: its result, what the backward pass needs, and that. */
export interface Pass {
  /** The result. */
  readonly value: tf.Tensor;
  /** What the backward pass is given. Default: nothing. */
  readonly saved?: readonly tf.Tensor[];
  /** The gradient of each input, from that of the result. */
  backward(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[];
}

/**
 * An operation with a gradient of its own.
 *
 * @param inputs What it is differentiated by.
 * @param forward Computes it; `taped` says whether the gradient may be asked for.
 */
export function differentiable<T extends tf.Tensor>(
  inputs: readonly tf.Tensor[],
  forward: (taped: boolean) => Pass,
): T {
  if (!tf.engine().isTapeOn()) return tf.tidy(() => forward(false).value) as T;
  return tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const { value, saved = [], backward } = forward(true);
    (args.at(-1) as tf.GradSaveFunc)([...saved]); // A closure's tensors are disposed of before the gradient.
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const gradients = backward(dy, saved);
      // What the backward pass made is of no more use to it, and half of all that would lie there at its end.
      if (dy.scopeId === tf.engine().state.activeScope.id) dy.dispose();
      return gradients;
    };
    return { value, gradFunc };
  })(...inputs) as T;
}

/** Rows that are summed together. */
export const BLOCK = 64;
/** Elements of a vector that a thread works on together. */
export const STRETCH = 2 ** 15;
/** What an element of a pass costs, in operations of a matrix multiplication: passes wait for memory. */
export const ELEMENT = 64;

/** The `count` items from `first` on, for one thread; `part` is its number. */
export type Work = (kernels: KernelCalls, first: number, count: number, part: number) => void;

/** The wasm backend's memory and threads, as a fused implementation uses them. */
export interface WasmContext extends Pick<ThreadPool, "threads" | "own" | "run"> {
  /** The memory; it may grow with each tensor, and views of it are then void. */
  readonly memory: WebAssembly.Memory;
  /** Where a tensor lies, in bytes. @throws {InputError} If it is of another type. */
  addressOf(x: tf.Tensor, dtype?: "float32" | "int32"): number;
  /** A tensor that holds anything. @throws {InputError} If memory ends. */
  make(shape: number[]): tf.Tensor;
  /** Whether another tensor has the same buffer, as clones have. */
  isShared(x: tf.Tensor): boolean;
  /** A view of memory. */
  floats(address: number, length: number): Float32Array;
  /** Addresses of so many bytes each, until it is called again. */
  scratch<Sizes extends number[]>(...sizes: Sizes): { [Each in keyof Sizes]: number };
  /** Divides items among the threads, in whole units. `cost` is an item's, as {@linkcode ThreadPool.run} counts. */
  divide(items: number, unit: number, cost: number, work: Work): void;
}

/** Contexts, and the threads that work in them. */
const contexts = new WeakMap<WasmBackend, { context: WasmContext; pool: ThreadPool }>();
/** Scratch, whoever works on it. */
const scratches = new WeakMap<WasmBackend, Scratch>();

/** The context of the fused implementations, where the current backend is wasm and `installGemm` was called. */
export function wasmContext(): WasmContext | undefined {
  if (tf.getBackend() !== "wasm") return undefined;
  const backend = tf.backend() as WasmBackend;
  const pool = threadPoolOn(backend);
  if (!pool) return undefined;
  let found = contexts.get(backend);
  if (found?.pool !== pool) contexts.set(backend, found = { context: contextOf(backend, pool), pool });
  return found.context;
}

function contextOf(backend: WasmBackend, pool: ThreadPool): WasmContext {
  const { memory } = backend.wasm.asm;
  let scratch = scratches.get(backend);
  if (!scratch) scratches.set(backend, scratch = new Scratch(backend));
  const taken = scratch;
  return {
    threads: pool.threads,
    own: pool.own,
    run: pool.run,
    memory,
    addressOf(x, dtype = "float32") {
      if (x.dtype !== dtype) throw new InputError(`Cannot compute with ${x.dtype}: expected ${dtype}`);
      return addressOf(backend, x);
    },
    make: (shape) => tf.engine().makeTensorFromTensorInfo(outputOn(backend, shape)),
    isShared: (x) => backend.refCount(x.dataId) > 1,
    floats: (address, length) => new Float32Array(memory.buffer, address, length),
    scratch: (...sizes) => taken.take(...sizes),
    divide: (items, unit, cost, work) =>
      pool.run(items * cost, (kernels, part, parts) => {
        const [first, end] = share(items, part, parts, unit);
        if (first < end) work(kernels, first, end - first, part);
      }),
  };
}

/** Blocks of so many rows. */
export function blocksOf(rows: number): number {
  return Math.ceil(rows / BLOCK);
}

/** Visits the blocks of `count` rows from `first` on, which begins one; each has its number. */
export function eachBlock(
  first: number,
  count: number,
  visit: (first: number, count: number, block: number) => void,
): void {
  for (let row = first; row < first + count; row += BLOCK) {
    visit(row, Math.min(BLOCK, first + count - row), row / BLOCK);
  }
}

/** Forms of {@linkcode gemm}: which operand is transposed. */
export const [AB, ABt, AtB] = [[false, false], [false, true], [true, false]] as const;

/** C = op(A)·op(B), or with `add` C += that: addresses are bytes, leading dimensions count elements. */
export function gemm(
  kernels: KernelCalls,
  [transA, transB]: readonly [boolean, boolean],
  [M, N, K]: readonly [number, number, number],
  ...[a, lda, b, ldb, c, ldc, add = false]: [number, number, number, number, number, number, boolean?]
): void {
  kernels.gemm(1, 0, 0, 0, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, add);
}
