import { isGraded, type Task } from "../data/mod.ts";
import { InputError, named, quoted } from "../errors.ts";
import { allFinite } from "../foreign.ts";
import { architectureOf, type PositionKind } from "../model/mod.ts";
import {
  type Interval,
  majorityBaseline,
  score,
  stored,
  type TaskScore,
  type TextMeasures,
  type TextScore,
} from "../train/mod.ts";
import type { Arm, Plan, PlannedFinetune, PlannedPretrain } from "./plan.ts";
import type { StudyModel } from "./settings.ts";

/** How much a model was trained. */
export interface Took {
  /** Updates that it made. */
  readonly updates: number;
  /** Examples or windows of an update: what was asked, or as many as there are. */
  readonly batch: number;
  /** Examples that it was fine-tuned on: what was asked, or as many as there are. */
  readonly examples?: number;
}

/** A model's answers to the test examples of a task that a study takes. */
export interface Answers {
  /** Which of the task's test examples each is. */
  readonly examples: Uint32Array;
  /** Label of each as it was predicted; or its grade. */
  readonly predictions: Float32Array | Float64Array;
  /** Scores of its labels or choices, side by side: `width` for each example, not a number where it has fewer. */
  readonly scores: Float32Array;
  /** Scores of an example. */
  readonly width: number;
}

/** How a model that was only pre-trained did a task. */
export interface Answered extends Omit<TaskScore, "predictions" | "baseline"> {
  /** Name of the task. */
  readonly task: string;
  /** Majority baseline: the best primary measure that a constant prediction reaches on the test examples. */
  readonly constant: number;
  /** Its answers; a study published by version 0.1 has none. */
  readonly answers?: Answers;
}

/** What a pre-training run found. */
export interface Pretrained {
  /** Which language model. */
  readonly model: StudyModel;
  /** Its positions. */
  readonly positions: PositionKind;
  /** Its seed. */
  readonly seed: number;
  /** On the held-out text; an encoder has none. A study published by version 0.1 has no losses of windows. */
  readonly heldout?: Omit<TextScore, "losses" | "unknown"> & Partial<Pick<TextScore, "losses" | "unknown">>;
  /** The same in bits a character at each place of the window, from the second token on. */
  readonly byPosition?: readonly number[];
  /** Tasks that it did without fine-tuning. */
  readonly zeroShot?: readonly Answered[];
  /** How much it was trained; a study published by version 0.1 does not say. */
  readonly trained?: Took;
}

/** What a fine-tuning run found. */
export interface Finetuned extends Answered {
  /** Mean cross-entropy of the labels, L2, in nats. */
  readonly loss: number;
  /** Which language model. */
  readonly model: StudyModel;
  /** Its positions. */
  readonly positions: PositionKind;
  /** λ of its arm. */
  readonly lambda: number;
  /** Layers that it began with: −1 for none, 0 for the embeddings. */
  readonly transfer: number;
  /** Layers that there are. */
  readonly layers: number;
  /** Its seed. */
  readonly seed: number;
  /** Texts of the task; a study published by version 0.1 does not say. */
  readonly texts?: number;
  /** How many of them were cut to fit the context. */
  readonly cut: number;
  /** Share of the task's tokens that are `<unk>`; a study published by version 0.1 does not say. */
  readonly unknown?: number;
  /** How much it was trained; a study published by version 0.1 does not say. */
  readonly trained?: Took;
}

/** What is stored of a pre-training run: what its place in the study does not tell. */
export interface PretrainResult {
  readonly heldout?: TextScore;
  readonly byPosition?: readonly number[];
  readonly zeroShot: readonly AnswerResult[];
  readonly trained: Took;
}

/** What is stored of a task done. */
export type AnswerResult = Omit<TaskScore, "predictions" | "baseline"> & {
  readonly answers: Omit<Answers, "examples">;
};

/** What is stored of a fine-tuning run. */
export type FinetuneResult = AnswerResult & { readonly loss: number; readonly trained: Took };

/** Answers as they are stored. */
export function answersOf(
  predictions: readonly number[],
  scores: readonly ArrayLike<number>[],
): AnswerResult["answers"] {
  const width = scores.reduce((most, { length }) => Math.max(most, length), 0);
  const all = new Float32Array(scores.length * width).fill(NaN);
  scores.forEach((some, i) => all.set(some, i * width));
  const Type = predictions.every(Number.isInteger) ? Float32Array : Float64Array; // Ranks of grades need all digits.
  return { predictions: Type.from(predictions), scores: all, width };
}

/**
 * The row of a pre-training run, if its result is there.
 *
 * @throws {InputError} If its file cannot be believed.
 */
export async function pretrainedRow(
  { model, positions, seed, preset }: Arm,
  { result: path, key, asked }: PlannedPretrain,
  { orders }: Plan,
): Promise<Pretrained | undefined> {
  const found = await stored<PretrainResult>(path, key);
  if (!found) return undefined;
  const { heldout, byPosition, zeroShot, trained } = Object(found.result) as PretrainResult;
  checked(path, () => {
    const reads = architectureOf(preset).causal; // Others predict no next token.
    need(reads === (heldout !== undefined) && reads === (byPosition !== undefined), "held-out text", heldout);
    if (heldout !== undefined) checkText(heldout);
    if (byPosition !== undefined) {
      need(byPosition.length === preset.context - 1, "number of positions", byPosition.length);
      byPosition.forEach((bits) => need(isAmount(bits), "bits by position", bits));
    }
    checkTook(trained);
    need(zeroShot.length === asked.zeroShot.length, "number of tasks without fine-tuning", zeroShot.length);
    zeroShot.forEach((answer, i) => checkAnswer(answer, asked.zeroShot[i]!));
  });
  const answered = zeroShot.map((answer, i) => answeredRow(asked.zeroShot[i]!, answer, orders));
  return {
    ...{ model, positions, seed },
    ...heldout !== undefined && { heldout: textOf(heldout) },
    ...byPosition !== undefined && { byPosition },
    trained: tookOf(trained),
    ...answered.length > 0 && { zeroShot: answered },
  };
}

/**
 * The row of a fine-tuning run, if its result is there.
 *
 * @throws {InputError} If its file cannot be believed.
 */
export async function finetunedRow(
  { model, positions, preset: { layers } }: Arm,
  { result: path, key, task, texts, cut, unknown, reads: { lambda, transfer, seed } }: PlannedFinetune,
  { orders }: Plan,
): Promise<Finetuned | undefined> {
  const found = await stored<FinetuneResult>(path, key);
  if (!found) return undefined;
  const { loss, trained, ...answer } = Object(found.result) as FinetuneResult;
  checked(path, () => {
    checkAnswer(answer, task);
    checkTook(trained);
    need(isAmount(loss), "loss", loss);
  });
  return {
    ...answeredRow(task, answer, orders),
    model,
    positions,
    lambda,
    transfer,
    layers,
    seed,
    loss,
    texts,
    cut,
    unknown,
    trained: { ...tookOf(trained), examples: task.train.length },
  };
}

/** The fields that are known, and no other: a file's own would stand in the place of what the study says. */
function answeredRow(
  task: Task,
  { measure, measures, value, low, high, examples, answers: { predictions, scores, width } }: AnswerResult,
  orders: Plan["orders"],
): Answered {
  const constant = majorityBaseline(task, task.test.map(({ label }) => label));
  const answers = { examples: orders.get(task)!, predictions, scores, width };
  const known = task.measures.map((name) => [name, intervalOf(measures[name]!)]);
  return {
    task: task.name,
    ...{ measure, value, low, high, measures: Object.fromEntries(known), examples, constant, answers },
  };
}

const intervalOf = ({ value, low, high }: Interval): Interval => ({ value, low, high });
const tookOf = ({ updates, batch }: Took): Took => ({ updates, batch });
const measuresOf = ({ loss, perplexity, bitsPerCharacter }: TextMeasures): TextMeasures => (
  { loss, perplexity, bitsPerCharacter }
);

function textOf(score: TextScore): TextScore {
  const { tokens, losses, unknown, low, high } = score;
  return { ...measuresOf(score), tokens, losses, unknown, low: measuresOf(low), high: measuresOf(high) };
}

/** Names the file of what a check refuses; what is not of the right shape at all fails in the checks' own code. */
function checked(path: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    const why = error instanceof InputError ? error.message : "its fields are not those of a result";
    throw new InputError(`Cannot use ${named(path)} as a result: ${why}; remove it to run again`, {
      cause: error,
    });
  }
}

function need(holds: boolean, what: string, found: unknown): void {
  if (!holds) throw new InputError(`its ${what} cannot be ${quoted(found)}`);
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function checkTook({ updates, batch }: Took): void {
  need(isCount(updates), "number of updates", updates);
  need(isCount(batch), "batch", batch);
}

/** A score must be what its answers give. */
function checkAnswer({ measure, measures, examples, answers, ...primary }: AnswerResult, task: Task): void {
  const { predictions, scores, width } = answers;
  const labels = task.test.map(({ label }) => label);
  need(examples === labels.length && predictions.length === examples, "number of examples", examples);
  checkPredictions(predictions, task);
  need(isCount(width), "scores of an example", width);
  need(
    scores instanceof Float32Array && scores.length === width * examples,
    "number of scores",
    scores.length,
  );
  for (let i = 0; i < scores.length; i++) {
    const follows = i % width > 0;
    // An example of fewer choices has fewer scores: none comes after one that is missing.
    need(
      follows && Number.isNaN(scores[i]) ||
        Number.isFinite(scores[i]) && !(follows && Number.isNaN(scores[i - 1])),
      "scores",
      scores[i],
    );
  }
  need(measure === task.measures[0], "measure", measure);
  for (const name of task.measures) {
    const found = measures[name]!;
    checkInterval(found, name);
    need(score(name, predictions, labels) === found.value, name, found.value);
  }
  const { value, low, high } = measures[measure]!;
  need(primary.value === value && primary.low === low && primary.high === high, measure, primary.value);
}

function checkPredictions(predictions: unknown, task: Task): void {
  const isList = predictions instanceof Float32Array || predictions instanceof Float64Array;
  need(isList && allFinite(predictions), "predictions", predictions);
  if (isGraded(task)) return;
  const wrong = (predictions as Float32Array).find((label) =>
    !Number.isInteger(label) || label < 0 || label >= task.labels.length
  );
  need(wrong === undefined, "predictions", wrong);
}

function checkInterval({ value, low, high }: Interval, name: string): void {
  need([value, low, high].every((one) => typeof one === "number"), `interval of ${name}`, [value, low, high]);
  need(Math.abs(value) <= 1, name, value);
  need(-1 <= low && low <= high && high <= 1, `interval of ${name}`, [low, high]);
}

/** A text's score must be what the losses of its windows give. */
function checkText(found: TextScore): void {
  const { loss, bitsPerCharacter, losses, tokens, unknown, low, high } = found;
  need(losses instanceof Float32Array && allFinite(losses), "losses", losses);
  for (const measures of [found, low, high]) {
    need(Object.values(measuresOf(measures)).every(isAmount), "measures", measuresOf(measures));
    need(isNear(measures.perplexity, Math.exp(measures.loss)), "perplexity", measures.perplexity);
    const bits = measures.loss * bitsPerCharacter / loss;
    need(
      loss === 0 || isNear(measures.bitsPerCharacter, bits),
      "bits per character",
      measures.bitsPerCharacter,
    );
  }
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  need(Math.abs(mean - loss) <= 1e-4 * (1 + loss), "loss", loss);
  need(low.loss <= high.loss && low.bitsPerCharacter <= high.bitsPerCharacter, "interval", [
    low.loss,
    high.loss,
  ]);
  need(isCount(tokens), "number of tokens", tokens);
  need(isAmount(unknown) && unknown <= 1, "share of unknown tokens", unknown);
}

function isNear(value: number, other: number): boolean {
  return Math.abs(value - other) <= 1e-9 * (1 + Math.abs(other));
}
