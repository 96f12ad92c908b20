import { deno } from "./host.ts";
import { jupyter } from "./kernel.ts";

/** Time in ms after which work yields to timers and signals: a yield takes some 3 ms. */
const yieldInterval = 300;

/** Signals that ask a process to stop. On Windows Deno can listen to Ctrl-C alone. */
export const stopSignals: readonly ("SIGINT" | "SIGTERM" | "SIGHUP")[] = deno?.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

let controller = new AbortController();
let listens = false;
let lastYield = performance.now();

/** Asks all work of this process to stop after the current update or batch. */
export function stop(): void {
  controller.abort(new DOMException("Stopped before the end", "AbortError"));
}

/**
 * The signal that stops the work of this process. In a notebook, the stop button aborts it, and no longer ends the kernel
 * with its state. It stops current work, not work that starts later.
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
 * Yields to timers, signals and a notebook's stop button, if the last yield was a while ago.
 *
 * @param signal The signal of this work, from {@linkcode stopSignal}.
 * @throws The signal's reason, if it is aborted.
 */
export async function yieldToEventLoop(signal?: AbortSignal): Promise<void> {
  if (performance.now() - lastYield > yieldInterval) {
    await new Promise((resume) => setTimeout(resume)); // Not setImmediate, which does not let signals through.
    lastYield = performance.now();
  }
  signal?.throwIfAborted();
}
