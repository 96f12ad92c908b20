import { jupyter } from "./kernel.ts";

/** Milliseconds for which work keeps timers and signals waiting: a pause takes some 3. */
const INTERVAL = 300;

let controller = new AbortController();
let listens = false;
let lastPause = performance.now();

/** Asks all work of this process to end after the update or the batch under way. */
export function stop(): void {
  controller.abort(new DOMException("Stopped before the end", "AbortError"));
}

/**
 * What aborts when this process' work is to end. In a notebook's kernel the stop button does it, and no longer ends the
 * kernel and all that it holds; a stop ends what is under way, and nothing that begins later.
 */
export function stopSignal(): AbortSignal {
  if (jupyter()) {
    if (!listens) Deno.addSignalListener("SIGINT", stop);
    listens = true;
    if (controller.signal.aborted) controller = new AbortController();
  }
  return controller.signal;
}

/**
 * Gives way to timers, signals and a notebook's stop button, if the last time was a while ago.
 *
 * @param signal Of this work, as {@linkcode stopSignal} gave it when it began.
 * @throws The signal's reason, if it is aborted.
 */
export async function giveWay(signal?: AbortSignal): Promise<void> {
  if (performance.now() - lastPause > INTERVAL) {
    await new Promise((resume) => setTimeout(resume)); // An immediate would let signals wait.
    lastPause = performance.now();
  }
  signal?.throwIfAborted();
}
