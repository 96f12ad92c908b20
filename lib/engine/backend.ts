import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { InputError } from "../errors.ts";
import { installGemm } from "./gemm.ts";

/** The backends that the kit is tested on, the fastest first. */
export const backends = ["wasm", "cpu"] as const;

/** A backend's name. */
export type Backend = typeof backends[number];

/**
 * Chooses where tfjs computes: the fastest backend that starts here, or the one that is asked for.
 *
 * @param name One of {@linkcode backends}; without it, the first that starts.
 * @returns The name of the backend in use.
 * @throws {InputError} If the name is unknown, or no backend starts.
 *
 * @example
 * ```ts
 * import { backend } from "./backend.ts";
 *
 * console.log(await backend("cpu")); // "cpu"
 * console.log(await backend()); // "wasm", where WebAssembly has SIMD
 * ```
 */
export async function backend(name?: Backend): Promise<Backend> {
  if (name !== undefined && !backends.includes(name)) {
    throw new InputError(`Cannot use backend "${name}" as the backends are ${backends.join(" and ")}`);
  }
  tf.env().set("PROD", true); // Keeps tfjs from advertising its Node binding at the first operation.
  for (const candidate of name ? [name] : backends) {
    if (!await tf.setBackend(candidate).catch(() => false)) continue;
    if (candidate === "wasm") await installGemm();
    return candidate;
  }
  throw new InputError(`Cannot start ${name ? `backend "${name}"` : "any backend"} on this machine`);
}
