import * as tf from "../tfjs.ts";
import { checkTask, clustersOf, isGraded, type Measure, type Split, type Task } from "../data/mod.ts";
import { started } from "../engine/mod.ts";
import { DivergedError, InputError, quoted } from "../errors.ts";
import { displayAs } from "../kernel.ts";
import {
  checkCausal,
  checkModel,
  classify,
  forward,
  type LanguageModel,
  positionKinds,
  positionRules,
  withReadLock,
} from "../model/mod.ts";
import { charactersOf, countUnknown, type Tokenizer, tokensOf } from "../text/mod.ts";
import { batchOf, exampleBatch } from "./batches.ts";
import { type EncodedTask, encodeTask } from "./encode.ts";
import { masked } from "./masking.ts";
import { type Interval, majorityBaseline, meanInterval, scoreInterval } from "./measures.ts";
import { percent } from "../numbers.ts";
import { type SchemaOf, settle } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { context as contexts, split as splits, windows as windowLimit } from "./options.ts";
import { languageModelLoss, objective, targetOf } from "./objectives.ts";
import { warnOfTies, warnOfUnknown, warnOfWindows } from "./warnings.ts";

/** Metrics of a language model on a text. */
export interface TextMeasures {
  /** Cross-entropy in nats per token; comparable between models with the same tokenizer. */
  readonly loss: number;
  /** Perplexity per token, exp(loss). */
  readonly perplexity: number;
  /** Bits per character, of which a run of white space is one; comparable between tokenizers. */
  readonly bitsPerCharacter: number;
}

/** Metrics of a language model on a text, with 95 % confidence intervals over its windows. */
export interface TextScore extends TextMeasures {
  /** Number of predicted tokens. */
  readonly tokens: number;
  /** Loss of each window in nats per token, for paired comparisons of models with the same tokenizer. */
  readonly losses: Float32Array;
  /** Share of `<unk>` among the text's tokens; with many of them, the metrics are too good. */
  readonly unknown: number;
  /** Lower bounds of the intervals. */
  readonly low: TextMeasures;
  /** Upper bounds of the intervals. */
  readonly high: TextMeasures;
}

/** Batch size in evaluation: large enough for efficient matrix multiplication, small enough for little memory. */
const EVALUATION_BATCH = 16;

/**
 * Contiguous windows of a text for evaluation; if there are more than `maxWindows`, evenly spaced ones.
 *
 * @throws {InputError} If the text is shorter than a window.
 */
export function evaluationWindows(ids: Int32Array, context: number, maxWindows: number): Int32Array[] {
  const count = Math.floor(ids.length / context);
  if (count === 0) {
    throw new InputError(`Cannot evaluate on ${ids.length} tokens as a window needs ${context}`);
  }
  const taken = Math.min(count, maxWindows);
  return Array.from({ length: taken }, (_, i) => {
    const at = Math.floor(i * count / taken) * context;
    return ids.subarray(at, at + context);
  });
}

/**
 * Metrics of a text from the losses of its windows. Displays as a few lines; warns of many unknown tokens.
 *
 * @param losses Loss of each window, in nats per token.
 * @param tokens Number of predicted tokens per window.
 * @param ids The text's token ids.
 */
export function textScore(
  losses: readonly number[],
  tokens: number,
  text: string,
  ids: Int32Array,
  tokenizer: Tokenizer,
): TextScore {
  warnOfUnknown("the text to score", ids, tokenizer);
  warnOfWindows(tokenizer, ids.length, tokens + 1, losses.length);
  const characters = charactersOf(text);
  const { value, low, high } = meanInterval(losses);
  const measures = (loss: number): TextMeasures => ({
    loss,
    perplexity: Math.exp(loss),
    bitsPerCharacter: loss / Math.LN2 * ids.length / characters,
  });
  const score: TextScore = {
    ...measures(value),
    tokens: tokens * losses.length,
    losses: Float32Array.from(losses),
    unknown: countUnknown(ids) / ids.length,
    low: measures(Math.max(0, low)),
    high: measures(high),
  };
  const line = (name: keyof TextMeasures, label: string) =>
    `${label} ${interval({ value: score[name], low: score.low[name], high: score.high[name] })}`;
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
  /** Maximum number of windows, evenly spaced over the text. Default: all. */
  windows?: number;
  /** Window length in tokens; may exceed the model's context if its positions extrapolate. Default: the context. */
  context?: number;
}

/** The settings of {@linkcode ScoreOptions}. */
export const scoreSettings = {
  windows: { ...windowLimit, default: Infinity },
  context: { ...contexts, otherwise: "the model's context" },
} satisfies SchemaOf<ScoreOptions>;

/** The same model with another context length. */
function withContext(lm: LanguageModel, context: number = lm.config.context): LanguageModel {
  if (context === lm.config.context) return lm;
  const { kind } = lm.config.positions;
  if (context > lm.config.context && !positionRules[kind].extrapolates) {
    const others = positionKinds.filter((kind) => positionRules[kind].extrapolates);
    throw new InputError(
      `Cannot read ${context} tokens with positions "${kind}" as they are limited to the context of ${lm.config.context}: ` +
        `${others.join(", ")} extrapolate`,
    );
  }
  return { ...lm, config: { ...lm.config, context } };
}

/**
 * Evaluates a language model on a held-out text, window by window, without dropout. The softmax is over tokens and the
 * three special tokens for either variant, not over positions, so that they are comparable.
 *
 * @throws {InputError} If the text is shorter than a window, an option is unknown or out of its range, the positions do
 * not extrapolate to the context, or the architecture is `bert`.
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
  checkCausal(lm.config, "score a text");
  const model = withContext(lm, given.context), { context, width } = model.config;
  const { losses, ids } = await heldoutLosses(model, text, windows, (windows) => {
    const { h } = forward(model, idsOf(windows));
    return windows.map((window, n) =>
      languageModelLoss(
        h.slice([n, 0, 0], [1, context, width]),
        lm.parameters.tokens_embed.weight,
        batchOf([window]),
      )
    );
  });
  return textScore(losses.flat(), context - 1, text, ids, lm.tokenizer);
}

/**
 * Evaluates a language model as {@linkcode scoreText}, at each position of a window. With a context longer than in
 * training, it measures length extrapolation.
 *
 * @returns Bits per character of the second, third, … token of a window.
 * @throws {InputError} If the text is shorter than a window, an option is unknown or out of its range, the positions do
 * not extrapolate to the context, or the architecture is `bert`.
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
  checkCausal(lm.config, "score a text");
  const model = withContext(lm, given.context), { context, width } = model.config;
  const found = await heldoutLosses(model, text, given.windows, (windows) => {
    const { h } = forward(model, idsOf(windows));
    return Array.from({ length: context - 1 }, (_, t) =>
      languageModelLoss(
        h.slice([0, t, 0], [windows.length, 2, width]),
        lm.parameters.tokens_embed.weight,
        batchOf(windows.map((window) => window.subarray(t, t + 2))),
      ));
  });
  const characters = charactersOf(text);
  return Array.from({ length: context - 1 }, (_, t) => bitsOf(found, characters, t));
}

/**
 * Evaluates an encoder on the tokens of a text that are masked, 15 % of each window, the same for each model. It is no
 * score to compare with a causal model's, which does not see the tokens after the predicted one.
 *
 * @returns Bits per character, as if all tokens were predicted.
 * @throws {InputError} If the text is shorter than a window.
 */
export async function scoreMasked(lm: LanguageModel, text: string, maxWindows: number): Promise<number> {
  const found = await heldoutLosses(lm, text, maxWindows, (windows, at) => [
    objective(lm, masked(batchOf(windows), lm.config.vocabulary, 0, at), 0).loss,
  ]);
  return bitsOf(found, charactersOf(text), 0);
}

/** Bits per character of a loss that each batch of windows has a mean of, by its index. */
function bitsOf({ losses, windows, ids }: WindowLosses, characters: number, index: number): number {
  const sum = losses.reduce((sum, batch, i) => sum + batch[index]! * windows[i]!, 0);
  return sum / windows.reduce((a, b) => a + b) * (ids.length / characters / Math.LN2);
}

/** Windows of a text as a tensor (N, T). */
function idsOf(windows: readonly Int32Array[]): tf.Tensor2D {
  return tf.tensor2d(batchOf(windows).ids, [windows.length, windows[0]!.length], "int32");
}

/** Losses on a text's windows, in batches: a list of losses and the number of windows of each; and its tokens. */
interface WindowLosses {
  readonly losses: readonly (readonly number[])[];
  readonly windows: readonly number[];
  readonly ids: Int32Array;
}

async function heldoutLosses(
  lm: LanguageModel,
  text: string,
  maxWindows: number,
  lossesOf: (windows: readonly Int32Array[], at: number) => tf.Scalar[],
): Promise<WindowLosses> {
  const ids = tokensOf(text, lm.tokenizer);
  const { context } = lm.config;
  const windows = evaluationWindows(ids, context, maxWindows);
  await started();
  const losses: number[][] = [], counts: number[] = [];
  const signal = stopSignal();
  await withReadLock(lm, async () => {
    const perBatch = Math.max(1, Math.floor(EVALUATION_BATCH * Math.min(1, 512 / context)));
    for (let at = 0; at < windows.length; at += perBatch) {
      await yieldToEventLoop(signal);
      const some = windows.slice(at, at + perBatch);
      const found = tf.tidy(() => tf.stack(lossesOf(some, at)));
      losses.push([...await found.data()]);
      counts.push(some.length);
      found.dispose();
    }
  });
  if (!losses.every((some) => some.every(Number.isFinite))) {
    throw new DivergedError("Cannot score a text as the model's losses on it are not finite numbers");
  }
  return { losses, windows: counts, ids };
}

/** Metrics of a task as shares, at most 1 (0.8 is 80 %), with 95 % confidence intervals over groups of its examples that share a text. */
export interface TaskScore extends Interval {
  /** The primary metric, which `value`, `low` and `high` refer to. */
  readonly measure: Measure;
  /** All metrics of the task. */
  readonly measures: Readonly<Partial<Record<Measure, Interval>>>;
  /** Predicted label of each example, or its grade. */
  readonly predictions: readonly number[];
  /** Number of examples. */
  readonly examples: number;
  /** Majority baseline: the best primary metric of a constant prediction. */
  readonly baseline: number;
}

/** A copy of what scoring needs of a task, as a notebook may change the task during evaluation. */
export interface TaskSnapshot extends Pick<Task, "name" | "labels" | "measures"> {
  /** The split. */
  readonly split: Split;
  /** Its true labels, or grades. */
  readonly truth: readonly number[];
  /** The cluster of each example: those that share a text. */
  readonly clusters: Uint32Array;
}

/** Copies what scoring needs of a task. */
export function taskSnapshot({ name, labels, measures, ...task }: Task, split: Split): TaskSnapshot {
  return {
    name,
    labels: [...labels],
    measures: [...measures],
    split,
    truth: task[split].map(({ label }) => label),
    clusters: clustersOf(task[split]),
  };
}

/** Scores predictions by a task's metrics. Displays as a few lines. */
export function scoreOf(snapshot: TaskSnapshot, predictions: readonly number[]): TaskScore {
  const { measures, truth, clusters } = snapshot;
  const scores = measures.map((measure) =>
    [measure, scoreInterval(measure, predictions, truth, clusters)] as const
  );
  const [measure, primary] = scores[0]!;
  const found: TaskScore = {
    measure,
    ...primary,
    measures: Object.fromEntries(scores),
    predictions,
    examples: predictions.length,
    baseline: majorityBaseline(snapshot, truth),
  };
  return displayAs(found, () => linesOf(snapshot, found).join("\n"));
}

/** A number of groups of examples that an interval rests on which a reader should know. */
const FEW = 30;

/** A metric's name; with that of its label where it is of one alone. */
export function measureLabel(measure: string, { labels }: Pick<Task, "labels">): string {
  return measure === "f1" ? `f1 of ${quoted(labels[1])}` : measure;
}

/** A score as text, without predictions. */
function linesOf(snapshot: TaskSnapshot, { measures, baseline, examples }: TaskScore): string[] {
  const { name, split, clusters } = snapshot, groups = new Set(clusters).size;
  return [
    `${name}, ${examples} ${split} examples${groups < Math.min(examples, FEW) ? ` in ${groups} groups` : ""}`,
    ...Object.entries(measures).map(([measure, found]) =>
      `${measureLabel(measure, snapshot)} ${interval(found)}`
    ),
    `majority baseline ${baseline.toFixed(4)}`,
  ];
}

function interval({ value, low, high }: Interval): string {
  return `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
}

/** The options of {@linkcode evaluate} and {@linkcode zeroShot}. */
export interface SplitOptions {
  /** Which split. @default "test" */
  split?: Split;
}

/** The settings of {@linkcode SplitOptions}. */
export const splitSettings = { split: splits } satisfies SchemaOf<SplitOptions>;

/** The result of {@linkcode evaluate}. */
export interface Evaluation extends TaskScore {
  /** Mean cross-entropy of the labels, L2, in nats. */
  readonly loss: number;
  /** Number of the split's texts that were truncated to the context. */
  readonly cut: number;
  /** Share of `<unk>` among the split's tokens. */
  readonly unknown: number;
  /** Logits of each example's labels, or choices. */
  readonly logits: readonly Float32Array[];
}

/**
 * Evaluates a fine-tuned model on a task, without dropout. Displays as a few lines in a notebook; the object also has
 * predictions and logits. The prediction is the most likely label, or the expected grade.
 *
 * @throws {InputError} If it is no model or no task, there is no such split, or the model has no head for this kind of
 * task.
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
export async function evaluate(
  lm: LanguageModel,
  task: Task,
  options: SplitOptions = {},
): Promise<Evaluation> {
  checkModel(lm, "evaluate");
  checkTask(task);
  const { split } = settle("evaluate", splitSettings, options);
  checkHead(lm, task);
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context, true);
  const rows = encoded[split], { name, kind } = task;
  const graded = isGraded(task), snapshot = taskSnapshot(task, split);
  await started();
  const logits = await logitsOf(lm, { name, kind }, encoded, split, { signal: stopSignal() });
  const predictions = logits.map((scores) => predictionOf(scores, graded));
  if (!graded) warnOfTies(task, split, logits.map(likeliest));
  let loss = 0;
  logits.forEach((scores, i) => {
    const { top, sum } = softmaxOf(scores);
    targetOf(rows[i]!.label, scores.length).forEach((share, k) =>
      loss += share * (Math.log(sum) - (scores[k]! - top))
    );
  });
  const { texts, cut, tokens, unknown } = encoded.counts[split];
  const found: Evaluation = {
    ...scoreOf(snapshot, predictions),
    loss: loss / rows.length,
    cut,
    unknown: unknown / Math.max(1, tokens),
    logits,
  };
  return displayAs(found, () =>
    [
      ...linesOf(snapshot, found),
      `loss ${found.loss.toFixed(4)}`,
      `${cut} of ${texts} texts truncated to the context, ${percent(found.unknown)} of their tokens <unk>`,
    ].join("\n"));
}

/**
 * Logits of each example's labels, or choices, without dropout.
 *
 * @param lm A model with a head for the task.
 * @param atOnce Maximum batch size in examples. Default: as much as is efficient.
 * @param signal Stops it with the signal's reason. Default: none.
 * @throws {InputError} If they are not finite numbers.
 */
export async function logitsOf(
  lm: LanguageModel,
  { name, kind }: Pick<Task, "name" | "kind">,
  encoded: EncodedTask,
  split: Split,
  { atOnce = Infinity, signal }: { readonly atOnce?: number; readonly signal?: AbortSignal } = {},
): Promise<Float32Array[]> {
  const rows = encoded[split];
  const logits = new Array<Float32Array>(rows.length);
  const most = rows.reduce((most, { sequences }) => Math.max(most, sequences.length), 1);
  const perBatch = Math.max(1, Math.min(atOnce, Math.floor(2 * EVALUATION_BATCH / most)));
  const order = [...rows.keys()].sort((a, b) => rows[a]!.length - rows[b]!.length); // By length, for little padding.
  await withReadLock(lm, async () => {
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
    throw new DivergedError(`Cannot evaluate on task "${name}" as the model's logits are not finite numbers`);
  }
  return logits;
}

/** The prediction of an example's logits: the most likely label, or the expected grade. */
export function predictionOf(logits: Float32Array, graded: boolean): number {
  if (!graded) return likeliest(logits)[0]!;
  const { powers, sum } = softmaxOf(logits);
  return powers.reduce((mean, power, k) => mean + k * power / sum, 0);
}

/**
 * Indices of the most likely answers: more than one where scores differ by rounding alone, which a text's place in the
 * batch and the processor decide.
 */
export function likeliest(scores: ArrayLike<number>): number[] {
  const all = Array.from(scores), top = Math.max(...all);
  const least = top - ROUNDING * (10 + Math.abs(top));
  return all.flatMap((score, i) => score >= least ? [i] : []);
}

/** Scores that differ by this share of their size, to which 10 is added, are equal: float32 resolves 1e-7. */
const ROUNDING = 1e-6;

/** The parts of a softmax: the largest logit, each logit's exp(logit − top), and their sum. */
function softmaxOf(logits: Float32Array): { top: number; powers: number[]; sum: number } {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - top));
  return { top, powers, sum: powers.reduce((a, b) => a + b, 0) };
}

/** Checks that a task has the labels of the model's head; labels in another order would be scored as wrong. */
function checkHead({ task: head }: LanguageModel, { name, kind, labels }: Task): void {
  const isSame = head?.kind === kind &&
    (kind === "choice" || JSON.stringify(head.labels) === JSON.stringify(labels));
  if (isSame) return;
  const show = ({ kind, labels }: Pick<Task, "kind" | "labels">) => `${kind} with labels ${quoted(labels)}`;
  throw new InputError(
    `Cannot evaluate on task ${quoted(name)} as it is ${show({ kind, labels })}: the model ` +
      (head ? `has a head for ${show(head)}` : "has no head, which fine-tuning adds"),
  );
}
