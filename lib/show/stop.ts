/** The run that the stop button ends. */
let current: AbortController | undefined;

/**
 * A signal that a notebook's stop button aborts, and Ctrl-C does: the run that was given it ends after the update under
 * way, and the kernel, with all that it holds, stays. Where the run has a checkpoint, the same cell goes on from there.
 *
 * From the first call on the button no longer ends the kernel; its restart does.
 *
 * @returns A new signal; signals given before are left alone from then on.
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
