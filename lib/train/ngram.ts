import type { Corpus } from "../data/mod.ts";
import type { Config } from "../model/mod.ts";
import { checked, type SchemaOf, settle, text } from "../settings.ts";
import { type Tokenizer, tokensOf } from "../text/mod.ts";
import { tokenizerSetting } from "../text/settings.ts";
import { context as contexts, order as orders, windows as windowLimit } from "./options.ts";
import { evaluationWindows, type TextScore, textScore } from "./evaluate.ts";
import { absoluteDiscounting, DEFAULT_ORDER, kneserNey } from "./kneserney.ts";

/** Scores of n-gram language models on a held-out text. */
export interface NgramBaselines {
  /** Unigram model with add-one smoothing. */
  readonly unigram: TextScore;
  /** Bigram model with absolute discounting: a pre-trained model should be better. */
  readonly bigram: TextScore;
  /** Kneser–Ney n-grams with modified smoothing (Chen and Goodman 1998): a good model is better. */
  readonly kneserNey: TextScore;
}

/** The options of {@linkcode ngramBaselines}. */
export interface NgramOptions {
  /** Maximum number of windows of the held-out text, as for the model. Default: all. */
  windows?: number;
  /** Order of the Kneser–Ney model. @default 5 */
  order?: number;
  /** Window length in tokens, as for the model. Default: the model's context. */
  context?: number;
}

/** The settings of {@linkcode NgramOptions}. */
export const ngramSettings = {
  windows: { ...windowLimit, default: Infinity },
  order: { ...orders, default: DEFAULT_ORDER },
  context: { ...contexts, otherwise: "the model's context" },
} satisfies SchemaOf<NgramOptions>;

/**
 * Scores n-gram language models on a held-out text. They are estimated on the training text and scored on the same
 * tokens, with the same context, as a model by {@linkcode scoreText}.
 *
 * @param lm The model to compare with; its tokenizer and context length are used.
 * @throws {InputError} If it is no such model, the held-out text is shorter than a window, or an option is unknown or out
 * of its range.
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
  const { windows: limit, order, ...given } = settle(action, ngramSettings, options);
  const { tokenizer, config = {} as Partial<Config> } = Object(lm), { context = config.context } = given;
  checked(action, "tokenizer", tokenizerSetting, tokenizer);
  checked(action, "context", contexts, context);
  const { train, heldout } = Object(corpus) as typeof corpus;
  checked(action, "corpus.train", text, train);
  checked(action, "corpus.heldout", text, heldout);
  const [ids, heldoutIds] = [tokensOf(train, tokenizer), tokensOf(heldout, tokenizer)];
  const windows = evaluationWindows(heldoutIds, context, limit);
  const score = (probabilities: (sequence: Int32Array) => Float64Array): TextScore => {
    const losses = windows.map((window) =>
      -probabilities(window).subarray(1).reduce((sum, p) => sum + Math.log(p), 0) / (context - 1)
    );
    return textScore(losses, context - 1, heldout, heldoutIds, tokenizer);
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
