/**
 * Lets a value show itself as a text: as a notebook cell's last expression, and when it is printed. Nothing that one
 * can enumerate, compare or write as JSON is added to it.
 *
 * @param value What is to be shown.
 * @param text How; called each time.
 * @returns The same value.
 */
export function shownAs<T extends object>(value: T, text: () => string): T {
  return Object.defineProperties(value, {
    [Symbol.for("Jupyter.display")]: { value: () => ({ "text/plain": text() }) },
    [Symbol.for("Deno.customInspect")]: { value: text },
  });
}
