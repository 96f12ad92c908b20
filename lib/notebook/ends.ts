import { Worker } from "node:worker_threads";

/** Milliseconds for one figure, of which a usual one takes a hundred; more where starting took long. */
const LONGEST = 8e3;

/** Milliseconds in which the worker starts, on a machine that has other work. */
const START = 60e3;

let worker: Promise<{ readonly own: Worker; readonly limit: number }> | undefined;

/**
 * Whether plotly.js comes to an end with a figure: some make it loop for good, and a page in which it does is dead.
 *
 * @param json The figure.
 * @returns Whether it has drawn or refused it in its time.
 *
 * @example
 * ```ts
 * import { ends } from "./ends.ts";
 *
 * console.log(await ends('{ "data": [{ "y": [1, 2] }], "layout": {} }')); // true
 * ```
 */
export async function ends(json: string): Promise<boolean> {
  const { own, limit } = await (worker ??= start());
  own.postMessage(json);
  if (await answers(own, limit)) return true;
  worker = undefined;
  await own.terminate();
  return false;
}

async function start(): Promise<{ own: Worker; limit: number }> {
  const begin = performance.now();
  const own = new Worker(new URL("./trial.ts", import.meta.url));
  own.unref(); // Other than a Worker of the web it does not keep the program alive.
  if (!await answers(own, START)) throw new Error("Drawing does not start");
  return { own, limit: Math.max(LONGEST, 4 * (performance.now() - begin)) };
}

/** Whether a worker sends a message in time; one that is out of memory sends none. */
async function answers(worker: Worker, milliseconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const answer = await new Promise<boolean>((go) => {
    timer = setTimeout(go, milliseconds, false);
    worker.once("message", () => go(true)).once("error", () => go(false));
  });
  clearTimeout(timer);
  worker.removeAllListeners();
  return answer;
}
