/**
 * Where modules come from: the kit's own from a folder, or from https where JSR serves them; packages that few need from
 * npm, on demand.
 *
 * @module
 */

/**
 * What `node:worker_threads` starts as a worker: a module in a folder itself, any other through a `data:` module that
 * imports it.
 *
 * @param module URL of the worker's module.
 *
 * @example
 * ```ts
 * import { workerUrl } from "./origin.ts";
 *
 * console.log(workerUrl(new URL("https://example.com/a.ts")).href); // data:text/javascript,import "https://example.com/a.ts"
 * ```
 */
export function workerUrl(module: URL): URL {
  return module.protocol === "file:"
    ? module
    : new URL(`data:text/javascript,import ${JSON.stringify(module.href)}`);
}

/**
 * Runs the code of a module whose imports are downloaded now. Deno downloads all imports that it can analyse, even
 * unused ones, with the program, and does not resolve packages in others. The static import of a `data:` module is
 * resolved when it is loaded.
 *
 * @param code JavaScript that imports or exports from packages of an exact version.
 * @returns What it exports.
 *
 * @example
 * ```ts
 * import { importOnDemand } from "./origin.ts";
 *
 * const { default: name } = await importOnDemand('export { default } from "data:application/json,1" with { type: "json" }');
 * console.log(name); // 1
 * ```
 */
export async function importOnDemand(code: string): Promise<Record<string, unknown>> {
  return await import(`data:text/javascript,${encodeURIComponent(code)}`);
}
