import type { Task } from "../data/mod.ts";
import { InputError } from "../errors.ts";
import type { PositionKind } from "../model/mod.ts";
import { type Interval, majorityBaseline, score, type TaskScore, type TextScore } from "../train/mod.ts";
import type { Arm, Plan, PlannedFinetune, PlannedPretrain } from "./plan.ts";
import type { StudyModel } from "./settings.ts";
import { stored } from "./store.ts";

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
  { model, positions, seed }: Arm,
  { result: path, key, asked }: PlannedPretrain,
  { orders }: Plan,
): Promise<Pretrained | undefined> {
  const found = await stored<PretrainResult>(path, key);
  if (!found) return undefined;
  const { zeroShot, ...result } = Object(found.result) as PretrainResult;
  checked(path, () => {
    if (result.heldout) checkText(result.heldout);
    result.byPosition?.forEach((bits) => need(bits >= 0 && bits < Infinity, `bits by position ${bits}`));
    need(zeroShot.length === asked.zeroShot.length, `${zeroShot.length} tasks without fine-tuning`);
    zeroShot.forEach((answer, i) => checkAnswer(answer, asked.zeroShot[i]!));
  });
  const answered = zeroShot.map((answer, i) => answeredRow(asked.zeroShot[i]!, answer, orders));
  return { model, positions, seed, ...result, ...answered.length > 0 && { zeroShot: answered } };
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
    need(loss >= 0 && loss < Infinity, `loss ${loss}`);
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
    trained: { ...trained, examples: task.train.length },
  };
}

function answeredRow(task: Task, { answers, ...found }: AnswerResult, orders: Plan["orders"]): Answered {
  const examples = orders.get(task)!;
  const constant = majorityBaseline(task, task.test.map(({ label }) => label));
  return { task: task.name, ...found, constant, answers: { examples, ...answers } };
}

/** Names the file of what a check refuses; what is not of the right shape at all fails in the checks' own code. */
function checked(path: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    const why = error instanceof InputError ? error.message : "its fields are not those of a result";
    throw new InputError(`Cannot use ${path} as a result: ${why}; remove it to run again`, { cause: error });
  }
}

function need(holds: boolean, what: string): void {
  if (!holds) throw new InputError(`its ${what} cannot be`);
}

/** A score must be what its answers give. */
function checkAnswer({ measure, measures, examples, answers, ...primary }: AnswerResult, task: Task): void {
  const { predictions, scores, width } = answers;
  const labels = task.test.map(({ label }) => label);
  need(examples === labels.length && predictions.length === examples, `number of examples ${examples}`);
  need(scores.length === width * examples, `number of scores ${scores.length}`);
  need(measure === task.measures[0], `measure ${measure}`);
  for (const name of task.measures) {
    const found = measures[name]!;
    checkInterval(found, name);
    need(score(name, predictions, labels) === found.value, `${name} ${found.value}`);
  }
  const { value, low, high } = measures[measure]!;
  need(
    primary.value === value && primary.low === low && primary.high === high,
    `${measure} ${primary.value}`,
  );
}

function checkInterval({ value, low, high }: Interval, name: string): void {
  need(Math.abs(value) <= 1, `${name} ${value}`);
  need(-1 <= low && low <= high && high <= 1, `interval of ${name} from ${low} to ${high}`);
}

/** A text's score must be what the losses of its windows give. */
function checkText({ loss, losses, low, high }: TextScore): void {
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  need(loss >= 0 && Math.abs(mean - loss) <= 1e-4 * (1 + loss), `loss ${loss}`);
  need(low.loss <= high.loss && low.bitsPerCharacter <= high.bitsPerCharacter, "interval");
}
