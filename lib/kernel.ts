/** What a notebook's kernel does for those who show things. */
export interface Kernel {
  /** Shows a value that knows how, or a bundle of media types; in the place of an earlier one of the same id. */
  display(
    value: unknown,
    options?: { readonly raw?: boolean; readonly display_id?: string; readonly update?: boolean },
  ): Promise<void>;
}

/** The notebook's kernel, where this is one: elsewhere touching it throws. */
export function jupyter(): Kernel | undefined {
  try {
    return (Deno as unknown as { jupyter: Kernel }).jupyter;
  } catch {
    return undefined;
  }
}

/** By which a value tells the kernel how it is shown: a function that returns a bundle of media types. */
export const DISPLAY = Symbol.for("Jupyter.display");

/**
 * Lets a value show itself as a text: as a notebook cell's last expression, and when it is printed. Nothing that one
 * can enumerate, compare or write as JSON is added to it.
 *
 * @param value What is to be shown.
 * @param text How; called each time.
 * @returns The same value.
 *
 * @example
 * ```ts
 * import { shownAs } from "./kernel.ts";
 *
 * console.log(shownAs({ loss: 2.1 }, () => "loss 2.1")); // loss 2.1
 * ```
 */
export function shownAs<T extends object>(value: T, text: () => string): T {
  return Object.defineProperties(value, {
    [DISPLAY]: { value: () => ({ "text/plain": text() }) },
    [Symbol.for("Deno.customInspect")]: { value: text },
  });
}
