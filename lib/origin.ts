/**
 * Where the kit's own files are: in a folder, or at https where JSR serves them.
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
