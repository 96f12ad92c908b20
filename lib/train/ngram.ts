import { type Tokenizer, tokensOf } from "../text/mod.ts";
import { tokenizerSetting } from "../text/settings.ts";
import { presetSettings } from "../model/settings.ts";
import { checked } from "../settings.ts";
import { order as orders, windows as windowLimit } from "./options.ts";
import { evaluationWindows, type TextScore, textScore } from "./evaluate.ts";
import { absoluteDiscounting, kneserNey, ORDER } from "./kneserney.ts";

/** What models that count n-grams make of a held-out text. */
export interface NgramBaselines {
  /** Tokens alone, one added to every count. */
  readonly unigram: TextScore;
  /** Pairs with absolute discounting, the rest shared out by the unigrams: the mark that a pre-trained model must pass. */
  readonly bigram: TextScore;
  /** Modified Kneser–Ney ({@linkcode kneserNey}): the mark that a good one passes. */
  readonly kneserNey: TextScore;
}

/**
 * What models that count n-grams make of a held-out text. They are estimated on the whole training text and scored on
 * the very tokens that {@linkcode scoreText} scores, with no more context than a model has there.
 *
 * @param limit Windows at the most, as for the model.
 * @param order Tokens of the longest n-grams of Kneser–Ney; 5 unless given.
 * @throws {InputError} If the held-out text does not fill a window, or context, limit or order are out of their range.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { ngramBaselines } from "./mod.ts";
 *
 * const text = "to be or not to be that is the question ".repeat(20);
 * const { unigram, bigram, kneserNey } = ngramBaselines(text, text, trainBpe(text, { merges: 10 }), 32);
 * console.log(kneserNey.loss < bigram.loss && bigram.loss < unigram.loss); // true
 * ```
 */
export function ngramBaselines(
  train: string,
  heldout: string,
  tokenizer: Tokenizer,
  context: number,
  limit: number = Infinity,
  order: number = ORDER,
): NgramBaselines {
  const action = "count n-grams";
  checked(action, "tokenizer", tokenizerSetting, tokenizer);
  checked(action, "context", presetSettings.context, context);
  checked(action, "limit", windowLimit, limit);
  checked(action, "order", orders, order);
  const [ids, unseen] = [tokensOf(train, tokenizer), tokensOf(heldout, tokenizer)];
  const windows = evaluationWindows(unseen, context, limit);
  const score = (probabilities: (sequence: Int32Array) => Float64Array): TextScore => {
    const losses = windows.map((window) =>
      -probabilities(window).subarray(1).reduce((sum, p) => sum + Math.log(p), 0) / (context - 1)
    );
    return textScore(losses, context - 1, heldout, unseen, tokenizer);
  };
  const V = tokenizer.size;
  const counts = new Float64Array(V);
  for (const id of ids) counts[id]!++;
  const unigram = counts.map((count) => (count + 1) / (ids.length + V));
  return {
    unigram: score((sequence) => Float64Array.from(sequence, (id) => unigram[id]!)),
    bigram: score(absoluteDiscounting(ids, unigram)),
    kneserNey: score(kneserNey(ids, V, order)),
  };
}
