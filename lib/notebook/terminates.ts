import { Worker } from "node:worker_threads";
import { InputError } from "../errors.ts";
import { workerUrl } from "../origin.ts";

/** Time limit per figure in ms; a typical one takes 100. It is longer if the worker was slow to start. */
const FIGURE_TIMEOUT = 4e3;

/** Time limit for starting the worker in ms, on a busy machine. */
const START_TIMEOUT = 60e3;

let worker: Promise<{ readonly own: Worker; readonly limit: number }> | undefined;

/**
 * Whether plotly.js terminates on a figure: some figures make it loop forever, which would freeze the page.
 *
 * @param json The figure.
 * @returns Whether it drew or rejected the figure within the time limit.
 *
 * @example
 * ```ts
 * import { terminates } from "./terminates.ts";
 *
 * console.log(await terminates('{ "data": [{ "y": [1, 2] }], "layout": {} }')); // true
 * ```
 */
export async function terminates(json: string): Promise<boolean> {
  const { own, limit } = await (worker ??= start());
  own.postMessage(json);
  if (await responds(own, limit)) return true;
  worker = undefined;
  await own.terminate();
  return false;
}

async function start(): Promise<{ own: Worker; limit: number }> {
  const begin = performance.now();
  const own = new Worker(workerUrl(new URL("./drawing-worker.ts", import.meta.url)));
  own.unref(); // Unlike a Web Worker, it then does not keep the program alive.
  if (!await responds(own, START_TIMEOUT)) {
    throw new InputError(
      "Cannot draw figures as the worker for them does not start: it needs memory, --allow-read and " +
        "--allow-env=UNDICI_NO_WASM_SIMD,UNDICI_USE_MILO",
    );
  }
  return { own, limit: Math.max(FIGURE_TIMEOUT, 2 * (performance.now() - begin)) };
}

/** Whether a worker sends a message within the time limit; out of memory, it sends none. */
async function responds(worker: Worker, milliseconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const isAlive = await new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
    worker.once("message", () => resolve(true)).once("error", () => resolve(false));
  });
  clearTimeout(timer);
  worker.removeAllListeners();
  return isAlive;
}
