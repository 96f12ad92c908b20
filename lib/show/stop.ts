/** Controller of the signal that the stop button aborts. */
let current: AbortController | undefined;

/**
 * A signal that is aborted by a notebook's stop button and by Ctrl-C. A run with this signal stops after the current
 * update, and the kernel keeps its state. If the run has a checkpoint, running the cell again resumes it.
 *
 * After the first call the stop button no longer ends the kernel; restarting it does.
 *
 * @returns A new signal; earlier signals are no longer aborted.
 *
 * @example
 * ```ts
 * import { stopButton } from "./stop.ts";
 *
 * const signal = stopButton();
 * console.log(signal.aborted); // false
 * ```
 */
export function stopButton(): AbortSignal {
  if (!current) Deno.addSignalListener("SIGINT", () => current!.abort());
  return (current = new AbortController()).signal;
}
