/** Milliseconds for which work keeps timers and signals waiting: a pause takes some 3. */
const INTERVAL = 300;

let controller = new AbortController();
let listens = false;
let lastPause = performance.now();

/**
 * Asks all work of this process to end after the update or the batch under way.
 *
 * @param why What those who wait for it are told.
 */
export function stop(why = "Stopped before the end"): void {
  controller.abort(new DOMException(why, "AbortError"));
}

/**
 * What aborts when this process' work is to end. In a notebook's kernel the stop button does it, and no longer ends the
 * kernel and all that it holds; a stop ends what is under way, and nothing that begins later.
 */
export function stopSignal(): AbortSignal {
  if (isKernel()) {
    if (!listens) Deno.addSignalListener("SIGINT", () => stop());
    listens = true;
    if (controller.signal.aborted) controller = new AbortController();
  }
  return controller.signal;
}

/** Whether this is a notebook's kernel: elsewhere touching `Deno.jupyter` throws. */
function isKernel(): boolean {
  try {
    return "jupyter" in Deno && (Deno as { jupyter: unknown }).jupyter !== undefined;
  } catch {
    return false;
  }
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
