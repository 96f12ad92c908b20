import { isGraded, type Task } from "../data/mod.ts";
import { InputError, named, quoted } from "../errors.ts";
import { allFinite } from "../foreign.ts";
import { architectureOf } from "../model/mod.ts";
import {
  type Interval,
  isLossCurve,
  type LossCurve,
  majorityBaseline,
  type NgramBaselines,
  score,
  scoreByCluster,
  stored,
  type TaskScore,
  type TextMeasures,
  type TextScore,
} from "../train/mod.ts";
import type { Level, Levels } from "./factors.ts";
import type { Plan, PlannedFinetune, PlannedPretrain, Run } from "./plan.ts";

/** How much a model was trained. */
export interface TrainingBudget {
  /** Number of updates. */
  readonly updates: number;
  /** Batch size in examples or windows, at most as many as there are. */
  readonly batch: number;
  /** Number of training examples of fine-tuning. */
  readonly examples?: number;
  /** Number of tokens, without padding; absent in studies of version 0.1, as are the following. */
  readonly tokens?: number;
  /** Floating-point operations, estimated as 6 per multiplication by a parameter: 2 forward, 4 backward. Attention is left out. */
  readonly flops?: number;
  /** Seconds of training and evaluation. */
  readonly seconds?: number;
}

/** A model's predictions on a task's test examples. */
export interface Predictions {
  /** Index of each example in the task's test split. */
  readonly examples: Uint32Array;
  /** Predicted label of each example, or its grade. */
  readonly predictions: Float32Array | Float64Array;
  /**
   * Scores (logits or log-probabilities) of labels or choices, `width` per example, padded with NaN; a study that was
   * opened has none.
   */
  readonly scores?: Float32Array;
  /** Number of scores per example. */
  readonly width?: number;
}

/** A model's result on a task. */
export interface TaskResult extends Omit<TaskScore, "predictions" | "baseline"> {
  /** Name of the task. */
  readonly task: string;
  /** Majority baseline: the best primary metric of a constant prediction on the test examples. */
  readonly constant: number;
  /** Whether the model did not learn the task: the interval of its score reaches down to the majority baseline. */
  readonly stuck: boolean;
  /** Its predictions; absent in studies of version 0.1. */
  readonly answers?: Predictions;
  /**
   * The primary metric by clusters of test examples that share a text; their mean is the score. Absent in
   * studies of version 0.1.
   */
  readonly byCluster?: Float64Array;
}

/** A run of a study. */
export interface StudyRun {
  /**
   * The level of each factor, by name: `model`, `positions`, `lambda`, `transfer` and what the study varies; null where
   * one makes no difference to this run, as λ to pre-training.
   */
  readonly levels: Levels;
  /** Its seed. */
  readonly seed: number;
  /** The settings that validation chose, by path. */
  readonly tuned: Readonly<Record<string, Level>>;
  /** Training budget; absent in studies of version 0.1. */
  readonly trained?: TrainingBudget;
  /** Its training losses; absent in studies of earlier versions. */
  readonly losses?: LossCurve;
}

/** The result of a pre-training run. */
export interface Pretrained extends StudyRun {
  /** Score on the held-out text; absent for an encoder. Studies of version 0.1 have no window losses. */
  readonly heldout?: Omit<TextScore, "losses" | "unknown"> & Partial<Pick<TextScore, "losses" | "unknown">>;
  /** Of an encoder: bits per character of masked tokens, given those on both sides. */
  readonly masked?: number;
  /** N-gram baselines on the same text; runs that share it share the object. */
  readonly baselines?: NgramBaselines;
  /** Whether the model learned no more than the frequencies of tokens: its interval reaches the unigram baseline. */
  readonly stuck: boolean;
  /** Bits per character at each position of a window, from the second token on. */
  readonly byPosition?: readonly number[];
  /** Zero-shot results. */
  readonly zeroShot?: readonly TaskResult[];
}

/** The result of a fine-tuning run. */
export interface Finetuned extends TaskResult, StudyRun {
  /** Score on validation, by the primary metric; absent in studies of version 0.1. */
  readonly validation?: Interval;
  /** Mean cross-entropy of the labels, L2, in nats. */
  readonly loss: number;
  /** Number of texts of the task; absent in studies of version 0.1. */
  readonly texts?: number;
  /** Number of texts that were truncated to the context. */
  readonly cut: number;
  /** Share of `<unk>` among the task's tokens; absent in studies of version 0.1. */
  readonly unknown?: number;
}

/** The stored result of a pre-training run, without what the study's settings determine. */
export interface PretrainResult {
  readonly heldout?: TextScore;
  readonly masked?: number;
  readonly byPosition?: readonly number[];
  readonly zeroShot: readonly AnswerResult[];
  readonly trained: TrainingBudget;
  readonly losses?: LossCurve;
}

/** The stored result of a task. */
export type AnswerResult = Omit<TaskScore, "predictions" | "baseline"> & {
  readonly answers: Required<Omit<Predictions, "examples">>;
};

/** The stored result of a fine-tuning run. */
export type FinetuneResult = AnswerResult & {
  readonly validation: Interval;
  readonly loss: number;
  readonly trained: TrainingBudget;
  readonly losses?: LossCurve;
};

/** Predictions and scores as they are stored. */
export function answersOf(
  predictions: readonly number[],
  scores: readonly ArrayLike<number>[],
): AnswerResult["answers"] {
  const width = scores.reduce((most, { length }) => Math.max(most, length), 0);
  const all = new Float32Array(scores.length * width).fill(NaN);
  scores.forEach((some, i) => all.set(some, i * width));
  const Type = predictions.every(Number.isInteger) ? Float32Array : Float64Array; // Ranks of grades need full precision.
  return { predictions: Type.from(predictions), scores: all, width };
}

/**
 * The rows of a pre-training run, if its result exists: one for each arm that it belongs to.
 *
 * @param baselines The n-gram baselines of each of the plan's texts.
 * @throws {InputError} If its file is invalid.
 */
export async function pretrainedRows(
  run: PlannedPretrain,
  plan: Plan,
  baselines: readonly NgramBaselines[],
): Promise<Pretrained[]> {
  const { result: path, key, evaluation, preset } = run;
  const found = await stored<PretrainResult>(path, key);
  if (!found) return [];
  const { heldout, masked, byPosition, zeroShot, trained, losses } = Object(found.result) as PretrainResult;
  checkResult(path, () => {
    const isCausal = architectureOf(preset).causal; // `bert` does not predict the next token.
    expectValue(
      isCausal === (heldout !== undefined) && isCausal === (byPosition !== undefined),
      "held-out text",
      heldout,
    );
    if (heldout !== undefined) checkText(heldout);
    expectValue(isCausal ? masked === undefined : isAmount(masked), "bits of masked tokens", masked);
    if (byPosition !== undefined) {
      const { context = preset.context } = evaluation;
      expectValue(byPosition.length === context - 1, "number of positions", byPosition.length);
      byPosition.forEach((bits) => expectValue(isAmount(bits), "bits by position", bits));
    }
    checkBudget(trained);
    checkLosses(losses, trained);
    expectValue(
      zeroShot.length === evaluation.zeroShot.length,
      "number of tasks without fine-tuning",
      zeroShot.length,
    );
    zeroShot.forEach((answer, i) => checkAnswer(answer, evaluation.zeroShot[i]!));
  });
  const answered = zeroShot.map((answer, i) => taskRow(evaluation.zeroShot[i]!, answer, plan));
  const row = {
    ...runOf(run, trained, found.provenance.seconds),
    ...losses !== undefined && { losses },
    ...heldout !== undefined && { heldout: textOf(heldout) },
    ...masked !== undefined && { masked },
    ...textRow(heldout, baselines[run.text]),
    ...byPosition !== undefined && { byPosition },
    ...answered.length > 0 && { zeroShot: answered },
  };
  return run.arms.map((levels) => ({ levels, ...row }));
}

/** What a held-out text says of a model beside its score. */
export function textRow(
  heldout: Pretrained["heldout"],
  baselines: NgramBaselines | undefined,
): Pick<Pretrained, "baselines" | "stuck"> {
  const stuck = heldout !== undefined && baselines !== undefined &&
    heldout.high.bitsPerCharacter >= baselines.unigram.bitsPerCharacter;
  return { stuck, ...heldout !== undefined && baselines !== undefined && { baselines } };
}

/**
 * The rows of a fine-tuning run, if its result exists: one for each arm that it belongs to.
 *
 * @throws {InputError} If its file is invalid.
 */
export async function finetunedRows(run: PlannedFinetune, plan: Plan): Promise<Finetuned[]> {
  const { result: path, key, task, texts, cut, unknown } = run;
  const found = await stored<FinetuneResult>(path, key);
  if (!found) return [];
  const { loss, trained, losses, validation, ...answer } = Object(found.result) as FinetuneResult;
  checkResult(path, () => {
    checkAnswer(answer, task);
    checkBudget(trained);
    checkLosses(losses, trained);
    checkInterval(Object(validation), "validation");
    expectValue(isAmount(loss), "loss", loss);
  });
  const row = {
    ...taskRow(task, answer, plan),
    ...runOf(run, { ...trained, examples: task.train.length }, found.provenance.seconds),
    ...losses !== undefined && { losses },
    validation: intervalOf(validation),
    ...{ loss, texts, cut, unknown },
  };
  return run.arms.map((levels) => ({ levels, ...row }));
}

/** What a study says of each run. */
function runOf(
  { seed, tuned, tokens, products }: Run,
  { updates, batch, examples }: TrainingBudget,
  seconds: number,
): Required<Pick<StudyRun, "seed" | "tuned" | "trained">> {
  const done = { tokens, flops: 6 * products, seconds };
  return {
    ...{ seed, tuned },
    trained: { updates, batch, ...examples !== undefined && { examples }, ...done },
  };
}

/** A task's result with the known fields only, as other fields of a file could override the study's. */
function taskRow(
  task: Task,
  { measure, measures, value, low, high, examples, answers: { predictions, scores, width } }: AnswerResult,
  { orders, clusters }: Plan,
): TaskResult {
  const labels = task.test.map(({ label }) => label);
  const constant = majorityBaseline(task, labels);
  const answers = {
    examples: orders.get(task.test) ?? Uint32Array.from(labels.keys()),
    predictions,
    scores,
    width,
  };
  const known = task.measures.map((name) => [name, intervalOf(measures[name]!)]);
  return {
    task: task.name,
    ...{ measure, value, low, high, measures: Object.fromEntries(known), examples, constant, answers },
    stuck: low <= constant,
    byCluster: scoreByCluster(task.measures[0]!, predictions, labels, clusters.get(task.test)!),
  };
}

const intervalOf = ({ value, low, high }: Interval): Interval => ({ value, low, high });
const measuresOf = ({ loss, perplexity, bitsPerCharacter }: TextMeasures): TextMeasures => (
  { loss, perplexity, bitsPerCharacter }
);

function textOf(score: TextScore): TextScore {
  const { tokens, losses, unknown, low, high } = score;
  return { ...measuresOf(score), tokens, losses, unknown, low: measuresOf(low), high: measuresOf(high) };
}

/** Runs a check and adds the file's name to its error. Values of a wrong type make the check itself throw. */
function checkResult(path: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    const why = error instanceof InputError ? error.message : "its fields are not those of a result";
    throw new InputError(`Cannot use ${named(path)} as a result: ${why}; remove it to run again`, {
      cause: error,
    });
  }
}

function expectValue(holds: boolean, what: string, found: unknown): void {
  if (!holds) throw new InputError(`its ${what} cannot be ${quoted(found)}`);
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function checkBudget({ updates, batch }: TrainingBudget): void {
  expectValue(isCount(updates), "number of updates", updates);
  expectValue(isCount(batch), "batch", batch);
}

function checkLosses(losses: unknown, { updates }: TrainingBudget): void {
  expectValue(losses === undefined || isLossCurve(losses, updates), "training losses", losses);
}

/** Checks that scores follow from the predictions. */
function checkAnswer({ measure, measures, examples, answers, ...primary }: AnswerResult, task: Task): void {
  const { predictions, scores, width } = answers;
  const labels = task.test.map(({ label }) => label);
  expectValue(examples === labels.length && predictions.length === examples, "number of examples", examples);
  checkPredictions(predictions, task);
  expectValue(isCount(width), "scores of an example", width);
  expectValue(
    scores instanceof Float32Array && scores.length === width * examples,
    "number of scores",
    scores.length,
  );
  for (let i = 0; i < scores.length; i++) {
    const follows = i % width > 0;
    // An example with fewer choices has fewer scores; missing ones are at the end.
    expectValue(
      follows && Number.isNaN(scores[i]) ||
        Number.isFinite(scores[i]) && !(follows && Number.isNaN(scores[i - 1])),
      "scores",
      scores[i],
    );
  }
  expectValue(measure === task.measures[0], "measure", measure);
  for (const name of task.measures) {
    const found = measures[name]!;
    checkInterval(found, name);
    expectValue(score(name, predictions, labels) === found.value, name, found.value);
  }
  const { value, low, high } = measures[measure]!;
  expectValue(
    primary.value === value && primary.low === low && primary.high === high,
    measure,
    primary.value,
  );
}

function checkPredictions(predictions: unknown, task: Task): void {
  const isList = predictions instanceof Float32Array || predictions instanceof Float64Array;
  expectValue(isList && allFinite(predictions), "predictions", predictions);
  if (isGraded(task)) return;
  const wrong = (predictions as Float32Array).find((label) =>
    !Number.isInteger(label) || label < 0 || label >= task.labels.length
  );
  expectValue(wrong === undefined, "predictions", wrong);
}

function checkInterval({ value, low, high }: Interval, name: string): void {
  expectValue([value, low, high].every((one) => typeof one === "number"), `interval of ${name}`, [
    value,
    low,
    high,
  ]);
  expectValue(Math.abs(value) <= 1, name, value);
  expectValue(-1 <= low && low <= high && high <= 1, `interval of ${name}`, [low, high]);
}

/** Checks that a text's score follows from the losses of its windows. */
function checkText(found: TextScore): void {
  const { loss, bitsPerCharacter, losses, tokens, unknown, low, high } = found;
  expectValue(losses instanceof Float32Array && allFinite(losses), "losses", losses);
  for (const measures of [found, low, high]) {
    expectValue(Object.values(measuresOf(measures)).every(isAmount), "measures", measuresOf(measures));
    expectValue(isNear(measures.perplexity, Math.exp(measures.loss)), "perplexity", measures.perplexity);
    const bits = measures.loss * bitsPerCharacter / loss;
    expectValue(
      loss === 0 || isNear(measures.bitsPerCharacter, bits),
      "bits per character",
      measures.bitsPerCharacter,
    );
  }
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  expectValue(Math.abs(mean - loss) <= 1e-4 * (1 + loss), "loss", loss);
  expectValue(low.loss <= high.loss && low.bitsPerCharacter <= high.bitsPerCharacter, "interval", [
    low.loss,
    high.loss,
  ]);
  expectValue(isCount(tokens), "number of tokens", tokens);
  expectValue(isAmount(unknown) && unknown <= 1, "share of unknown tokens", unknown);
}

function isNear(value: number, other: number): boolean {
  return Math.abs(value - other) <= 1e-9 * (1 + Math.abs(other));
}
