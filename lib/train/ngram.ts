import type { Corpus } from "../data/mod.ts";
import type { Config } from "../model/mod.ts";
import { checked, type SchemaOf, settle, text } from "../settings.ts";
import { type Tokenizer, tokensOf } from "../text/mod.ts";
import { tokenizerSetting } from "../text/settings.ts";
import { context as contexts, order as orders, windows as windowLimit } from "./options.ts";
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

/** The options of {@linkcode ngramBaselines}. */
export interface NgramOptions {
  /** Windows of the held-out text at most, as for the model. Default: all. */
  windows?: number;
  /** Tokens of the longest n-grams of Kneser–Ney. Default: 5. */
  order?: number;
}

/** The settings of {@linkcode NgramOptions}. */
export const ngramSettings = {
  windows: { ...windowLimit, default: Infinity },
  order: { ...orders, default: ORDER },
} satisfies SchemaOf<NgramOptions>;

/**
 * What models that count n-grams make of a held-out text. They are estimated on the whole training text and scored on
 * the very tokens that {@linkcode scoreText} scores, with no more context than a model has there.
 *
 * @param lm The model that they are compared with: its tokenizer and its context are theirs.
 * @throws {InputError} If it is no such model, the held-out text does not fill a window, or an option is unknown or out of
 * its range.
 *
 * @example
 * ```ts
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { ngramBaselines } from "./mod.ts";
 *
 * const text = "to be or not to be that is the question ".repeat(20);
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe(text, { merges: 10 }) });
 * const { unigram, bigram, kneserNey } = ngramBaselines(lm, { train: text, heldout: text });
 * console.log(kneserNey.loss < bigram.loss && bigram.loss < unigram.loss); // true
 * ```
 */
export function ngramBaselines(
  lm: { readonly tokenizer: Tokenizer; readonly config: Pick<Config, "context"> },
  corpus: Pick<Corpus, "train" | "heldout">,
  options: NgramOptions = {},
): NgramBaselines {
  const action = "count n-grams";
  const { windows: limit, order } = settle(action, ngramSettings, options);
  const { tokenizer, config: { context } = {} as Partial<Config> } = Object(lm);
  checked(action, "tokenizer", tokenizerSetting, tokenizer);
  checked(action, "context", contexts, context);
  const { train, heldout } = Object(corpus) as typeof corpus;
  checked(action, "corpus.train", text, train);
  checked(action, "corpus.heldout", text, heldout);
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
