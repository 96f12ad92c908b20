import { distance } from "fastest-levenshtein";
import { InputError, isThenable, quoted } from "../errors.ts";
import { isRecord } from "../foreign.ts";
import { type Example, inputs, type Kind } from "../text/mod.ts";
import { limit, type SchemaOf, seed as seeds, settle, whole } from "../settings.ts";
import { byHash } from "./hash.ts";

/**
 * What a task is scored by: accuracy, F1 of label 1, Matthews' correlation; of grades the correlations of Pearson
 * and Spearman. 1 is best.
 */
export const measures: readonly Measure[] = ["accuracy", "f1", "matthews", "pearson", "spearman"];

/** One of {@linkcode measures}. */
export type Measure = "accuracy" | "f1" | "matthews" | "pearson" | "spearman";

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
  /** Short name, as tables print it and names of files have it: letters, digits, blanks and `._+-`. */
  readonly name: string;
  /** Which of the four input transformations of section 3.3 it takes. */
  readonly kind: K;
  /**
   * Name of each label, all different; of each position for multiple choice, where an example has at least two choices
   * and at most as many as there are labels. Where a task is scored by a correlation they are grades, 0, 1, …, and an
   * example's label may stand between two.
   */
  readonly labels: readonly string[];
  /** Examples to learn from. */
  readonly train: readonly Example<K>[];
  /** Examples to choose settings by. */
  readonly validation: readonly Example<K>[];
  /** Examples to report. */
  readonly test: readonly Example<K>[];
  /**
   * What it is scored by, the primary one first: `accuracy`, and of two labels `f1` and `matthews`; or of grades
   * `pearson` and `spearman`.
   */
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
  return measures.some(isOfGrades);
}

function isOfGrades(measure: Measure): boolean {
  return measure === "pearson" || measure === "spearman";
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
 * @throws {InputError} If it is no task, an option is unknown, a size is not a whole number from 1 to the size of the split, or the
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
  checkTask(task);
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
    return stratified(task.kind, all, seed).slice(0, size);
  };
  return { ...task, train: take("train"), validation: take("validation"), test: take("test") };
}

/**
 * A copy of what the kit reads of a task, in one order: columns that it does not know, and the order of fields, change
 * neither which examples are drawn nor what a result belongs to.
 */
export function plainTask<T extends Task>(task: T): T {
  const { name, kind, labels, measures, zeroShot, source, licence, about } = task;
  const split = (of: Split) => task[of].map((example) => plainExample(kind, example));
  return {
    ...{ name, kind, labels: [...labels], measures: [...measures] },
    ...{ train: split("train"), validation: split("validation"), test: split("test") },
    ...zeroShot && { zeroShot: structuredClone(zeroShot) },
    ...{ source, licence, about },
  } as unknown as T;
}

function plainExample(kind: Kind, example: object): Record<string, unknown> {
  const row = example as Readonly<Record<string, unknown>>;
  const fields = Object.keys(inputs[kind].fields).map((field) => {
    const value = row[field];
    return [field, Array.isArray(value) ? [...value] : value];
  });
  return { ...Object.fromEntries(fields), label: row["label"] === 0 ? 0 : row["label"] }; // Not −0, which JSON lacks.
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
function stratified<E extends { readonly label: number }>(kind: Kind, all: readonly E[], seed: number): E[] {
  const groups = Map.groupBy(
    byHash(all, (example) => JSON.stringify(plainExample(kind, example)), seed),
    ({ label }) => Math.round(label),
  );
  return [...groups].sort(([a], [b]) => a - b)
    .flatMap(([, group]) => group.map((example, r) => ({ example, at: (r + 0.5) / group.length })))
    .sort((a, b) => a.at - b.at).map(({ example }) => example);
}

/** Fields that the kit reads; others are left alone, unless they are one of these misspelt. */
const FIELDS = [
  ...["name", "kind", "labels", "measures", "train", "validation", "test"],
  ...["zeroShot", "source", "licence", "about"],
];

/** The field from which a name differs by a letter, or by capitals. */
function nearField(name: string): string | undefined {
  return FIELDS.find((field) => distance(name.slice(0, 20).toLowerCase(), field.toLowerCase()) <= 1);
}

/** Characters of a task's name, at the most. */
const LONGEST_NAME = 80;
/** A name that can be a part of a file's name on any system. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}\p{M} ._+-]*$/u;

/**
 * Checks a task that somebody wrote, from whatever value, so that a mistake is named by split, row and field before
 * any training starts. Fields that the kit does not know are left alone.
 *
 * @param task The task
 * @returns The same task
 * @throws {InputError} If it is no task, such as a name or a promise; its name, kind, labels or measures are missing
 * or do not go together; a split is missing, empty or no list; a text is missing, or a label is none of the task's;
 * or its `zeroShot` cannot be used
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
  checkIsTask(task);
  const { name, kind } = task;
  const misspelt = Object.keys(task).find((field) => !FIELDS.includes(field) && nearField(field));
  if (misspelt !== undefined) {
    throw new InputError(
      `Cannot use task "${name}" with field ${quoted(misspelt)}: did you mean ${nearField(misspelt)}?`,
    );
  }
  if (typeof kind !== "string" || !Object.hasOwn(inputs, kind)) {
    throw new InputError(
      `Cannot use task "${name}" as its kind is ${quoted(kind)}: kinds are ${Object.keys(inputs).join(", ")}`,
    );
  }
  checkLabels(task);
  checkMeasures(task);
  if (task.zeroShot !== undefined) checkZeroShot(task, task.zeroShot);
  for (const split of ["train", "validation", "test"] as const) {
    for (const [i, example] of examplesOf(task, split).entries()) { // Holes of a list, too.
      checkExample(example, `${split} example ${i} in task "${name}"`, task);
    }
  }
  return task;
}

/** Refuses what is no task at all, and a task without a name by which messages could call it. */
function checkIsTask(value: unknown): void {
  if (typeof value === "string") {
    throw new InputError(
      `Cannot use the name ${quoted(value)} as a task: write await task(${quoted(value)})`,
    );
  }
  if (isThenable(value)) throw new InputError("Cannot use a task that is not awaited: write await before it");
  if (isTable(value)) {
    throw new InputError(
      "Cannot use a table as a task: its rows can be a split, as in train: table.objects()",
    );
  }
  if (!isRecord(value)) {
    throw new InputError(
      "Cannot use a task as it must be an object with name, kind, labels, measures, train, validation and test: " +
        `current value is ${quoted(value)}`,
    );
  }
  const { name } = value;
  if (typeof name !== "string" || !NAME.test(name) || Array.from(name).length > LONGEST_NAME) {
    throw new InputError(
      `Cannot use a task as its name must be at most ${LONGEST_NAME} letters, digits, blanks and ._+-, a letter or ` +
        `digit first: current name is ${quoted(name)}`,
    );
  }
}

function checkLabels({ name, labels }: { readonly name: string; readonly labels: unknown }): void {
  if (!Array.isArray(labels)) {
    throw new InputError(
      `Cannot use task "${name}" as its labels must be a list of their names: current value is ${
        quoted(labels)
      }`,
    );
  }
  if (labels.length < 2) {
    throw new InputError(
      `Cannot use task "${name}" as it needs at least 2 labels: current number is ${labels.length}`,
    );
  }
  const seen = new Map<string, number>();
  for (const [i, label] of labels.entries()) {
    if (!isText(label)) {
      throw new InputError(
        `Cannot use task "${name}" as label ${i} must have a name that is not empty: current one is ${
          quoted(label)
        }`,
      );
    }
    const before = seen.get(label.trim());
    if (before !== undefined) {
      throw new InputError(
        `Cannot use task "${name}" as the names of its labels must differ: labels ${before} and ${i} are both ` +
          quoted(label),
      );
    }
    seen.set(label.trim(), i);
  }
}

function checkMeasures({ name, kind, labels, measures: given }: Task): void {
  const known = measures.join(", ");
  if (!Array.isArray(given)) {
    throw new InputError(
      `Cannot score task "${name}" as its measures must be a list of some of ${known}: current value is ${
        quoted(given)
      }`,
    );
  }
  const named: readonly Measure[] = given;
  if (named.length === 0) {
    throw new InputError(`Cannot score task "${name}" as it names no measure: measures are ${known}`);
  }
  const unknown = named.findIndex((measure) => !measures.includes(measure));
  if (unknown >= 0) {
    throw new InputError(`Cannot score task "${name}" by ${quoted(named[unknown])} as measures are ${known}`);
  }
  const twice = named.find((measure, i) => named.indexOf(measure) < i);
  if (twice !== undefined) {
    throw new InputError(`Cannot score task "${name}" as it names measure ${twice} twice: once is enough`);
  }
  const [graded, whole] = [named.find(isOfGrades), named.find((measure) => !isOfGrades(measure))];
  if (graded && whole) {
    throw new InputError(
      `Cannot score task "${name}" by both ${graded} and ${whole} as ${graded} is of grades and ${whole} of labels: ` +
        "either works",
    );
  }
  if (graded && kind === "choice") {
    throw new InputError(
      `Cannot score task "${name}" by ${graded} as labels of kind choice are positions and no grades: accuracy works`,
    );
  }
  const two = named.find((measure) => measure === "f1" || measure === "matthews");
  if (two && labels.length !== 2) {
    throw new InputError(
      `Cannot score task "${name}" by ${two} as that is of exactly 2 labels: current number is ${labels.length}, ` +
        "for which accuracy works",
    );
  }
}

/** Whether it fits the kind is checked by `heuristicOf`, where it is used. */
function checkZeroShot({ name, labels }: Task, how: ZeroShot): void {
  const fail = (what: string, value: unknown): never => {
    throw new InputError(
      `Cannot use the zeroShot of task "${name}" as ${what}: current value is ${quoted(value)}`,
    );
  };
  const { by }: { by?: unknown } = how ?? {};
  if (by !== "word") {
    const others = ["acceptability", "choice", "ending"];
    if (!others.includes(by as string)) fail(`its by must be one of ${others.join(", ")} and word`, by);
    if (by === "acceptability" && labels.length !== 2) {
      fail("acceptability answers yes or no, so that it needs exactly 2 labels", labels);
    }
    return;
  }
  const { prompt, words } = how as { readonly prompt?: unknown; readonly words?: unknown };
  if (typeof prompt !== "string") fail("its prompt must be a text", prompt);
  const distinct = Array.isArray(words) && words.every(isText)
    ? new Set(words.map((word) => word.trim().toLowerCase())) // Which a tokenizer does not tell apart.
    : undefined;
  if (distinct?.size !== labels.length || (words as unknown[]).length !== labels.length) {
    fail(`its words must be ${labels.length} different texts that are not empty, one for each label`, words);
  }
}

/** A split's examples, which may be no examples. */
function examplesOf({ name, ...task }: Task, split: Split): readonly unknown[] {
  const examples: unknown = task[split];
  if (Array.isArray(examples) && examples.length > 0) return examples;
  const fail = (what: string): never => {
    throw new InputError(`Cannot use task "${name}" as its ${split} split ${what}`);
  };
  if (isThenable(examples)) fail("is not awaited: write await before it");
  if (isTable(examples)) fail(`is a table and no list: write ${split}: table.objects()`);
  if (examples !== undefined && !Array.isArray(examples)) {
    fail(`must be a list of examples: current value is ${quoted(examples)}`);
  }
  const state = examples === undefined ? "missing" : "empty";
  const help = split === "train"
    ? "put at least 1 example into it"
    : `cut one from train, as in ${split}: rows.slice(0, 500), train: rows.slice(500)`;
  return fail(`is ${state}: ${help}`);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

/** Whether it is a table of arquero's, whose rows are what is meant. */
function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "objects" in value &&
    typeof value.objects === "function";
}

function checkExample(value: unknown, where: string, task: Task): void {
  const { fields } = inputs[task.kind];
  const labels: readonly string[] = task.labels;
  if (typeof value !== "object" || value === null) {
    throw new InputError(
      `Cannot use ${where} as it must be an object with ${[...Object.keys(fields), "label"].join(", ")}: ` +
        `current value is ${quoted(value)}`,
    );
  }
  const example: Readonly<Record<string, unknown>> = { ...value };
  let choices = labels.length;
  for (const [field, type] of Object.entries(fields)) {
    const value = example[field];
    if (type === "text") {
      if (isText(value)) continue;
      throw new InputError(
        `Cannot use ${where} as its ${field} must be a text that is not empty: current value is ${
          quoted(value)
        }`,
      );
    }
    if (
      !Array.isArray(value) || value.length < 2 || value.length > labels.length ||
      !Array.from(value).every(isText)
    ) {
      const most = labels.length === 2 ? "2" : `2 to ${labels.length}`;
      throw new InputError(
        `Cannot use ${where} as its ${field} must be ${most} texts that are not empty, at most as many as the task ` +
          `has labels: current value is ${quoted(value)}`,
      );
    }
    choices = value.length;
  }
  const { label } = example;
  if (isGraded(task)) {
    if (typeof label === "number" && label >= 0 && label <= labels.length - 1) return;
    throw new InputError(
      `Cannot use grade ${quoted(label)} of ${where} as its grades are numbers from 0 to ${
        labels.length - 1
      }`,
    );
  }
  if (typeof label === "number" && label >= 0 && label < choices && Number.isInteger(label)) return;
  if (typeof label === "string" && labels.includes(label)) {
    throw new InputError(
      `Cannot use label ${quoted(label)} of ${where} as a label is an index: write labels.indexOf(${
        quoted(label)
      })`,
    );
  }
  if (typeof label !== "number" && label !== undefined && label !== null) {
    throw new InputError(
      `Cannot use label ${quoted(label)} of ${where} as it must be a number: write Number(…) of it`,
    );
  }
  if (!("label" in example)) {
    throw new InputError(
      `Cannot use ${where} as it has no label: its fields are ${quoted(Object.keys(example).join(", "))}`,
    );
  }
  if (choices < labels.length) {
    throw new InputError(
      `Cannot use label ${quoted(label)} of ${where} as it has ${choices} choices: labels are 0 to ${
        choices - 1
      }`,
    );
  }
  const names = labels.map((text, i) => `${i} (${text})`);
  const all = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  throw new InputError(
    `Cannot use label ${quoted(label)} of ${where} as its labels are ${
      all.length > QUOTED_LABELS ? `0 to ${labels.length - 1}` : all
    }`,
  );
}

/** Characters of the labels' names that a message lists: of more it says their range alone. */
const QUOTED_LABELS = 100;
