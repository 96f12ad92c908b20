/**
 * The lower-case words of a text, for surface-cue baselines. Models use tokens instead.
 *
 * @param text Any text
 * @returns The words in order
 *
 * @example
 * ```ts
 * import { wordsOf } from "./words.ts";
 *
 * console.log(wordsOf("a cat's paw")); // ["a", "cat", "s", "paw"]
 * ```
 */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+/gu) ?? [];
}
