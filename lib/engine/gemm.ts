import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { type Blas, findBlas } from "./blas.ts";
import { callsOn, CONSTANTS, scratchBytes } from "./calls.ts";
import {
  addressOf,
  allocate,
  isShared,
  outputOn,
  replaceKernel,
  runs,
  type Simd,
  type WasmBackend,
} from "./heap.ts";
import { gemm as kernel } from "./kernels/wasm.ts";
import { share, startTeam, type Team } from "./team.ts";

/** Which matrix product {@linkcode installGemm} installs. */
export interface GemmOptions {
  /**
   * `"blas"`, `"relaxed"` or `"simd"`; without it the first of them that works here. The last is the only one
   * whose bits are the same on every machine.
   */
  readonly use?: "blas" | "relaxed" | "simd";
  /** Threads that share the work, 1 unless given. */
  readonly threads?: number;
}

/** What was installed to compute. */
export interface Installed {
  /** What multiplies matrices, which is most of the work: `OpenBLAS through FFI, 2 threads`. */
  readonly products: string;
  /** What would be faster, and how to get it, where there is such a thing. */
  readonly faster?: string;
}

/** What works on a heap, the same object until something else is installed. */
const teams = new WeakMap<WasmBackend, Team>();

/** What works on a backend's heap, if `installGemm` was called. */
export function teamOn(backend: WasmBackend): Team | undefined {
  return teams.get(backend);
}

/**
 * Replaces `BatchMatMul` of tfjs' wasm backend, which is a naive loop for transposed or batched products, by
 * the machine's BLAS where one is found and may be called, else by our own kernel.
 *
 * With our kernel a row of the result has the same bits whatever the other rows hold and however many there
 * are, so that a causal model is causal to the last bit, and for any number of threads. BLAS promises that for
 * equal shapes at most.
 *
 * @throws {InputError} If the current backend is not wasm, or this machine lacks what is asked for.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { backend } from "./backend.ts";
 * import { installGemm } from "./gemm.ts";
 *
 * await backend("wasm");
 * const { products, faster } = await installGemm({ use: "simd" });
 * console.log(products, faster); // "own kernel, SIMD, 1 thread" and how to get a faster one
 * console.log(tf.matMul([[1, 2]], [[3, 4]], false, true).dataSync()); // [ 11 ]
 * ```
 */
export async function installGemm({ use, threads = 1 }: GemmOptions = {}): Promise<Installed> {
  if (tf.getBackend() !== "wasm") {
    throw new InputError(
      `Cannot install a matrix product on backend "${tf.getBackend()}" as "wasm" alone has one`,
    );
  }
  const backend = tf.backend() as WasmBackend;
  const { memory } = backend.wasm.asm;
  const { blas, form, name, faster } = await choose(use);
  const missing = await lacking(memory, threads);
  const count = missing ? 1 : threads;
  const advice = [faster, missing].filter(Boolean).join("; ");

  const { constants, scratch } = placesOn(backend, count, blas ? 0 : scratchBytes(form, memory));
  const orders = scratch.slice(1, count).map((scratch) => ({
    memory,
    form,
    blas: blas?.path,
    constants,
    scratch,
  }));
  const team = startTeam(callsOn(memory, form, blas, constants, scratch[0]!), orders);
  const before = teams.get(backend);
  teams.set(backend, team);
  before?.end();

  replaceKernel("BatchMatMul", (stock) => (args) => {
    const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const backend = args.backend as WasmBackend, team = teams.get(backend);
    if (!team || a.dtype !== "float32" || b.dtype !== "float32") return stock(args); // Which refuses other types.
    return batchMatMul(team, backend, a, b, args.attrs as unknown as tf.BatchMatMulAttrs);
  });
  return { products: `${name}, ${count} thread${count === 1 ? "" : "s"}`, ...(advice && { faster: advice }) };
}

/** What multiplies, the form of SIMD for the rest, and what would be faster. */
async function choose(
  use: GemmOptions["use"],
): Promise<{ blas?: Blas; form: Simd; name: string; faster?: string }> {
  const blas = use === undefined || use === "blas" ? await findBlas() : undefined;
  const form = use !== "simd" && runs(kernel, "relaxed") ? "relaxed" : "simd";
  if (blas) return { blas, form, name: `${blas.name} through FFI` };
  const allowed = (await Deno.permissions.query({ name: "ffi" })).state === "granted";
  const faster = allowed
    ? "a BLAS is faster: Debian's libopenblas0, conda's libopenblas, numpy's wheel, or GPT1_BLAS=<its path>"
    : `a BLAS is faster: run with --allow-ffi, ${
      Deno.build.os === "darwin"
        ? "which opens Accelerate"
        : "where OpenBLAS, MKL, BLIS or numpy is installed"
    }`;
  if (use === "blas") throw new InputError(`Cannot use BLAS as none was found; ${faster}`);
  if (use === "relaxed" && form !== use) {
    throw new InputError("Cannot use relaxed SIMD as this engine has none");
  }
  return { form, name: `own kernel, ${form === "relaxed" ? "relaxed " : ""}SIMD`, faster };
}

/** What is in the way of several threads, where they are wanted. */
async function lacking(memory: WebAssembly.Memory, threads: number): Promise<string | undefined> {
  if (threads === 1) return undefined;
  if (!isShared(memory)) {
    return `${threads} threads are faster: call backend() before tfjs starts "wasm" by itself`;
  }
  const path = new URL("./thread.ts", import.meta.url);
  if (
    path.protocol === "file:" && (await Deno.permissions.query({ name: "read", path })).state === "granted"
  ) {
    return undefined;
  }
  return `${threads} threads are faster: run from files, with --allow-read`;
}

/** Places on a heap, taken once for as long as the backend lives. */
const places = new WeakMap<WasmBackend, { constants: number; scratch: number[] }>();

/** The places of the calls' constants and of each thread's scratch: 0 where none is wanted. */
function placesOn(
  backend: WasmBackend,
  threads: number,
  bytes: number,
): { constants: number; scratch: number[] } {
  let own = places.get(backend);
  if (!own) places.set(backend, own = { constants: allocate(backend, CONSTANTS).start, scratch: [] });
  if (bytes === 0) return { constants: own.constants, scratch: Array<number>(threads).fill(0) };
  while (own.scratch.length < threads) own.scratch.push(allocate(backend, bytes).start);
  return own;
}

/** Shapes and addresses of one `BatchMatMul`, then the product. */
function batchMatMul(
  team: Team,
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
  // One B for all: the rows of all products are one matrix.
  const joined = bBatch === 1 && aBatch === batch && !transposeA;
  const [count, rows] = joined ? [1, batch * M] : [batch, M];
  const regular = joined || [1, batch].includes(aBatch) && [1, batch].includes(bBatch);
  const [aNext, bNext] = [aBatch === 1 ? 0 : aSize, bBatch === 1 ? 0 : bSize];
  team.run(2 * batch * M * N * K, ({ gemm }, part, parts) => {
    const [from, to] = count === 1 ? [0, 1] : share(count, part, parts);
    const [first, end] = count === 1 ? share(rows, part, parts) : [0, rows];
    if (from === to || first === end) return;
    // deno-fmt-ignore
    const run = (times: number, a: number, b: number, c: number) =>
      gemm(times, aNext, bNext, cSize, transposeA, transposeB, end - first, N, K,
        a + 4 * first * (transposeA ? 1 : aColumns), aColumns, b, bColumns, c + 4 * first * N, N, false);
    if (regular) return run(to - from, pa + from * aNext, pb + from * bNext, pc + from * cSize);
    for (let i = from; i < to; i++) { // Broadcast along some of the outer dimensions.
      run(1, pa + place(i, outer, aOuter) * aSize, pb + place(i, outer, bOuter) * bSize, pc + i * cSize);
    }
  });
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
