/**
 * The words of a text, in lower case. Surface cues are counted in words; models read tokens.
 *
 * @param text Any text
 * @returns Its words in their order
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
