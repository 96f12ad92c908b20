import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { InputError } from "../errors.ts";
import { shareClones } from "./fused.ts";
import { installGemm } from "./gemm.ts";
import { startWebgpu } from "./webgpu.ts";

/** The backends that the kit is tested on: those that start anywhere, the fastest first, then the GPU's. */
export const backends = ["wasm", "cpu", "webgpu"] as const;

/** A backend's name. */
export type BackendName = typeof backends[number];

/** Where tfjs computes. */
export interface Backend {
  /** tfjs' name of it. */
  readonly name: BackendName;
  /** Why this one, in words that follow its name. */
  readonly why: string;
  /** What multiplies matrices, which is most of the work. */
  readonly products: string;
  /** What would be faster, and how to get it, where there is such a thing. */
  readonly faster?: string;
}

let current: Backend | undefined;

/** What computes now, in words, as a result's provenance tells it. */
export function backendInUse(): string {
  const name = tf.getBackend();
  return current && current.name === name ? `${name}: ${current.products}` : name;
}

/**
 * Chooses where tfjs computes: the fastest backend that needs no GPU, or the one that is asked for.
 *
 * A GPU is used if it is asked for, as `webgpu`. Operations there are tfjs' own, and whether they are faster depends
 * on device and model. They are checked first to compute what tfjs' `cpu` does, and their values cannot be read
 * without `await`.
 *
 * @param name One of {@linkcode backends}; without it, the first that starts of those without a GPU.
 * @returns What is in use, and why.
 * @throws {InputError} If the name is unknown, it does not start here or computes wrongly; the backend that was in
 * use then stays.
 *
 * @example
 * ```ts
 * import { backend } from "./backend.ts";
 *
 * console.log((await backend("cpu")).name); // "cpu"
 * const { name, why, products } = await backend();
 * console.log(`${name}, ${why}: ${products}`); // such as "wasm, the fastest without a GPU: own kernel, SIMD"
 * ```
 */
export async function backend(name?: BackendName): Promise<Backend> {
  if (name !== undefined && !backends.includes(name)) {
    throw new InputError(`Cannot use backend "${name}" as the backends are ${backends.join(", ")}`);
  }
  tf.env().set("PROD", true); // Keeps tfjs from advertising its Node binding at the first operation.
  const before = tf.getBackend() as string | undefined;
  const starts = { wasm: startWasm, cpu: startCpu, webgpu: startWebgpu };
  try {
    for (const candidate of name ? [name] : ["wasm", "cpu"] as const) {
      const started = await starts[candidate]();
      if (started === undefined) continue;
      const [products = "", faster] = started.split("\n");
      const usual = candidate === "wasm" ? "the fastest without a GPU" : "as wasm does not start here";
      return current = {
        name: candidate,
        why: name ? "as asked" : usual,
        products,
        ...(faster && { faster }),
      };
    }
    throw new InputError(`Cannot start ${name ? `backend "${name}"` : "any backend"} on this machine`);
  } catch (error) {
    if (before) await tf.setBackend(before);
    throw error;
  }
}

async function startWasm(): Promise<string | undefined> {
  if (!await tf.setBackend("wasm").catch(() => false)) return undefined;
  shareClones();
  return await installGemm();
}

async function startCpu(): Promise<string | undefined> {
  return await tf.setBackend("cpu").catch(() => false) ? "plain JavaScript" : undefined;
}
