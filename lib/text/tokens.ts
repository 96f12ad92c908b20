import type { Tokenizer } from "./bpe.ts";

/**
 * A text's tokens; each tokenizer encodes a text once.
 *
 * @param text Any text
 * @param tokenizer What encodes it
 * @returns The ids, which all callers share: they must not be changed
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
  let texts = known.get(tokenizer);
  if (!texts) known.set(tokenizer, texts = new Map());
  let ids = texts.get(text);
  if (!ids) texts.set(text, ids = tokenizer.encode(text));
  return ids;
}
const known = new WeakMap<Tokenizer, Map<string, Int32Array>>();

/**
 * How many of a text's tokens are `<unk>`, which stands for all characters that the tokenizer does not know.
 *
 * @param ids The text's tokens
 * @param tokenizer What encoded it
 *
 * @example
 * ```ts
 * import { trainBpe } from "./mod.ts";
 * import { countUnknown } from "./tokens.ts";
 *
 * const tokenizer = trainBpe("to be or not to be", { merges: 3 });
 * console.log(countUnknown(tokenizer.encode("to be"), tokenizer)); // 0
 * ```
 */
export function countUnknown(ids: Int32Array, { encoder }: Tokenizer): number {
  const unknown = encoder.get("<unk>");
  return ids.reduce((count, id) => id === unknown ? count + 1 : count, 0);
}
