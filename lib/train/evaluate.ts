import * as tf from "@tensorflow/tfjs";
import { isGraded, type Measure, type Split, type Task } from "../data/mod.ts";
import { InputError } from "../errors.ts";
import { checkForetells, classify, forward, type LanguageModel } from "../model/mod.ts";
import { batchOf, tokensOf } from "./batches.ts";
import { encodeTask } from "./encode.ts";
import { exampleBatch } from "./finetune.ts";
import { bootstrap, type Interval, scoreInterval } from "./measures.ts";
import { checked } from "../settings.ts";
import { split as splits, windows as windowLimit } from "./options.ts";
import { languageModelLoss, targetOf } from "./objectives.ts";

/** How well a text is foretold. */
export interface TextMeasures {
  /** Nats a token; comparable between models of one tokenizer. */
  readonly loss: number;
  /** exp(loss), a token's. */
  readonly perplexity: number;
  /** Bits a character of the text; comparable between tokenizers. */
  readonly bitsPerCharacter: number;
}

/** How well a model of any kind foretells a text, with 95 % intervals over the text's windows. */
export interface TextScore extends TextMeasures {
  /** How many tokens were foretold. */
  readonly tokens: number;
  /** Lower ends of the intervals. */
  readonly low: TextMeasures;
  /** Upper ends. */
  readonly high: TextMeasures;
}

/** Sequences of one evaluation step: enough to keep matrix products busy, few enough to fit a small heap. */
const EVALUATION_BATCH = 16;

/**
 * A text's windows for evaluation: `limit` of them, spread evenly; all, side by side, if there are no more.
 *
 * @throws {InputError} If the text does not fill one.
 */
export function evaluationWindows(ids: Int32Array, context: number, limit: number): Int32Array[] {
  const count = Math.floor(ids.length / context);
  if (count === 0) {
    throw new InputError(`Cannot evaluate on ${ids.length} tokens as a window takes ${context}`);
  }
  const taken = Math.min(count, limit);
  return Array.from({ length: taken }, (_, i) => {
    const at = Math.floor(i * count / taken) * context;
    return ids.subarray(at, at + context);
  });
}

/**
 * A model's losses as a score of a text.
 *
 * @param losses Nats a token, of each window.
 * @param tokens How many tokens of a window are foretold.
 */
export function textScore(
  losses: readonly number[],
  tokens: number,
  text: string,
  ids: Int32Array,
): TextScore {
  const { value, low, high } = bootstrap(
    losses.length,
    (rows) => rows.reduce((sum, row) => sum + losses[row]!, 0) / rows.length,
  );
  const measures = (loss: number): TextMeasures => ({
    loss,
    perplexity: Math.exp(loss),
    bitsPerCharacter: loss / Math.LN2 * ids.length / text.length,
  });
  return { ...measures(value), tokens: tokens * losses.length, low: measures(low), high: measures(high) };
}

/**
 * How well a model foretells a text that it has not seen: window by window, without dropout, under a softmax
 * over the token rows whatever the variant, so that arms compare.
 *
 * @param limit Windows at the most, spread evenly over the text; all unless given.
 * @throws {InputError} If the text does not fill a window, the limit is no whole number from 1, or the architecture is
 * `bert`.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { scoreText } from "./mod.ts";
 *
 * await backend("cpu");
 * const text = "to be or not to be that is the question ".repeat(20);
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe(text, { merges: 10 }) });
 * console.log((await scoreText(lm, text)).bitsPerCharacter);
 * ```
 */
export async function scoreText(
  lm: LanguageModel,
  text: string,
  limit: number = Infinity,
): Promise<TextScore> {
  checked("score a text", "limit", windowLimit, limit);
  const { context, width } = lm.config;
  const { losses, ids } = await heldoutLosses(
    lm,
    text,
    limit,
    (h, windows) =>
      windows.map((window, n) =>
        languageModelLoss(
          h.slice([n, 0, 0], [1, context, width]),
          lm.parameters.tokens_embed.weight,
          batchOf([window]),
        )
      ),
  );
  return textScore(losses.flat(), context - 1, text, ids);
}

/**
 * How well a model foretells a text at each place of its window: what {@linkcode scoreText} gives, place by place.
 *
 * @param limit Windows at the most, spread evenly over the text; all unless given.
 * @returns Bits a character: of the token that has one token before it, two, …, all of the context but itself.
 * @throws {InputError} If the text does not fill a window, the limit is no whole number from 1, or the architecture is
 * `bert`.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { scoreByPosition } from "./mod.ts";
 *
 * await backend("cpu");
 * const text = "to be or not to be that is the question ".repeat(20);
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe(text, { merges: 10 }) });
 * console.log((await scoreByPosition(lm, text)).length); // 31
 * ```
 */
export async function scoreByPosition(
  lm: LanguageModel,
  text: string,
  limit: number = Infinity,
): Promise<number[]> {
  checked("score a text", "limit", windowLimit, limit);
  const { context, width } = lm.config;
  const { losses, windows, ids } = await heldoutLosses(
    lm,
    text,
    limit,
    (h, windows) =>
      Array.from({ length: context - 1 }, (_, t) =>
        languageModelLoss(
          h.slice([0, t, 0], [windows.length, 2, width]),
          lm.parameters.tokens_embed.weight,
          batchOf(windows.map((window) => window.subarray(t, t + 2))),
        )),
  );
  const bits = ids.length / text.length / Math.LN2;
  return Array.from({ length: context - 1 }, (_, t) => {
    const sum = losses.reduce((sum, batch, i) => sum + batch[t]! * windows[i]!, 0);
    return sum / windows.reduce((a, b) => a + b) * bits;
  });
}

/** Losses on a text's windows, some windows at a time. */
async function heldoutLosses(
  lm: LanguageModel,
  text: string,
  limit: number,
  lossesOf: (h: tf.Tensor3D, windows: readonly Int32Array[]) => tf.Scalar[],
): Promise<{ losses: number[][]; windows: number[]; ids: Int32Array }> {
  checkForetells(lm.config, "score a text");
  const ids = tokensOf(text, lm.tokenizer);
  const { context } = lm.config;
  const windows = evaluationWindows(ids, context, limit);
  const losses: number[][] = [], counts: number[] = [];
  for (let at = 0; at < windows.length; at += EVALUATION_BATCH) {
    const some = windows.slice(at, at + EVALUATION_BATCH);
    const found = tf.tidy(() => {
      const ids = tf.tensor2d(batchOf(some).ids, [some.length, context], "int32");
      return tf.stack(lossesOf(forward(lm.parameters, lm.config, ids).h, some));
    });
    losses.push([...await found.data()]);
    counts.push(some.length);
    found.dispose();
  }
  return { losses, windows: counts, ids };
}

/** How well a task is done, with 95 % intervals over its examples. */
export interface TaskScore extends Interval {
  /** The task's primary measure: `value`, `low` and `high` are of it. */
  readonly measure: Measure;
  /** Each of the task's measures. */
  readonly measures: Readonly<Partial<Record<Measure, Interval>>>;
  /** Label of each example as it was guessed; or its grade. */
  readonly predictions: readonly number[];
  /** Examples seen. */
  readonly examples: number;
}

/** Predictions for a split as scores by the task's measures. */
export function scoreOf(task: Task, split: Split, predictions: readonly number[]): TaskScore {
  const labels = task[split].map(({ label }) => label);
  const scores = task.measures.map((measure) =>
    [measure, scoreInterval(measure, predictions, labels)] as const
  );
  const [measure, primary] = scores[0]!;
  return {
    measure,
    ...primary,
    measures: Object.fromEntries(scores),
    predictions,
    examples: predictions.length,
  };
}

/** How well a fine-tuned model does a task. */
export interface Evaluation extends TaskScore {
  /** Mean cross-entropy of the labels, L2, in nats. */
  readonly loss: number;
  /** Scores of each example's labels, or choices. */
  readonly logits: readonly Float32Array[];
}

/**
 * How well a fine-tuned model does a task, without dropout. A label is the likeliest one; a grade is the mean of the
 * grades, each as likely as the model finds it.
 *
 * @param split Which examples; `test` unless given.
 * @throws {InputError} If there is no such split, or the model has no head for a task of this kind.
 *
 * @example
 * ```ts ignore
 * import { evaluate, finetune, loadModel, task } from "../mod.ts";
 *
 * const imdb = await task("imdb");
 * const tuned = await finetune(await loadModel("data/results/mini.safetensors"), imdb);
 * const { value, low, high } = await evaluate(tuned, imdb);
 * console.log(`accuracy ${value}, 95 % interval ${low} to ${high}`);
 * ```
 */
export async function evaluate(lm: LanguageModel, task: Task, split: Split = "test"): Promise<Evaluation> {
  checked("evaluate", "split", splits, split);
  if (lm.task?.kind !== task.kind || lm.task.labels.length !== task.labels.length) {
    const head = lm.task ? `a head for ${lm.task.kind} of ${lm.task.labels.length} labels` : "no head";
    throw new InputError(
      `Cannot evaluate on ${task.name} as it is ${task.kind} of ${task.labels.length} labels: the model has ${head}`,
    );
  }
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context);
  const rows = encoded[split];
  const logits = new Array<Float32Array>(rows.length);
  const perBatch = Math.max(1, Math.floor(2 * EVALUATION_BATCH / rows[0]!.sequences.length));
  const order = [...rows.keys()].sort((a, b) => rows[a]!.length - rows[b]!.length); // Little padding.
  for (let at = 0; at < order.length; at += perBatch) {
    const some = order.slice(at, at + perBatch);
    const batch = exampleBatch(some.map((i) => rows[i]!), encoded, lm);
    const scores = tf.tidy(() => {
      const N = batch.lengths.length;
      const { h } = forward(
        lm.parameters,
        lm.config,
        tf.tensor2d(batch.ids, [N, batch.ids.length / N], "int32"),
        undefined,
        undefined,
        batch.lengths,
      );
      return classify(lm.parameters, task.kind, h, batch.lengths, batch.labels!.length);
    });
    const flat = await scores.data<"float32">();
    const width = scores.shape[1];
    some.forEach((i, row) => logits[i] = flat.slice(row * width, (row + 1) * width));
    scores.dispose();
  }
  const graded = isGraded(task);
  let loss = 0;
  const predictions = logits.map((scores, i) => {
    const { label } = rows[i]!;
    const top = Math.max(...scores);
    const powers = Array.from(scores, (score) => Math.exp(score - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    targetOf(label, scores.length).forEach((share, k) =>
      loss += share * (Math.log(sum) - (scores[k]! - top))
    );
    return graded ? powers.reduce((mean, power, k) => mean + k * power / sum, 0) : scores.indexOf(top);
  });
  return { ...scoreOf(task, split, predictions), loss: loss / rows.length, logits };
}
