import { fileURLToPath } from "node:url";
import { InputError, named, quoted } from "../errors.ts";
import { readWithin } from "../foreign.ts";
import { list, oneOf, or, type SchemaOf, settle, text, value } from "../settings.ts";
import { type Example, inputs, type Kind } from "../text/mod.ts";
import { csv, type Entry, entry, jsonLines, type Reader, tsv } from "./benchmarks/readers.ts";
import { groupsOf } from "./clusters.ts";
import { amountingTo, byHash } from "./hash.ts";
import { checkTask, isGraded, type Measure, measures, type Split, type Task, type TaskOf } from "./task.ts";

/** Rows of a task: the path of a `.tsv`, `.csv` or `.jsonl` file, an arquero table, or a list of objects. */
export type Rows = string | URL | { objects(): object[] } | readonly object[];

/** The options of {@linkcode readTask}: the columns and splits. */
export interface ReadTaskOptions {
  /** Kind of task. Default: inferred from the options or columns. */
  kind?: Kind;
  /** Column of the label; of multiple choice the right choice, or its index from 0. Default: `label`. */
  label?: string;
  /** Column of the text, for classification. Default: `text`. */
  text?: string;
  /** Column of the premise, for entailment. Default: `premise`. */
  premise?: string;
  /** Column of the hypothesis, for entailment. Default: `hypothesis`. */
  hypothesis?: string;
  /** Column of the first text, for similarity. Default: `first`. */
  first?: string;
  /** Column of the second text, for similarity. Default: `second`. */
  second?: string;
  /** Column of the context, for multiple choice. Default: `context`. */
  context?: string;
  /** Columns of the choices, for multiple choice, or one column of lists. Default: `choices`. */
  choices?: string | readonly string[];
  /** Validation rows. Default: a tenth of the rows. */
  validation?: Rows;
  /** Test rows. Default: a fifth of the rows. */
  test?: Rows;
  /** Names of the labels, in order. Default: those of the rows, sorted. */
  labels?: readonly string[];
  /** Metrics; with `pearson` or `spearman` the labels are grades from 0. Default: `accuracy`. */
  measures?: readonly Measure[];
  /** Name of the task. Default: that of the file, or `table`. */
  name?: string;
}

const rowsKind = value(
  "a path, an arquero table or a list of objects",
  (given): given is Rows =>
    text.accepts(given) || given instanceof URL || Array.isArray(given) ||
    typeof Object(given).objects === "function",
);
const column = (of: string, name: string) => ({
  ...text,
  about: `column of ${of}`,
  unit: "column",
  otherwise: name,
});

/** The settings of {@linkcode ReadTaskOptions}. */
export const readTaskSettings = {
  kind: {
    ...oneOf(Object.keys(inputs) as Kind[]),
    about: "kind of task",
    otherwise: "inferred from the columns",
  },
  label: column("the label", "label"),
  text: column("the text", "text"),
  premise: column("the premise", "premise"),
  hypothesis: column("the hypothesis", "hypothesis"),
  first: column("the first text", "first"),
  second: column("the second text", "second"),
  context: column("the context", "context"),
  choices: {
    ...or(text, list(text)),
    ...{ about: "columns of the choices, or one of lists", unit: "column,…", otherwise: "choices" },
  },
  validation: { ...rowsKind, about: "validation rows", otherwise: "a tenth of the rows" },
  test: { ...rowsKind, about: "test rows", otherwise: "a fifth of the rows" },
  labels: {
    ...list(text),
    about: "names of the labels, in their order",
    unit: "name",
    otherwise: "those of the rows",
  },
  measures: { ...list(oneOf(measures)), about: "metrics", unit: "metric", default: ["accuracy" as const] },
  name: { ...text, about: "name of the task", otherwise: "that of the file" },
} satisfies SchemaOf<ReadTaskOptions>;

const READERS: Readonly<Record<string, Reader>> = { tsv: tsv(), csv, jsonl: jsonLines, ndjson: jsonLines };

/** Maximum size of a file of rows, in bytes. */
const MAX_BYTES = 2 ** 28;
/** Maximum number of different labels: more suggest a wrong column. */
const MAX_LABELS = 1000;
/** Fraction of the rows for a split that is not given, as in the built-in tasks. */
const SHARE = { test: 0.2, validation: 0.1 } as const;

/** A file of rows by its path. */
export const rowsFile = {
  ...value(
    "a file that ends in .tsv, .csv or .jsonl",
    (given): given is string => typeof given === "string" && endingOf(given) in READERS,
  ),
  range: "a .tsv, .csv or .jsonl file",
};

const action = "read a task";

/**
 * Creates a custom task from a file or table: `readTask("mine.tsv", { text: "sentence", label: "label" })`. Labels are
 * texts or numbers. Validation and test splits that are not given are drawn from the rows, deterministically and with
 * rows that share a premise, a context or a text in the same split.
 *
 * @param rows A path that ends in `.tsv`, `.csv` (the first line names the columns) or `.jsonl`, an arquero table, or a
 * list of objects.
 * @param options Columns, splits and metrics.
 * @returns The validated task.
 * @throws {InputError} If an option is unknown, a file is missing or malformed, a column is missing, a row has no text or
 * no label, or there are too few rows to split.
 *
 * @example
 * ```ts
 * import { readTask } from "./mod.ts";
 *
 * const rows = ["fine", "good", "sad", "bad", "great", "dull"].map((word, i) => (
 *   { review: `a ${word} film`, verdict: i % 4 < 2 ? "praise" : "pan" }
 * ));
 * const { labels, train, test } = await readTask(rows, { text: "review", label: "verdict" });
 * console.log(labels, train.length, test.length); // [ "pan", "praise" ] 4 1
 * ```
 */
export function readTask<K extends Kind>(
  rows: Rows,
  options: ReadTaskOptions & { readonly kind: K },
): Promise<TaskOf<K>>;
/** Creates a custom task of the kind inferred from its columns. */
export function readTask(rows: Rows, options?: ReadTaskOptions): Promise<Task>;
export async function readTask(rows: Rows, options: ReadTaskOptions = {}): Promise<Task> {
  const given = settle(action, readTaskSettings, options);
  if (!rowsKind.accepts(rows)) {
    throw new InputError(
      `Cannot ${action} as its rows must be ${rowsKind.expected}: current value is ${quoted(rows)}`,
    );
  }
  if (given.labels?.length === 1) {
    throw new InputError(
      `Cannot ${action} with labels ${
        quoted(given.labels)
      } as a task has at least 2: option label names the column`,
    );
  }
  const { entries: all, name } = await read(rows, "train");
  if (all.length === 0) throw new InputError(`Cannot ${action} as ${name} has no rows`);
  const kind = given.kind ?? kindOf(given, all[0]!), fields = Object.keys(inputs[kind].fields);
  const foreign = FIELDS.find((field) =>
    given[field as keyof Given] !== undefined && !fields.includes(field)
  );
  if (foreign) {
    throw new InputError(
      `Cannot ${action} of kind ${kind} with option ${foreign} as its columns are ${
        fields.join(" and ")
      }: leave it ` +
        "out, or choose another kind",
    );
  }
  const hasGrades = isGraded(given);
  const found = {
    train: all.map((row) => rawOf(row, kind, given)),
    validation: await splitOf(given.validation, "validation"),
    test: await splitOf(given.test, "test"),
  };
  const splits = splitRows(found, name, kind);
  const labels = given.labels ?? (kind === "choice" ? positionsOf(splits) : labelsOf(splits, hasGrades));
  const examples = (split: Split) => splits[split].map((raw) => exampleOf(raw, labels, hasGrades));
  return checkTask({
    ...{ name: given.name ?? name, kind, labels: [...labels], measures: given.measures },
    ...{ train: examples("train"), validation: examples("validation"), test: examples("test") },
    ...{ source: name, licence: "not stated", about: `${all.length} rows of ${name}` },
  } as Task);

  async function splitOf(rows: Rows | undefined, split: Split): Promise<Raw[] | undefined> {
    return rows === undefined
      ? rows
      : (await read(rows, split)).entries.map((row) => rawOf(row, kind, given));
  }
}

/** A row whose label is not yet an index. */
interface Raw {
  readonly fields: Readonly<Record<string, string | readonly string[]>>;
  readonly label: string;
  readonly row: Entry;
}

/** The ending of a file's name. */
function endingOf(path: string): string {
  return /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
}

/** Rows, and the name of their source: the file name without folder and extension. */
async function read(rows: Rows, split: Split): Promise<{ entries: Entry[]; name: string }> {
  if (typeof rows === "string" || rows instanceof URL) {
    const path = rows instanceof URL ? fileURLToPath(rows) : rows, file = path.split(/[/\\]/).at(-1)!;
    const stem = file.replace(/\.\w+$/, ""), reader = READERS[endingOf(file)];
    if (!reader) {
      throw new InputError(
        `Cannot ${action} from ${named(path)} as its name must end in .${Object.keys(READERS).join(", .")}`,
      );
    }
    const bytes = await readWithin(path, "rows", MAX_BYTES);
    return {
      entries: [...reader(bytes, file)],
      name: stem.replace(/[^\p{L}\p{N}\p{M} ._+-]/gu, "-").replace(/^[^\p{L}\p{N}]+/u, "") || "task",
    };
  }
  const objects = Array.isArray(rows) ? rows : (rows as { objects(): object[] }).objects();
  return { entries: objects.map((row, i) => entry(row, `the ${split} rows`, `row ${i}`)), name: "table" };
}

/** The fields of all kinds, which options name the columns of. */
const FIELDS = Object.values(inputs).flatMap(({ fields }) => Object.keys(fields));

type Given = ReturnType<typeof settle<typeof readTaskSettings>>;

/** The kind whose fields are named by the options, or else by the columns. */
function kindOf(given: Given, row: Entry): Kind {
  const kinds = Object.keys(inputs) as Kind[];
  const byOptions = kinds.find((kind) => Object.keys(inputs[kind].fields).some((field) => field in given));
  if (byOptions) return byOptions;
  const byColumns = kinds.find((kind) =>
    Object.keys(inputs[kind].fields).every((field) => faultOf(row, field) === undefined)
  );
  if (byColumns) return byColumns;
  const why = faultOf(row, "text")!; // With the columns that there are.
  const options = kinds.map((kind) => `${Object.keys(inputs[kind].fields).join(" and ")} (${kind})`);
  throw new InputError(`${why}; options can name the columns: ${options.join(", ")}`);
}

/** Why a column of a row cannot be read, if it cannot. */
function faultOf(row: Entry, column: string): string | undefined {
  try {
    row.get(column);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function rawOf(row: Entry, kind: Kind, given: Given): Raw {
  const fields = Object.entries(inputs[kind].fields).map(([field, type]) => {
    const columns: string | readonly string[] = given[field as keyof Given] as string | undefined ?? field;
    const text = (column: string) => {
      const found = row.get(column);
      if (typeof found === "string" && found !== "") return found;
      return row.refuse(
        `column ${column} must hold a text that is not empty: current value is ${quoted(found)}`,
      );
    };
    if (type === "text") return [field, text(String(columns))];
    const names = typeof columns === "string" ? [columns] : columns;
    if (names.length > 1) return [field, names.map(text)];
    const found = row.get(names[0]!);
    return [
      field,
      Array.isArray(found)
        ? found
        : row.refuse(`column ${names[0]} must hold a list, or choices must name several columns`),
    ];
  });
  const column = given.label ?? "label", label = row.get(column);
  if (typeof label !== "string" || label === "") {
    row.refuse(`column ${column} must hold a label: current value is ${quoted(label)}`);
  }
  return { fields: Object.fromEntries(fields), label: label as string, row };
}

/** All three splits: missing ones are drawn from the rows, with those that share a text in the same split. */
function splitRows(
  found: { train: Raw[]; validation: Raw[] | undefined; test: Raw[] | undefined },
  name: string,
  kind: Kind,
): Record<Split, Raw[]> {
  const rows = found.train, missing = (["test", "validation"] as const).filter((split) => !found[split]);
  const numbers = groupsOf(rows.map(({ fields }) => ({ ...fields, label: 0 }) as unknown as Example), kind);
  const groups = [...Map.groupBy(rows.keys(), (i) => numbers[i]!).values()];
  if (groups.length <= missing.length) {
    const what = groups.length < rows.length ? "groups of rows that share a text" : "rows";
    throw new InputError(
      `Cannot split ${groups.length} ${what} of ${name} as ${
        ["train", ...missing].join(" and ")
      } each need one: ` +
        `add rows, or give ${missing.join(" and ")}`,
    );
  }
  let left = byHash(groups, ([first]) => JSON.stringify(rows[first!]!.fields));
  const of = (groups: number[][]) => groups.flat().sort((a, b) => a - b).map((i) => rows[i]!);
  const drawn = Object.fromEntries(missing.map((split, i) => {
    const goal = Math.max(1, Math.round(SHARE[split] * rows.length)), needed = missing.length - i;
    const taken = new Set(amountingTo(left, (group) => group.length, goal).slice(0, left.length - needed));
    left = left.filter((group) => !taken.has(group));
    return [split, of([...taken])];
  }));
  const { validation = drawn["validation"]!, test = drawn["test"]! } = found;
  return { train: of(left), validation, test };
}

/** The labels of all rows: numbers in numerical order, others in alphabetical order; grades from 0 to the largest. */
function labelsOf(splits: Record<Split, Raw[]>, hasGrades: boolean): string[] {
  const rows = Object.values(splits).flat();
  const found = [...new Set(rows.map(({ label }) => label))];
  if (hasGrades) {
    const wrong = rows.find(({ label }) => !(Number(label) >= 0 && Number(label) <= MAX_LABELS));
    wrong?.row.refuse(
      `a grade must be a number from 0 to ${MAX_LABELS}: current label is ${quoted(wrong.label)}`,
    );
    return Array.from(
      { length: Math.max(1, Math.ceil(Math.max(...found.map(Number)))) + 1 },
      (_, i) => String(i),
    );
  }
  if (found.length > MAX_LABELS || (rows.length >= 20 && found.length > rows.length / 2)) {
    throw new InputError(
      `Cannot ${action} as its ${rows.length} rows have ${found.length} different labels, such as ` +
        `${quoted(found[0])}: name the label's column, as in { label: "class" }`,
    );
  }
  const areNumbers = found.every((label) => Number.isFinite(Number(label)));
  const sameAs = (label: string) =>
    areNumbers ? String(Number(label)) : label.toLowerCase().replace(/\s+/g, " ");
  for (const alike of Map.groupBy(found, sameAs).values()) {
    const missing = alike.find((label) => /^(nan|n\/?a|null|undefined)$/i.test(label));
    const why = missing
      ? `it seems to be missing: current label is ${quoted(missing)}`
      : `labels must differ in more than case or notation: two are ${
        alike.map((label) => quoted(label)).sort().join(" and ")
      }`;
    if (!missing && alike.length === 1) continue;
    rows.find(({ label }) => label === alike.at(-1))!.row.refuse(
      `${why}; option labels lists those that are meant`,
    );
  }
  return found.sort((a, b) => areNumbers ? Number(a) - Number(b) : a < b ? -1 : 1);
}

/** The labels of multiple choice: positions from 0. */
function positionsOf(splits: Record<Split, Raw[]>): string[] {
  const most = Object.values(splits).flat().reduce(
    (most, { fields }) => Math.max(most, fields["choices"]!.length),
    0,
  );
  return Array.from({ length: most }, (_, i) => String(i));
}

function exampleOf({ fields, label, row }: Raw, labels: readonly string[], hasGrades: boolean): Example {
  const choices = fields["choices"];
  const byText = choices?.indexOf(label) ?? -1, byName = hasGrades ? Number(label) : labels.indexOf(label);
  if (byText >= 0 && byName >= 0 && byText !== byName) {
    row.refuse(
      `its label must name one choice: current label ${
        quoted(label)
      } is the text of one choice and the index of another`,
    );
  }
  const index = Math.max(byText, byName);
  if (index < 0 || (choices && index >= choices.length)) {
    const expected = choices
      ? `the text of a choice or one of ${labels.slice(0, choices.length)}`
      : `one of ${labels}`;
    row.refuse(`its label must be ${expected}: current label is ${quoted(label)}`);
  }
  return { ...fields, label: index } as unknown as Example;
}
