import * as tf from "@tensorflow/tfjs";
import { checkTask, isGraded, type Measure, type Split, type Task } from "../data/mod.ts";
import { started } from "../engine/mod.ts";
import { InputError, quoted } from "../errors.ts";
import { displayAs } from "../kernel.ts";
import {
  checkCausal,
  checkModel,
  classify,
  forward,
  type LanguageModel,
  positionKinds,
  positionRules,
  whileRead,
} from "../model/mod.ts";
import { countUnknown, type Tokenizer, tokensOf } from "../text/mod.ts";
import { batchOf } from "./batches.ts";
import { encodeTask } from "./encode.ts";
import { exampleBatch } from "./finetune.ts";
import { bootstrap, type Interval, majorityBaseline, scoreInterval } from "./measures.ts";
import { percent } from "../numbers.ts";
import { checked, type SchemaOf, settle } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { context as contexts, split as splits, windows as windowLimit } from "./options.ts";
import { languageModelLoss, targetOf } from "./objectives.ts";
import { warnOfUnknown } from "./warnings.ts";

/** How well a text is predicted. */
export interface TextMeasures {
  /** Nats a token; comparable between models of one tokenizer. */
  readonly loss: number;
  /** exp(loss), a token's. */
  readonly perplexity: number;
  /** Bits a character of the text; comparable between tokenizers. */
  readonly bitsPerCharacter: number;
}

/** How well a model of any kind predicts a text, with 95 % intervals over the text's windows. */
export interface TextScore extends TextMeasures {
  /** How many tokens were predicted. */
  readonly tokens: number;
  /** Loss of each window, in nats a token: two models of one tokenizer pair window by window. */
  readonly losses: Float32Array;
  /** Share of the text's tokens that are `<unk>`: with many of them, the measures are too good. */
  readonly unknown: number;
  /** Lower ends of the intervals. */
  readonly low: TextMeasures;
  /** Upper ends. */
  readonly high: TextMeasures;
}

/** Sequences of one evaluation step: enough to keep matrix multiplication busy, few enough to fit a small heap. */
const EVALUATION_BATCH = 16;

/**
 * A text's windows for evaluation: `limit` of them, spread evenly; all, side by side, if there are fewer.
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
 * A model's losses as a score of a text, which shows itself in a few lines. Many unknown tokens are warned of.
 *
 * @param losses Nats a token, of each window.
 * @param tokens How many tokens of a window are predicted.
 * @param ids The text's tokens.
 */
export function textScore(
  losses: readonly number[],
  tokens: number,
  text: string,
  ids: Int32Array,
  tokenizer: Tokenizer,
): TextScore {
  warnOfUnknown("the text to score", ids, tokenizer);
  const { value, low, high } = bootstrap(
    losses.length,
    (rows) => rows.reduce((sum, row) => sum + losses[row]!, 0) / rows.length,
  );
  const measures = (loss: number): TextMeasures => ({
    loss,
    perplexity: Math.exp(loss),
    bitsPerCharacter: loss / Math.LN2 * ids.length / text.length,
  });
  const score: TextScore = {
    ...measures(value),
    tokens: tokens * losses.length,
    losses: Float32Array.from(losses),
    unknown: countUnknown(ids, tokenizer) / ids.length,
    low: measures(low),
    high: measures(high),
  };
  const line = (name: keyof TextMeasures, words: string) =>
    `${words} ${interval({ value: score[name], low: score.low[name], high: score.high[name] })}`;
  return displayAs(score, () =>
    [
      line("bitsPerCharacter", "bits per character"),
      line("perplexity", "perplexity"),
      line("loss", "loss"),
      `${score.tokens} tokens, ${percent(score.unknown)} <unk>`,
    ].join("\n"));
}

/** The options of {@linkcode scoreText} and {@linkcode scoreByPosition}. */
export interface ScoreOptions {
  /** Windows of the text at most, spread evenly over it. Default: all. */
  windows?: number;
  /** Tokens of a window; more than the model's context for positions that can be read there. Default: the context. */
  context?: number;
}

/** The settings of {@linkcode ScoreOptions}. */
const scoreSettings = {
  windows: { ...windowLimit, default: Infinity },
  context: { ...contexts, otherwise: "the model's context" },
} satisfies SchemaOf<ScoreOptions>;

/** A model that reads windows of so many tokens; its parameters are the same. */
function reading(lm: LanguageModel, context: number = lm.config.context): LanguageModel {
  if (context === lm.config.context) return lm;
  const { kind } = lm.config.positions;
  if (context > lm.config.context && !positionRules[kind].extends) {
    const others = positionKinds.filter((kind) => positionRules[kind].extends);
    throw new InputError(
      `Cannot read ${context} tokens with positions "${kind}" as they end with the context of ${lm.config.context}: ` +
        `${others.join(", ")} go on`,
    );
  }
  return { ...lm, config: { ...lm.config, context } };
}

/**
 * How well a model predicts a text that it has not seen: window by window, without dropout, under a softmax
 * over the token rows whatever the variant, so that arms compare.
 *
 * @throws {InputError} If the text does not fill a window, an option is unknown or out of its range, the positions end
 * before the context that is asked for, or the architecture is `bert`.
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
  options: ScoreOptions = {},
): Promise<TextScore> {
  checkModel(lm, "score a text");
  const { windows, ...given } = settle("score a text", scoreSettings, options);
  const reader = reading(lm, given.context), { context, width } = reader.config;
  const { losses, ids } = await heldoutLosses(
    reader,
    text,
    windows,
    (h, windows) =>
      windows.map((window, n) =>
        languageModelLoss(
          h.slice([n, 0, 0], [1, context, width]),
          lm.parameters.tokens_embed.weight,
          batchOf([window]),
        )
      ),
  );
  return textScore(losses.flat(), context - 1, text, ids, lm.tokenizer);
}

/**
 * How well a model predicts a text at each position of a window: what {@linkcode scoreText} gives, position by position.
 * With a context beyond that of its training, it shows how far the model's positions carry.
 *
 * @returns Bits a character: of the token that has one token before it, two, …, all of the window but itself.
 * @throws {InputError} If the text does not fill a window, an option is unknown or out of its range, the positions end
 * before the context that is asked for, or the architecture is `bert`.
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
  options: ScoreOptions = {},
): Promise<number[]> {
  checkModel(lm, "score a text");
  const given = settle("score a text", scoreSettings, options);
  const reader = reading(lm, given.context), { context, width } = reader.config;
  const { losses, windows, ids } = await heldoutLosses(
    reader,
    text,
    given.windows,
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
  checkCausal(lm.config, "score a text");
  const ids = tokensOf(text, lm.tokenizer);
  const { context } = lm.config;
  const windows = evaluationWindows(ids, context, limit);
  await started();
  const losses: number[][] = [], counts: number[] = [];
  const signal = stopSignal();
  await whileRead(lm, async () => {
    const perBatch = Math.max(1, Math.floor(EVALUATION_BATCH * Math.min(1, 512 / context)));
    for (let at = 0; at < windows.length; at += perBatch) {
      await yieldToEventLoop(signal);
      const some = windows.slice(at, at + perBatch);
      const found = tf.tidy(() => {
        const ids = tf.tensor2d(batchOf(some).ids, [some.length, context], "int32");
        return tf.stack(lossesOf(forward(lm, ids).h, some));
      });
      losses.push([...await found.data()]);
      counts.push(some.length);
      found.dispose();
    }
  });
  if (!losses.every((some) => some.every(Number.isFinite))) {
    throw new InputError("Cannot score a text as the model's losses on it are not finite numbers");
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
  /** The primary measure of the majority baseline, which predicts one label for all of them, the best one for it. */
  readonly baseline: number;
}

/** What scoring reads of a task. */
export interface Asked extends Pick<Task, "name" | "labels" | "measures"> {
  /** Which examples. */
  readonly split: Split;
  /** Their labels, or grades. */
  readonly truth: readonly number[];
}

/** What scoring reads of a task as it is now: a notebook may change the task while the model computes. */
export function askedOf({ name, labels, measures, ...task }: Task, split: Split): Asked {
  return {
    name,
    labels: [...labels],
    measures: [...measures],
    split,
    truth: task[split].map(({ label }) => label),
  };
}

/** Predictions as scores by a task's measures, which show themselves in a few lines. */
export function scoreOf(asked: Asked, predictions: readonly number[]): TaskScore {
  const { measures, truth } = asked;
  const scores = measures.map((measure) => [measure, scoreInterval(measure, predictions, truth)] as const);
  const [measure, primary] = scores[0]!;
  const found: TaskScore = {
    measure,
    ...primary,
    measures: Object.fromEntries(scores),
    predictions,
    examples: predictions.length,
    baseline: majorityBaseline(asked, truth),
  };
  return displayAs(found, () => linesOf(asked, found).join("\n"));
}

/** A score in a few lines: all but the predictions. */
function linesOf({ name, split }: Asked, { measures, baseline, examples }: TaskScore): string[] {
  return [
    `${name}, ${examples} ${split} examples`,
    ...Object.entries(measures).map(([measure, found]) => `${measure} ${interval(found)}`),
    `majority baseline ${baseline.toFixed(4)}`,
  ];
}

function interval({ value, low, high }: Interval): string {
  return `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
}

/** How well a fine-tuned model does a task. */
export interface Evaluation extends TaskScore {
  /** Mean cross-entropy of the labels, L2, in nats. */
  readonly loss: number;
  /** How many of the split's texts were cut to fit the context. */
  readonly cut: number;
  /** Share of the split's tokens that are `<unk>`. */
  readonly unknown: number;
  /** Scores of each example's labels, or choices. */
  readonly logits: readonly Float32Array[];
}

/**
 * How well a fine-tuned model does a task, without dropout, beside the majority baseline. As a cell's last expression
 * and printed it is a few lines; its predictions and logits are there all the same. A label is the likeliest one; a grade is the mean of the
 * grades, each as likely as the model finds it.
 *
 * @param split Which examples; `test` unless given.
 * @throws {InputError} If it is no model or no task, there is no such split, or the model has no head for a task of this kind.
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
  checkModel(lm, "evaluate");
  checkTask(task);
  checked("evaluate", "split", splits, split);
  checkHead(lm, task);
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context, true);
  const rows = encoded[split];
  const { kind } = task, graded = isGraded(task), asked = askedOf(task, split);
  const logits = new Array<Float32Array>(rows.length);
  const most = rows.reduce((most, { sequences }) => Math.max(most, sequences.length), 1);
  const perBatch = Math.max(1, Math.floor(2 * EVALUATION_BATCH / most));
  await started();
  const order = [...rows.keys()].sort((a, b) => rows[a]!.length - rows[b]!.length); // Little padding.
  const signal = stopSignal();
  await whileRead(lm, async () => {
    for (let at = 0; at < order.length; at += perBatch) {
      await yieldToEventLoop(signal);
      const some = order.slice(at, at + perBatch);
      const batch = exampleBatch(some.map((i) => rows[i]!), encoded, lm);
      const scores = tf.tidy(() => {
        const N = batch.lengths.length;
        const ids = tf.tensor2d(batch.ids, [N, batch.ids.length / N], "int32");
        const { h } = forward(lm, ids, { lengths: batch.lengths });
        return classify(lm.parameters, kind, h, batch.lengths, batch.choices ?? some.length);
      });
      const flat = await scores.data<"float32">();
      const width = scores.shape[1];
      some.forEach((i, row) => {
        const own = batch.choices?.[row] ?? width;
        logits[i] = flat.slice(row * width, row * width + own);
      });
      scores.dispose();
    }
  });
  if (!logits.every((scores) => scores.every(Number.isFinite))) {
    throw new InputError(
      `Cannot evaluate on task "${task.name}" as the model's scores are not finite numbers`,
    );
  }
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
  const { texts, cut, tokens, unknown } = encoded.counts[split];
  const found: Evaluation = {
    ...scoreOf(asked, predictions),
    loss: loss / rows.length,
    cut,
    unknown: unknown / Math.max(1, tokens),
    logits,
  };
  return displayAs(found, () =>
    [
      ...linesOf(asked, found),
      `loss ${found.loss.toFixed(4)}`,
      `${cut} of ${texts} texts cut to fit the context, ${percent(found.unknown)} of their tokens <unk>`,
    ].join("\n"));
}

/** Refuses a task that is not the one that a model has its head for: labels of another order score as if wrong. */
function checkHead({ task: head }: LanguageModel, { name, kind, labels }: Task): void {
  const isSame = head?.kind === kind &&
    (kind === "choice" || JSON.stringify(head.labels) === JSON.stringify(labels));
  if (isSame) return;
  const show = ({ kind, labels }: Pick<Task, "kind" | "labels">) => `${kind} with labels ${quoted(labels)}`;
  throw new InputError(
    `Cannot evaluate on task ${quoted(name)} as it is ${show({ kind, labels })}: the model ` +
      (head ? `has a head for ${show(head)}` : "has no head, which fine-tuning gives it"),
  );
}
