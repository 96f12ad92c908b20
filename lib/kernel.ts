/** The display function of a notebook's kernel. */
export interface Kernel {
  /** Displays a value with a `Jupyter.display` method, or data by media type; replaces an earlier one of the same id. */
  display(
    value: unknown,
    options?: { readonly raw?: boolean; readonly display_id?: string; readonly update?: boolean },
  ): Promise<void>;
}

/** The notebook's kernel; undefined outside a notebook, where accessing it throws. */
export function jupyter(): Kernel | undefined {
  try {
    return (Deno as unknown as { jupyter: Kernel }).jupyter;
  } catch {
    return undefined;
  }
}

/** Key of the method by which a value returns its data by media type for display in a notebook. */
export const DISPLAY = Symbol.for("Jupyter.display");

/**
 * Displays a value as a text when it is printed or the last expression of a notebook cell. The added properties are not
 * enumerable: JSON and comparisons are unchanged.
 *
 * @param value The value.
 * @param text Returns the text; called each time.
 * @param html Returns the same as HTML, for notebooks. Default: the text only.
 * @returns The same value.
 *
 * @example
 * ```ts
 * import { displayAs } from "./kernel.ts";
 *
 * console.log(displayAs({ loss: 2.1 }, () => "loss 2.1")); // loss 2.1
 * ```
 */
export function displayAs<T extends object>(value: T, text: () => string, html?: () => string): T {
  return Object.defineProperties(value, {
    [DISPLAY]: { value: () => ({ "text/plain": text(), ...html && { "text/html": html() } }) },
    [Symbol.for("Deno.customInspect")]: { value: text },
  });
}
