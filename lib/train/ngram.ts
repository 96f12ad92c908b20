import { evaluationWindows, type TextScore, textScore } from "./evaluate.ts";
import { tokensOf } from "./batches.ts";
import type { Tokenizer } from "../text/mod.ts";

/** What absolute discounting takes from each seen pair's count. */
const DISCOUNT = 0.75;

/**
 * What a model of two tokens at most makes of a held-out text: the mark that a pre-trained model must pass.
 *
 * Both are estimated on the whole training text and scored on the very tokens that {@linkcode scoreText} scores:
 * unigrams with one added to every count; bigrams with absolute discounting, the rest shared out by the unigrams.
 *
 * @param limit Windows at the most, as for the model.
 * @throws {InputError} If the held-out text does not fill a window.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { ngramBaselines } from "./mod.ts";
 *
 * const text = "to be or not to be that is the question ".repeat(20);
 * const { unigram, bigram } = ngramBaselines(text, text, trainBpe(text, { merges: 10 }), 32);
 * console.log(bigram.loss < unigram.loss); // true
 * ```
 */
export function ngramBaselines(
  train: string,
  heldout: string,
  tokenizer: Tokenizer,
  context: number,
  limit?: number,
): { unigram: TextScore; bigram: TextScore } {
  const [ids, unseen] = [tokensOf(train, tokenizer), tokensOf(heldout, tokenizer)];
  const V = tokenizer.size;
  const counts = new Float64Array(V);
  const followers = new Float64Array(V); // How many different tokens follow.
  const follows = new Float64Array(V); // How often any token follows.
  const pairs = new Map<number, number>();
  ids.forEach((id, i) => {
    counts[id]!++;
    if (i === 0) return;
    const before = ids[i - 1]!;
    const seen = pairs.get(before * V + id) ?? 0;
    pairs.set(before * V + id, seen + 1);
    follows[before]!++;
    if (seen === 0) followers[before]!++;
  });
  const unigram = (id: number) => (counts[id]! + 1) / (ids.length + V);
  const bigram = (before: number, id: number) => {
    const times = follows[before]!;
    if (times === 0) return unigram(id);
    const own = Math.max(0, (pairs.get(before * V + id) ?? 0) - DISCOUNT);
    return (own + DISCOUNT * followers[before]! * unigram(id)) / times;
  };
  const windows = evaluationWindows(unseen, context, limit);
  const scoreBy = (probability: (before: number, id: number) => number) => {
    const losses = windows.map((window) => {
      let loss = 0;
      for (let i = 1; i < context; i++) loss -= Math.log(probability(window[i - 1]!, window[i]!));
      return loss / (context - 1);
    });
    return textScore(losses, context - 1, heldout, unseen);
  };
  return { unigram: scoreBy((_, id) => unigram(id)), bigram: scoreBy(bigram) };
}
