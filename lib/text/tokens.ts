import type { Tokenizer } from "./bpe.ts";
import { fixText } from "./normalise.ts";

/**
 * Encodes a text, and caches the result per tokenizer.
 *
 * @param text Any text
 * @param tokenizer The tokenizer
 * @returns Token ids; do not modify them, as the array is shared
 *
 * @example
 * ```ts
 * import { trainBpe } from "./mod.ts";
 * import { tokensOf } from "./tokens.ts";
 *
 * const tokenizer = trainBpe("to be or not to be", { merges: 3 });
 * console.log(tokensOf("to be", tokenizer) === tokensOf("to be", tokenizer)); // true
 * ```
 */
export function tokensOf(text: string, tokenizer: Tokenizer): Int32Array {
  let texts = cache.get(tokenizer);
  if (!texts) cache.set(tokenizer, texts = new Map());
  let ids = texts.get(text);
  if (!ids) texts.set(text, ids = tokenizer.encode(text));
  return ids;
}
const cache = new WeakMap<Tokenizer, Map<string, Int32Array>>();

/**
 * Counts the characters of a text as tokenizers read it, by which bits per character are divided: code points of the
 * repaired text, with one for a run of white space and none for that at the ends, which no model has to predict.
 *
 * @param text Any text
 *
 * @example
 * ```ts
 * import { charactersOf } from "./tokens.ts";
 *
 * console.log(charactersOf("  to   be \n\n 🐋")); // 7
 * ```
 */
export function charactersOf(text: string): number {
  const read = fixText(text).replace(/\s+/g, " ").trim();
  return read.length - (read.match(/[\ud800-\udbff]/g)?.length ?? 0); // Of a pair of surrogates one counts.
}

/**
 * Counts the `<unk>` tokens of a text, which replace characters outside the vocabulary.
 *
 * @param ids Token ids of the text
 *
 * @example
 * ```ts
 * import { trainBpe } from "./mod.ts";
 * import { countUnknown } from "./tokens.ts";
 *
 * const tokenizer = trainBpe("to be or not to be", { merges: 3 });
 * console.log(countUnknown(tokenizer.encode("to be"))); // 0
 * ```
 */
export function countUnknown(ids: Int32Array): number {
  return ids.reduce((count, id) => id === 0 ? count + 1 : count, 0);
}
