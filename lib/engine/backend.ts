import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { InputError } from "../errors.ts";
import { shareClones } from "./fused.ts";
import { installGemm } from "./gemm.ts";

/** The backends that the kit is tested on, the fastest first. */
export const backends = ["wasm", "cpu"] as const;

/** A backend's name. */
export type BackendName = typeof backends[number];

/** Where tfjs computes. */
export interface Backend {
  /** tfjs' name of it. */
  readonly name: BackendName;
  /** What multiplies matrices, which is most of the work. */
  readonly products: string;
  /** What would be faster, and how to get it, where there is such a thing. */
  readonly faster?: string;
}

let current: Backend | undefined;

/** What computes now, in words, as a result's provenance tells it. */
export function backendInUse(): string {
  const name = tf.getBackend();
  return current?.name === name ? `${name}: ${current.products}` : name;
}

/**
 * Chooses where tfjs computes: the fastest backend that starts here, or the one that is asked for.
 *
 * @param name One of {@linkcode backends}; without it, the first that starts.
 * @returns What is in use.
 * @throws {InputError} If the name is unknown, or no backend starts.
 *
 * @example
 * ```ts
 * import { backend } from "./backend.ts";
 *
 * console.log((await backend("cpu")).name); // "cpu"
 * console.log((await backend()).products); // such as "OpenBLAS through FFI, 1 thread"
 * ```
 */
export async function backend(name?: BackendName): Promise<Backend> {
  if (name !== undefined && !backends.includes(name)) {
    throw new InputError(`Cannot use backend "${name}" as the backends are ${backends.join(" and ")}`);
  }
  tf.env().set("PROD", true); // Keeps tfjs from advertising its Node binding at the first operation.
  for (const candidate of name ? [name] : backends) {
    if (!await tf.setBackend(candidate).catch(() => false)) continue;
    if (candidate === "cpu") return current = { name: candidate, products: "plain JavaScript" };
    shareClones();
    const [products = "", faster] = (await installGemm()).split("\n");
    return current = { name: candidate, products, ...(faster && { faster }) };
  }
  throw new InputError(`Cannot start ${name ? `backend "${name}"` : "any backend"} on this machine`);
}
