import { distance } from "npm:fastest-levenshtein@1.0.16";
import { InputError, isThenable, quoted } from "../errors.ts";
import { isRecord } from "../foreign.ts";
import { type Example, inputs, type Kind } from "../text/mod.ts";
import { limit, type SchemaOf, seed as seeds, settle, whole } from "../settings.ts";
import { byHash } from "./hash.ts";

/**
 * Metrics: accuracy, F1 of label 1, Matthews correlation; for grades, Pearson and Spearman correlation. The best value
 * is 1.
 */
export const measures: readonly Measure[] = ["accuracy", "f1", "matthews", "pearson", "spearman"];

/** A metric: `accuracy`, `f1` of the second label, Matthews' correlation, or of grades Pearson's or Spearman's. */
export type Measure = "accuracy" | "f1" | "matthews" | "pearson" | "spearman";

/**
 * How a task is evaluated zero-shot, without fine-tuning (section 5 of the paper, "Zero-shot Behaviors"):
 *
 * - `acceptability`: label 1 if the mean log-probability of the text's tokens is above a threshold;
 * - `word`: the label whose word is the most likely next token after the text and the prompt;
 * - `choice`: the choice with the highest mean log-probability after the context;
 * - `ending`: the choice whose beginning gives the highest mean log-probability to the ending that all choices share.
 */
export type ZeroShot =
  | { readonly by: "acceptability" | "choice" | "ending" }
  | { readonly by: "word"; readonly prompt: string; readonly words: readonly string[] };

/** The splits of a task: training, validation and test. */
export type Split = "train" | "validation" | "test";

/** A task of one kind, as a plain object. */
export interface TaskOf<K extends Kind> {
  /** Short name for tables and file names: letters, digits, spaces and `._+-`. */
  readonly name: string;
  /** Kind: one of the four input transformations of section 3.3. */
  readonly kind: K;
  /**
   * Unique names of the labels. For multiple choice, names of the positions: an example has at least two choices and at
   * most as many as there are labels. For metrics `pearson` and `spearman`, grades 0, 1, …, and the label of an example
   * need not be an integer.
   */
  readonly labels: readonly string[];
  /** Training examples. */
  readonly train: readonly Example<K>[];
  /** Validation examples. */
  readonly validation: readonly Example<K>[];
  /** Test examples. */
  readonly test: readonly Example<K>[];
  /**
   * Metrics, the primary one first: `accuracy`, and for two labels `f1` and `matthews`; or for grades `pearson` and
   * `spearman`.
   */
  readonly measures: readonly Measure[];
  /** Zero-shot evaluation, if possible. Default: `choice` for multiple choice, none for other kinds. */
  readonly zeroShot?: ZeroShot;
  /** Source of the examples. */
  readonly source: string;
  /** Licence of the examples. */
  readonly licence: string;
  /** How the examples were prepared, in a sentence. */
  readonly about: string;
}

/** A task of any kind, discriminated by its field `kind`. */
export type Task = { [K in Kind]: TaskOf<K> }[Kind];

/** An entry of `listTasks`. */
export interface TaskEntry {
  /** Name to pass to `task`. */
  readonly name: string;
  /** Kind of task. */
  readonly kind: Kind;
  /** The question that it asks. */
  readonly about: string;
  /** Licence of the examples. */
  readonly licence: string;
  /** Citation. */
  readonly citation?: string;
  /** Size of the download at first use, or by `deno task data`, in megabytes. */
  readonly megabytes: number;
  /** Name of the data set for `deno task data`, if the task needs official files. */
  readonly archive?: string;
  /** URL of the form for files that are available on request only. */
  readonly form?: string;
}

/** Whether a task's labels are grades: whether its metrics are correlations. */
export function isGraded({ measures }: Pick<Task, "measures">): boolean {
  return measures.some(isCorrelation);
}

function isCorrelation(measure: Measure): boolean {
  return measure === "pearson" || measure === "spearman";
}

/** The number of examples that {@linkcode subset} keeps of each split. */
export interface SubsetOptions {
  /** Training examples. Default: all. */
  readonly train?: number;
  /** Validation examples. Default: all. */
  readonly validation?: number;
  /** Test examples. Default: all. */
  readonly test?: number;
  /**
   * Seed of the random selection.
   *
   * @default 0
   */
  readonly seed?: number;
}

const examples = whole({ from: 1, to: 1e9 });

/** The settings of {@linkcode SubsetOptions}. */
export const subsetSettings = {
  train: { ...examples, about: "training examples", otherwise: "all" },
  validation: { ...examples, about: "validation examples", otherwise: "all" },
  test: { ...examples, about: "test examples", otherwise: "all" },
  seed: { ...seeds, about: "seed of the random selection", default: 0 },
} satisfies SchemaOf<SubsetOptions>;

/** A setting: maximum number of a task's training or test examples. */
export const limitSetting = {
  ...limit,
  about: "maximum number of examples",
  unit: "examples",
  default: Infinity,
};

/**
 * A stratified random subset of a task: label frequencies are as in the full task. It is deterministic, and a smaller
 * subset is a prefix of a larger one, so that a learning curve over sizes only adds examples.
 *
 * @param task The task; not modified
 * @param options Numbers of examples, and the seed
 * @returns A new task of the same name
 * @throws {InputError} If the task is invalid, an option is unknown, a size is not a whole number from 1 to the size of
 * the split, or the seed is not one from 0 to 2³² − 1
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
 * A canonical copy of a task: only known fields, in a fixed order, so that unknown columns and the order of fields affect
 * neither sampling nor the keys of results.
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
  return { ...Object.fromEntries(fields), label: row["label"] === 0 ? 0 : row["label"] }; // Normalises −0, which JSON cannot represent.
}

/** A {@linkcode subset} with at most so many examples per split; `Infinity` keeps all. */
export function atMost<T extends Task>(
  task: T,
  { train = Infinity, validation = Infinity, test = Infinity }: SubsetOptions,
): T {
  return subset(task, {
    train: Math.min(train, task.train.length),
    ...validation < task.validation.length && { validation }, // All of it stays in its order.
    test: Math.min(test, task.test.length),
  });
}

/**
 * A shuffled order in which every prefix is stratified: the r-th of n examples with a label is at position (r + ½)/n.
 * Grades are rounded.
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

/** Known fields; others are ignored, unless they are a misspelt known one. */
const FIELDS = [
  ...["name", "kind", "labels", "measures", "train", "validation", "test"],
  ...["zeroShot", "source", "licence", "about"],
];

/** The known field that differs from a name by one letter or by capitals. */
function nearField(name: string): string | undefined {
  return FIELDS.find((field) => distance(name.slice(0, 20).toLowerCase(), field.toLowerCase()) <= 1);
}

/** Maximum length of a task's name, in characters. */
const MAX_NAME = 80;
/** A name that is valid in file names on any system. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}\p{M} ._+-]*$/u;

/**
 * Validates a custom task, so that errors are reported by split, row and field before training starts. Unknown fields are
 * ignored.
 *
 * @param task The task
 * @returns The same task
 * @throws {InputError} If it is not a task; its name, kind, labels or measures are missing or inconsistent; a split is
 * missing, empty or not a list; an example has a missing text or an invalid label; or its `zeroShot` is invalid
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

/** Throws if a value is not a task, or has no name for messages. */
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
  if (typeof name !== "string" || !NAME.test(name) || Array.from(name).length > MAX_NAME) {
    throw new InputError(
      `Cannot use a task as its name must be at most ${MAX_NAME} letters, digits, spaces and ._+-, a letter or ` +
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
  const indices = new Map<string, number>();
  for (const [i, label] of labels.entries()) {
    if (!isText(label)) {
      throw new InputError(
        `Cannot use task "${name}" as label ${i} must have a name that is not empty: current one is ${
          quoted(label)
        }`,
      );
    }
    const before = indices.get(label.trim());
    if (before !== undefined) {
      throw new InputError(
        `Cannot use task "${name}" as the names of its labels must differ: labels ${before} and ${i} are both ` +
          quoted(label),
      );
    }
    indices.set(label.trim(), i);
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
  const [graded, whole] = [named.find(isCorrelation), named.find((measure) => !isCorrelation(measure))];
  if (graded && whole) {
    throw new InputError(
      `Cannot score task "${name}" by both ${graded} and ${whole} as ${graded} is for grades and ${whole} for labels: ` +
        "either works",
    );
  }
  if (graded && kind === "choice") {
    throw new InputError(
      `Cannot score task "${name}" by ${graded} as labels of kind choice are positions, not grades: accuracy works`,
    );
  }
  const two = named.find((measure) => measure === "f1" || measure === "matthews");
  if (two && labels.length !== 2) {
    throw new InputError(
      `Cannot score task "${name}" by ${two} as it needs exactly 2 labels: current number is ${labels.length}, ` +
        "for which accuracy works",
    );
  }
}

/** Whether it is valid for the kind is checked by `heuristicOf`, where it is used. */
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
      fail("acceptability needs exactly 2 labels", labels);
    }
    return;
  }
  const { prompt, words } = how as { readonly prompt?: unknown; readonly words?: unknown };
  if (typeof prompt !== "string") fail("its prompt must be a text", prompt);
  const distinct = Array.isArray(words) && words.every(isText)
    ? new Set(words.map((word) => word.trim().toLowerCase())) // The tokenizer ignores case and surrounding spaces.
    : undefined;
  if (distinct?.size !== labels.length || (words as unknown[]).length !== labels.length) {
    fail(`its words must be ${labels.length} different texts that are not empty, one for each label`, words);
  }
}

/** The examples of a split, which are not validated yet. */
function examplesOf({ name, ...task }: Task, split: Split): readonly unknown[] {
  const examples: unknown = task[split];
  if (Array.isArray(examples) && examples.length > 0) return examples;
  const fail = (what: string): never => {
    throw new InputError(`Cannot use task "${name}" as its ${split} split ${what}`);
  };
  if (isThenable(examples)) fail("is not awaited: write await before it");
  if (isTable(examples)) fail(`is a table, not a list: write ${split}: table.objects()`);
  if (examples !== undefined && !Array.isArray(examples)) {
    fail(`must be a list of examples: current value is ${quoted(examples)}`);
  }
  const state = examples === undefined ? "missing" : "empty";
  const help = split === "train"
    ? "add at least 1 example"
    : `cut one from train, as in ${split}: rows.slice(0, 500), train: rows.slice(500)`;
  return fail(`is ${state}: ${help}`);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

/** Whether it is an arquero table. */
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
      all.length > MAX_LABEL_LIST ? `0 to ${labels.length - 1}` : all
    }`,
  );
}

/** Maximum length of the list of labels in a message, in characters; otherwise it gives their range. */
const MAX_LABEL_LIST = 100;
