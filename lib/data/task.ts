import { InputError } from "../errors.ts";
import { type Example, inputs, type Kind } from "../text/inputs.ts";
import { limit, type SchemaOf, seed as seeds, settle, whole } from "../settings.ts";
import { byHash } from "./hash.ts";

/**
 * What a task is scored by: accuracy, F1 of label 1, Matthews' correlation; of grades the correlations of Pearson
 * and Spearman. 1 is best.
 */
export const measures = ["accuracy", "f1", "matthews", "pearson", "spearman"] as const;

/** One of {@linkcode measures}. */
export type Measure = typeof measures[number];

/**
 * How a model that was only pre-trained answers (section 5 of the paper, "zero-shot behaviours"):
 *
 * - `acceptability`: yes, if the text's mean log-probability of a token is above a threshold;
 * - `word`: the label whose word is the likeliest after the text and the prompt;
 * - `choice`: the choice of the highest mean log-probability after the context;
 * - `ending`: the choice after whose beginning the ending that all choices share has the highest one.
 */
export type ZeroShot =
  | { readonly by: "acceptability" | "choice" | "ending" }
  | { readonly by: "word"; readonly prompt: string; readonly words: readonly string[] };

/** The parts of a task: to learn from, to choose settings by, to report. */
export type Split = "train" | "validation" | "test";

/** A task of one kind: a plain value, which anybody can write. */
export interface TaskOf<K extends Kind> {
  /** Short name, as tables print it. */
  readonly name: string;
  /** Which of the four input transformations of section 3.3 it takes. */
  readonly kind: K;
  /**
   * Name of each label; of each position for multiple choice. Where a task is scored by a correlation they are
   * grades, 0, 1, …, and an example's label may stand between two.
   */
  readonly labels: readonly string[];
  /** Examples to learn from. */
  readonly train: readonly Example<K>[];
  /** Examples to choose settings by. */
  readonly validation: readonly Example<K>[];
  /** Examples to report. */
  readonly test: readonly Example<K>[];
  /** What it is scored by, the primary one first. */
  readonly measures: readonly Measure[];
  /** How it is answered without fine-tuning, if there is a way; `choice` for multiple choice unless given. */
  readonly zeroShot?: ZeroShot;
  /** Where the examples come from. */
  readonly source: string;
  /** Under which terms they come. */
  readonly licence: string;
  /** How they were made, in a sentence. */
  readonly about: string;
}

/** A task of any kind; its `kind` tells which. */
export type Task = { [K in Kind]: TaskOf<K> }[Kind];

/** A line of `listTasks`. */
export interface TaskEntry {
  /** What to give to `task`. */
  readonly name: string;
  /** Its input transformation. */
  readonly kind: Kind;
  /** What is asked. */
  readonly about: string;
  /** Under which terms the examples come. */
  readonly licence: string;
  /** Whom to cite when the examples are used. */
  readonly citation?: string;
  /** What the first use, or `deno task data`, downloads, in megabytes. */
  readonly megabytes: number;
  /** Under which name `deno task data` downloads the official files, where the examples come from such. */
  readonly archive?: string;
  /** Where to ask for the files, where they are to be had for a signed form only. */
  readonly form?: string;
}

/** Whether a task's labels are grades, as it is scored by a correlation. */
export function isGraded({ measures }: Pick<Task, "measures">): boolean {
  return measures.some((measure) => measure === "pearson" || measure === "spearman");
}

/** How many examples {@linkcode subset} keeps of each split; all of them where nothing is given. */
export interface SubsetOptions {
  /** Examples to learn from. */
  readonly train?: number;
  /** Examples to choose settings by. */
  readonly validation?: number;
  /** Examples to report. */
  readonly test?: number;
  /** Another seed draws other examples; 0 unless told. */
  readonly seed?: number;
}

const examples = whole({ from: 1, to: 1e9 });

/** The settings of {@linkcode SubsetOptions}. */
export const subsetSettings = {
  train: { ...examples, about: "examples to learn from", otherwise: "all" },
  validation: { ...examples, about: "examples to choose settings by", otherwise: "all" },
  test: { ...examples, about: "examples to report", otherwise: "all" },
  seed: { ...seeds, about: "another seed draws other examples", default: 0 },
} satisfies SchemaOf<SubsetOptions>;

/** How many of a task's training or test examples, at the most. */
export const limitSetting = { ...limit, about: "examples, at the most", default: Infinity };

/**
 * Takes a smaller task out of a larger one, each label as frequent as in the whole. The same call always
 * takes the same examples, and a smaller subset is the beginning of a larger one: a curve over sizes adds
 * examples and exchanges none.
 *
 * @param task The task; it stays as it is
 * @param options How many examples, and the seed
 * @returns A new task of the same name
 * @throws {InputError} If an option is unknown, a size is not a whole number from 1 to the size of the split, or the
 * seed is not one from 0 to 2³² − 1
 *
 * @example
 * ```ts
 * import { subset } from "./task.ts";
 * import { task } from "./tasks.ts";
 *
 * const small = subset(await task("kind"), { train: 1000, test: 500 });
 * console.log(small.train.length, small.test.length); // 1000 500
 * ```
 */
export function subset<T extends Task>(task: T, options: SubsetOptions): T {
  const { seed, ...sizes } = settle("take a subset", subsetSettings, options);
  const take = (split: Split) => {
    const all: readonly { readonly label: number }[] = task[split];
    const size = sizes[split];
    if (size === undefined) return all;
    if (size > all.length) {
      throw new InputError(
        `Cannot take ${size} ${split} examples of task "${task.name}" as the size must be a whole number ` +
          `from 1 to ${all.length}`,
      );
    }
    return stratified(all, seed).slice(0, size);
  };
  return { ...task, train: take("train"), validation: take("validation"), test: take("test") };
}

/** At the most so many examples of each split, as {@linkcode subset} takes them; `Infinity` takes all. */
export function atMost<T extends Task>(task: T, { train = Infinity, test = Infinity }: SubsetOptions): T {
  return subset(task, {
    train: Math.min(train, task.train.length),
    test: Math.min(test, task.test.length),
  });
}

/**
 * An order in which every beginning has about the labels of the whole: the r-th example of a label that n
 * have stands at (r + ½)/n. Grades count as the nearest whole one.
 */
function stratified<E extends { readonly label: number }>(all: readonly E[], seed: number): E[] {
  const groups = Map.groupBy(
    byHash(all, (example) => JSON.stringify(example), seed),
    ({ label }) => Math.round(label),
  );
  return [...groups].sort(([a], [b]) => a - b)
    .flatMap(([, group]) => group.map((example, r) => ({ example, at: (r + 0.5) / group.length })))
    .sort((a, b) => a.at - b.at).map(({ example }) => example);
}

/**
 * Checks a task that somebody wrote, so that a mistake is named by split, row and field before any training
 * starts.
 *
 * @param task The task
 * @returns The same task
 * @throws {InputError} If the kind is not known, a split is empty, a text is missing, a label is none of the
 * task's, an example of multiple choice has another number of choices than there are labels, or no measure is
 * given
 *
 * @example
 * ```ts
 * import { checkTask } from "./task.ts";
 *
 * const rows = [{ text: "splendid", label: 1 }, { text: "dull", label: 0 }];
 * checkTask({
 *   name: "mine",
 *   kind: "classification",
 *   labels: ["negative", "positive"],
 *   train: rows,
 *   validation: rows,
 *   test: rows,
 *   measures: ["accuracy"],
 *   source: "my own",
 *   licence: "CC0",
 *   about: "Two words",
 * });
 * ```
 */
export function checkTask<T extends Task>(task: T): T {
  const { name, kind, labels } = task;
  if (!Object.hasOwn(inputs, kind)) {
    throw new InputError(
      `Cannot use task "${name}" as its kind is "${kind}": kinds are ${Object.keys(inputs).join(", ")}`,
    );
  }
  if (labels.length < 2) {
    throw new InputError(
      `Cannot use task "${name}" as it needs at least 2 labels: current number is ${labels.length}`,
    );
  }
  const known = measures.join(", ");
  for (const measure of task.measures) {
    if (!measures.includes(measure)) {
      throw new InputError(`Cannot score task "${name}" by "${measure}" as measures are ${known}`);
    }
  }
  if (task.measures.length === 0) {
    throw new InputError(`Cannot score task "${name}" as it names no measure: measures are ${known}`);
  }
  for (const split of ["train", "validation", "test"] as const) {
    const examples: readonly Record<string, unknown>[] = task[split].map((example) => ({ ...example }));
    if (examples.length === 0) {
      throw new InputError(
        `Cannot use task "${name}" as its ${split} split is empty: put at least 1 example into it`,
      );
    }
    examples.forEach((example, i) => checkExample(example, `${split} example ${i} in task "${name}"`, task));
  }
  return task;
}

function checkExample(example: Record<string, unknown>, where: string, task: Task): void {
  const { kind, labels } = task;
  const isText = (value: unknown) => typeof value === "string" && value.trim() !== "";
  for (const [field, type] of Object.entries(inputs[kind].fields)) {
    const value = example[field];
    if (type === "text" && !isText(value)) {
      throw new InputError(
        `Cannot use ${where} as its ${field} must be a text that is not empty: current value is ${
          show(value)
        }`,
      );
    }
    if (
      type === "texts" && !(Array.isArray(value) && value.length === labels.length && value.every(isText))
    ) {
      throw new InputError(
        `Cannot use ${where} as its ${field} must be ${labels.length} texts that are not empty, as many as the task ` +
          `has labels: current value is ${show(value)}`,
      );
    }
  }
  const { label } = example;
  if (isGraded(task)) {
    if (typeof label === "number" && label >= 0 && label <= labels.length - 1) return;
    throw new InputError(
      `Cannot use grade ${show(label)} of ${where} as its grades are numbers from 0 to ${labels.length - 1}`,
    );
  }
  if (typeof label !== "number" || !Object.hasOwn(labels, label)) {
    const names = labels.map((text, i) => `${i} (${text})`);
    throw new InputError(
      `Cannot use label ${show(label)} of ${where} as its labels are ` +
        `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`,
    );
  }
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}
