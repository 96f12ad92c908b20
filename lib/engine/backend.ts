import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { InputError } from "../errors.ts";
import { shareClones } from "./fused.ts";
import { installGemm } from "./gemm.ts";
import { startShared } from "./heap.ts";

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

/** How a backend computes. */
export interface BackendOptions {
  /**
   * Threads that share each operation, on backend "wasm": all cores unless given, at most half of more than four
   * logical ones, which are second threads of a core or slow ones. The same seed gives the same bits for the same
   * number of them.
   */
  readonly threads?: number;
}

function cores(): number {
  const logical = navigator.hardwareConcurrency;
  return logical <= 4 ? logical : Math.ceil(logical / 2);
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
 * console.log((await backend("wasm", { threads: 2 })).products); // such as "OpenBLAS through FFI, 2 threads"
 * ```
 */
export async function backend(
  name?: BackendName,
  { threads = cores() }: BackendOptions = {},
): Promise<Backend> {
  if (name !== undefined && !backends.includes(name)) {
    throw new InputError(`Cannot use backend "${name}" as the backends are ${backends.join(" and ")}`);
  }
  tf.env().set("PROD", true); // Keeps tfjs from advertising its Node binding at the first operation.
  for (const candidate of name ? [name] : backends) {
    if (!await startShared(() => tf.setBackend(candidate)).catch(() => false)) continue;
    if (candidate === "cpu") return current = { name: candidate, products: "plain JavaScript" };
    shareClones();
    return current = { name: candidate, ...await installGemm({ threads }) };
  }
  throw new InputError(`Cannot start ${name ? `backend "${name}"` : "any backend"} on this machine`);
}
