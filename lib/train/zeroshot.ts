import * as tf from "../tfjs.ts";
import { checkTask, type Example, type Measure, type Split, type Task, type ZeroShot } from "../data/mod.ts";
import { embedding, started } from "../engine/mod.ts";
import { InputError, quoted } from "../errors.ts";
import {
  checkCausal,
  checkModel,
  forward,
  type LanguageModel,
  tokenLogits,
  withReadLock,
} from "../model/mod.ts";
import { countUnknown, type Tokenizer } from "../text/mod.ts";
import { batchOf } from "./batches.ts";
import { flag, type SchemaOf, settle } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { score } from "./measures.ts";
import {
  likeliest,
  scoreOf,
  type SplitOptions,
  splitSettings,
  type TaskScore,
  taskSnapshot,
} from "./evaluate.ts";
import { type TextCounts, textWarnings, warnOfTies, warnOnce } from "./warnings.ts";

/** A text whose tokens from `from` on are scored. */
interface Scored {
  readonly ids: Int32Array;
  readonly from: number;
}

/** The sum of the log-probabilities of the scored tokens, in nats, and their number. */
interface Likelihood {
  readonly sum: number;
  readonly count: number;
}

/** Sequences per batch. */
const BATCH = 32;
/** Rows of logits computed at a time. */
const ROWS = 512;
/** Number of training examples that determine the threshold of acceptability. */
const THRESHOLD_EXAMPLES = 1000;
/** Number of validation texts by which words are calibrated. */
const CALIBRATION_TEXTS = 1000;

/** The options of {@linkcode zeroShot}. */
export interface ZeroShotOptions extends SplitOptions {
  /**
   * Whether words that answer for labels are calibrated: from the log-probability of each its mean over the first thousand
   * validation texts is subtracted, without their labels (batch calibration, Zhou et al. 2023). The more frequent word
   * otherwise has an advantage in every text.
   *
   * @default false
   */
  calibrate?: boolean;
}

/** The result of {@linkcode zeroShot}: a score, and the log-probabilities, or their means, of each example's answers. */
export type ZeroShotScore = TaskScore & { readonly scores: readonly (readonly number[])[] };

/** The settings of {@linkcode ZeroShotOptions}. */
export const zeroShotSettings = {
  ...splitSettings,
  calibrate: { ...flag, about: "whether words that answer for labels are calibrated", default: false },
} satisfies SchemaOf<ZeroShotOptions>;

/**
 * Zero-shot evaluation: scores a pre-trained model on a task without fine-tuning, by the paper's heuristics (§5,
 * Figure 2 right). Multiple choice: the mean log-probability of a choice after the context. Sentiment: which of two words
 * is more likely after "very". Acceptability: the mean log-probability of a token. Pronouns: the log-probability of what
 * follows, with each referent substituted. Called between the records of `pretrain` it gives the figure's curve.
 *
 * Texts longer than the context are truncated at their beginning. The threshold of acceptability is the best one for a
 * thousand training examples, evenly spaced.
 *
 * @returns The score, and for each example the log-probabilities (or their means) of its answers or its text.
 * @throws {InputError} If it is no model or no task, there is no such split or no heuristic for the task, its answers are
 * to be calibrated and are no words, or the architecture is `bert`.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { zeroShot } from "./mod.ts";
 *
 * await backend("cpu");
 * const rows = [{ context: "rain is", choices: ["wet", "dry"], label: 0 }];
 * const task = {
 *   name: "weather",
 *   kind: "choice" as const,
 *   labels: ["first", "second"],
 *   measures: ["accuracy" as const],
 *   train: rows,
 *   validation: rows,
 *   test: rows,
 *   source: "this example",
 *   licence: "MIT",
 *   about: "what rain is",
 * };
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("rain is wet and the sun is dry", { merges: 10 }) });
 * console.log((await zeroShot(lm, task)).examples); // 1
 * ```
 */
export async function zeroShot(
  lm: LanguageModel,
  task: Task,
  options: ZeroShotOptions = {},
): Promise<ZeroShotScore> {
  checkModel(lm, "answer a task");
  checkTask(task);
  const { split, calibrate } = settle("answer a task", zeroShotSettings, options);
  return (await zeroShotScores(lm, task, split, calibrate)).at(-1)!;
}

/** The scores of a task without calibration and, if it is asked for, with it, of the same log-probabilities. */
export async function zeroShotScores(
  lm: LanguageModel,
  task: Task,
  split: Split,
  calibrate: boolean,
): Promise<ZeroShotScore[]> {
  checkCausal(lm.config, `answer task "${task.name}" without fine-tuning`);
  const heuristic = structuredClone(heuristicOf(task)); // The task may change meanwhile.
  if (heuristic.by === "word") checkWords(task, heuristic.words, lm.tokenizer);
  else if (calibrate) {
    throw new InputError(
      `Cannot calibrate answers of task "${task.name}" as they are not words that stand for labels: leave calibrate out`,
    );
  }
  const snapshot = taskSnapshot(task, split);
  const read = (examples: readonly Example[]) => ({
    labels: examples.map(({ label }) => label),
    texts: examples.map((example) => scoredTexts(example, heuristic, lm.tokenizer)),
  });
  const { texts } = read(task[split]);
  warnOnce(task, textWarnings(task, { [split]: countsOf(texts, lm.config.context) }));
  if (calibrate) warnOnce(task, calibrationWarnings(task));
  const trainExamples = heuristic.by === "acceptability"
    ? read(spread<Example>(task.train, THRESHOLD_EXAMPLES))
    : undefined;
  const usualTexts = calibrate ? read(task.validation.slice(0, CALIBRATION_TEXTS)).texts : undefined;
  const values = async (texts: readonly Scored[][]) =>
    (await likelihoodsByExample(lm, texts)).map((found) =>
      found.map((likelihood) => heuristic.by === "word" ? likelihood.sum : mean(likelihood))
    );
  await started();
  const means = (found: readonly number[][]) => found.map(([only]) => only!);
  const [plain, trainScores, usual] = await withReadLock(lm, async () => [
    await values(texts),
    trainExamples && await values(trainExamples.texts),
    usualTexts && await values(usualTexts),
  ]);
  const variants = usual ? [plain, calibrated(plain, usual)] : [plain];
  if ([...variants, trainScores ?? []].flat(2).some(Number.isNaN)) {
    throw new InputError(`Cannot answer task "${task.name}" as the model's logits are not finite numbers`);
  }
  const threshold = trainExamples &&
    bestThreshold(snapshot.measures[0]!, means(trainScores!), trainExamples.labels);
  return variants.map((scores) => {
    const answers = scores.map(likeliest);
    warnOfTies(task, split, answers);
    const predictions = threshold === undefined
      ? answers.map(([first]) => first!)
      : means(scores).map((mean) => Number(mean > threshold));
    return Object.assign(scoreOf(snapshot, predictions), { scores });
  });
}

/** A warning if the texts by which words are calibrated are not like all: those of a file may be sorted by label. */
function calibrationWarnings({ name, labels, validation }: Task): string[] {
  const sharesOf = (examples: readonly Example[]) =>
    labels.map((_, label) => examples.filter((example) => example.label === label).length / examples.length);
  const [first, all] = [sharesOf(validation.slice(0, CALIBRATION_TEXTS)), sharesOf(validation)];
  return first.some((share, label) => Math.abs(share - all[label]!) > 0.05)
    ? [
      `the first ${CALIBRATION_TEXTS} validation texts of task "${name}", which calibrate the answers, have other labels ` +
      "than all of them: shuffle the split",
    ]
    : [];
}

/** At most so many items, evenly spaced: those of a file may be sorted by label. */
function spread<T>(items: readonly T[], most: number): T[] {
  const count = Math.min(items.length, most);
  return Array.from({ length: count }, (_, i) => items[Math.floor(i * items.length / count)]!);
}

/** Counts of the texts of examples, each answer's with its context. */
function countsOf(examples: readonly Scored[][], context: number): TextCounts {
  const isCut = ({ ids }: Scored) => ids.length > context, texts = examples.flat();
  return {
    examples: examples.length,
    texts: texts.length,
    cut: texts.filter(isCut).length,
    shortened: examples.filter((texts) => texts.some(isCut)).length,
    tokens: texts.reduce((sum, { ids }) => sum + ids.length, 0),
    unknown: texts.reduce((sum, { ids }) => sum + countUnknown(ids), 0),
  };
}

/** Each answer's values less its mean over other texts. */
function calibrated(scores: readonly number[][], others: readonly number[][]): number[][] {
  const usual = others[0]!.map((_, i) => others.reduce((sum, values) => sum + values[i]!, 0) / others.length);
  return scores.map((values) => values.map((value, i) => value - usual[i]!));
}

/**
 * The zero-shot heuristic of a task.
 *
 * @throws {InputError} If there is none.
 */
export function heuristicOf({ name, kind, zeroShot }: Task): ZeroShot {
  const heuristic = zeroShot ?? (kind === "choice" ? { by: "choice" as const } : undefined);
  if (
    !heuristic ||
    kind !== (heuristic.by === "acceptability" || heuristic.by === "word" ? "classification" : "choice")
  ) {
    throw new InputError(
      `Cannot answer task "${name}" without fine-tuning as there is no heuristic for it: choice tasks have one, and ` +
        "classification tasks with zeroShot",
    );
  }
  return heuristic;
}

/** Checks that the words have different tokens; otherwise the first one would always be predicted. */
function checkWords({ name }: Task, words: readonly string[], tokenizer: Tokenizer): void {
  const tokens = words.map((word) => tokenizer.encode(word).join());
  const twin = tokens.findIndex((ids, i) => tokens.indexOf(ids) < i);
  if (twin < 0) return;
  throw new InputError(
    `Cannot answer task "${name}" without fine-tuning as its words ${
      quoted(words[tokens.indexOf(tokens[twin]!)])
    } and ` +
      `${quoted(words[twin])} are the same tokens`,
  );
}

/** Mean log-probability; −∞ if no token is scored. */
function mean({ sum, count }: Likelihood): number {
  return count === 0 ? -Infinity : sum / count;
}

/** The likelihood of each answer of each example. */
async function likelihoodsByExample(lm: LanguageModel, scored: readonly Scored[][]): Promise<Likelihood[][]> {
  const likelihoods = await likelihoodsOf(lm, scored.flat());
  let at = 0;
  return scored.map(({ length }) => likelihoods.slice(at, at += length));
}

/** An example's answers as texts. Each begins with a paragraph break, as texts do in pre-training. */
function scoredTexts(example: Example, heuristic: ZeroShot, tokenizer: Tokenizer): Scored[] {
  const start = tokenizer.encoder.get("\n</w>");
  const begin = start === undefined ? [] : [start];
  const text = (...parts: string[]) =>
    Int32Array.from([...begin, ...parts.flatMap((part) => [...tokenizer.encode(part)])]);
  if ("text" in example) {
    if (heuristic.by !== "word") return [{ ids: text(example.text), from: 1 }];
    const prompted = text(example.text, heuristic.prompt);
    return heuristic.words.map((word) => ({
      ids: Int32Array.from([...prompted, ...tokenizer.encode(word)]),
      from: prompted.length,
    }));
  }
  if (!("choices" in example)) return [];
  const { length } = text(example.context);
  const whole = example.choices.map((choice) => text(example.context, choice));
  if (heuristic.by === "choice") return whole.map((ids) => ({ ids, from: length }));
  const shortest = Math.min(...whole.map((ids) => ids.length - length));
  let shared = 0; // Length of the common suffix of all choices.
  while (shared < shortest - 1 && new Set(whole.map((ids) => ids.at(-1 - shared))).size === 1) shared++;
  return whole.map((ids) => ({ ids, from: ids.length - shared }));
}

async function likelihoodsOf(lm: LanguageModel, texts: readonly Scored[]): Promise<Likelihood[]> {
  const { context } = lm.config;
  const fit = texts.map(({ ids, from }) => {
    const cut = Math.max(0, ids.length - context);
    return { ids: ids.subarray(cut), from: Math.max(1, from - cut) }; // The first token has no context.
  });
  const order = [...fit.keys()].sort((a, b) => fit[a]!.ids.length - fit[b]!.ids.length);
  const found = new Array<Likelihood>(texts.length);
  const signal = stopSignal();
  for (let at = 0; at < order.length; at += BATCH) {
    await yieldToEventLoop(signal);
    const rows = order.slice(at, at + BATCH);
    const { ids, lengths } = batchOf(rows.map((i) => fit[i]!.ids));
    const T = ids.length / lengths.length;
    const positions = rows.flatMap((i, n) => {
      const { ids, from } = fit[i]!;
      return Array.from({ length: Math.max(0, ids.length - from) }, (_, t) => n * T + from + t);
    });
    const logs = tf.tidy(() => {
      const { h } = forward(lm, tf.tensor2d(ids, [lengths.length, T], "int32"));
      const states = h.reshape([-1, lm.config.width]) as tf.Tensor2D;
      const parts: tf.Tensor1D[] = [tf.tensor1d([])];
      for (let from = 0; from < positions.length; from += ROWS) {
        const some = positions.slice(from, from + ROWS);
        const before = embedding(
          states,
          tf.tensor1d(some.map((position) => position - 1), "int32"),
        ) as tf.Tensor2D;
        const next = embedding(
          lm.parameters.tokens_embed.weight,
          tf.tensor1d(some.map((position) => ids[position]!), "int32"),
        );
        const all = tf.logSumExp(tokenLogits(lm.parameters, before), 1); // (rows)
        parts.push(before.mul(next).sum(1).sub(all) as tf.Tensor1D);
      }
      return tf.concat(parts);
    });
    const values = await logs.data<"float32">();
    logs.dispose();
    let next = 0;
    for (const i of rows) {
      const count = Math.max(0, fit[i]!.ids.length - fit[i]!.from);
      const sum = values.subarray(next, next += count).reduce((a, b) => a + b, 0);
      found[i] = { sum, count };
    }
  }
  return found;
}

/** The threshold of the mean log-probability that maximises the metric on these examples. */
function bestThreshold(measure: Measure, means: readonly number[], labels: readonly number[]): number {
  let best = { threshold: -Infinity, value: -Infinity };
  for (const threshold of new Set([-Infinity, ...means])) {
    const value = score(measure, means.map((mean) => Number(mean > threshold)), labels);
    if (value > best.value) best = { threshold, value };
  }
  return best.threshold;
}
