import * as tf from "../tfjs.ts";
import "npm:@tensorflow/tfjs-backend-wasm@4.22.0";
import { InputError } from "../errors.ts";
import { deno } from "../host.ts";
import { jupyter } from "../kernel.ts";
import { checked, oneOf, type SchemaOf, settle, whole } from "../settings.ts";
import { stopSignal } from "../stop.ts";
import { installGemm, type MatmulInfo } from "./gemm.ts";
import { startShared } from "./wasm-memory.ts";
import { startWebgpu } from "./webgpu.ts";

/** The backends that the kit is tested on: those that start anywhere, the fastest first, then the GPU's. */
export const backends: readonly BackendName[] = ["wasm", "cpu", "webgpu"];

/** A backend's name. */
export type BackendName = "wasm" | "cpu" | "webgpu";

/** Where tfjs computes. */
export interface Backend extends MatmulInfo {
  /** tfjs' name of it. */
  readonly name: BackendName;
  /** Why this one, in words that follow its name. */
  readonly why: string;
}

let current: Backend | undefined;

tf.env().set("PROD", true); // Keeps tfjs from advertising its Node binding at the first operation.
// A model may be made before `backend` is awaited: tfjs' "cpu" starts at once and holds it, until another one uses it.
if ((tf.getBackend() as string | undefined) === undefined) tf.setBackend("cpu");

let starting: Promise<Backend> | undefined;

/**
 * Starts the backend that {@linkcode backend} chooses by itself, where nobody has chosen one; what computes awaits it.
 *
 * @throws {InputError} If none starts here.
 * @throws {DOMException} `AbortError`, if a notebook's stop button was pressed meanwhile.
 *
 * @example
 * ```ts
 * import { backendInUse, started } from "./mod.ts";
 *
 * await started();
 * console.log(backendInUse()); // "wasm: own kernel, SIMD, 2 threads"
 * ```
 */
export async function started(): Promise<void> {
  const stopped = jupyter() && stopSignal(); // Before the first wait: until then a notebook's stop button ends the kernel.
  if (current === undefined && tf.getBackend() === "cpu") await (starting ??= backend());
  stopped?.throwIfAborted();
}

/** What computes now, in words, as a result's provenance records it. */
export function backendInUse(): string {
  const name = tf.getBackend();
  return current && current.name === name ? `${name}: ${current.matmul}` : name;
}

/** How a backend computes. */
export interface BackendOptions {
  /**
   * Threads that share each operation, on backend "wasm". The same seed gives the same bits for the same number of
   * them and the same matrix multiplication ({@linkcode Backend.matmul}): another one rounds differently, and a
   * fine-tuned model may then end several points of accuracy elsewhere, as with another seed. Default: all cores, half
   * of more than four logical ones, which are second threads of a core or slow ones.
   */
  readonly threads?: number;
}

/** The settings of {@linkcode BackendOptions}. */
export const backendSettings = {
  threads: {
    // A thread takes 45 MB and a quarter of a second to start.
    ...whole({ from: 1, to: 64 }),
    about: "threads of one model",
    unit: "threads",
    otherwise: "the cores, or half of more than four",
  },
} satisfies SchemaOf<BackendOptions>;

/** A backend's name, as an option. */
export const backendSetting = {
  ...oneOf(backends),
  about: "where to compute",
  otherwise: "the fastest without a GPU",
};

function cores(): number {
  if (!deno) return 1; // A page from a file has no memory that threads could share.
  const logical = navigator.hardwareConcurrency;
  return logical <= 4 ? logical : Math.ceil(logical / 2);
}

/**
 * Chooses where tfjs computes: the fastest backend that needs no GPU, or the one that is asked for.
 *
 * A GPU is used if it is asked for, as `webgpu`. Operations there are tfjs' own, and whether they are faster depends
 * on device and model. They are checked first to compute what tfjs' `cpu` does, and their values cannot be read
 * without `await`.
 *
 * @param name `wasm`, `cpu` or `webgpu`. Default: the first that starts of those without a GPU.
 * @param options How many threads.
 * @returns What is in use, and why.
 * @throws {InputError} If the name is unknown, threads are out of their range, it does not start here or computes
 * wrongly; the backend that was in use then stays.
 *
 * @example
 * ```ts
 * import { backend } from "./backend.ts";
 *
 * console.log((await backend("cpu")).name); // "cpu"
 * const { name, why, matmul } = await backend();
 * console.log(`${name}, ${why}: ${matmul}`); // "wasm, the fastest without a GPU: own kernel, SIMD, 2 threads"
 * ```
 */
export async function backend(
  name?: BackendName,
  options: BackendOptions = {},
): Promise<Backend> {
  const { threads = cores() } = settle("compute", backendSettings, options);
  if (name !== undefined) checked("compute", "backend", backendSetting, name);
  const before = tf.getBackend() as string | undefined;
  const starts = { wasm: () => startWasm(threads), cpu: startCpu, webgpu: startWebgpu };
  try {
    for (const candidate of name ? [name] : ["wasm", "cpu"] as const) {
      const started = await starts[candidate]();
      if (started === undefined) continue;
      const usual = candidate === "wasm" ? "the fastest without a GPU" : "as wasm does not start here";
      return current = { name: candidate, why: name ? "as asked" : usual, ...started };
    }
    throw new InputError(`Cannot start ${name ? `backend "${name}"` : "any backend"} on this machine`);
  } catch (error) {
    if (before) await tf.setBackend(before);
    throw error;
  }
}

async function startWasm(threads: number): Promise<MatmulInfo | undefined> {
  const start = () => tf.setBackend("wasm");
  if (!await (deno ? startShared(start) : start()).catch(() => false)) return undefined;
  return await installGemm({ threads });
}

async function startCpu(): Promise<MatmulInfo | undefined> {
  return await tf.setBackend("cpu").catch(() => false) ? { matmul: "plain JavaScript" } : undefined;
}
