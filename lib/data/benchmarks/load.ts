import { InputError, quoted } from "../../errors.ts";
import { fileError, readWhole } from "../../files.ts";
import { type Example, inputs } from "../../text/mod.ts";
import { type SchemaOf, settle, text } from "../../settings.ts";
import { byHash } from "../hash.ts";
import { wordsSetting } from "../imdb.ts";
import { checkTask, type Split, type Task } from "../task.ts";
import { type Entry, tsv } from "./readers.ts";
import type { Benchmark, Layout } from "./table.ts";

/** Settings of {@linkcode loadBenchmark}. */
export interface BenchmarkOptions {
  /** Where the files are, instead of `data/cache/<name>`. */
  readonly folder?: string;
  /** How many words of a passage's end are kept. */
  readonly words?: number;
}

/** The settings of {@linkcode BenchmarkOptions}, and of every task that has any. */
export const benchmarkSettings = {
  folder: { ...text, about: "where a benchmark's files are", unit: "folder", otherwise: "data/cache/<name>" },
  words: { ...wordsSetting, otherwise: "90 of a review, 180 of a passage" },
} satisfies SchemaOf<BenchmarkOptions>;

/** An example as a file has it. */
export interface Row {
  /** The example, its label an index or a grade. */
  readonly example: Example;
  /** In which split it is, where the file says it. */
  readonly split?: Split;
  /** What a list of the validation split calls it. */
  readonly id?: string;
}

/**
 * Reads the examples of one file. What has no agreed label or an empty text counts as left out: genuine files
 * have such lines.
 *
 * @param benchmark A row of the table
 * @param layout One of its layouts
 * @param bytes The file
 * @param file Its name, for errors
 * @param words How many words of a context's first part are kept, its last ones
 * @returns The rows, and how many were left out
 * @throws {InputError} If the file is not what the layout says; it names the line
 *
 * @example
 * ```ts
 * import { parse } from "./load.ts";
 * import { benchmarks } from "./table.ts";
 *
 * const sst2 = benchmarks.find(({ name }) => name === "sst2")!;
 * const bytes = new TextEncoder().encode("sentence\tlabel\na splendid little film\t1\n");
 * const { rows } = parse(sst2, sst2.layouts[0]!, bytes, "train.tsv");
 * console.log(rows[0]?.example); // { text: "a splendid little film", label: 1 }
 * ```
 */
export function parse(
  benchmark: Benchmark,
  layout: Layout,
  bytes: Uint8Array,
  file: string,
  words: number = Infinity,
): { rows: Row[]; left: number } {
  const rows: Row[] = [];
  let left = 0;
  for (const entry of layout.read(bytes, file)) {
    const label = labelOf(entry, benchmark, layout);
    const example = label === undefined ? undefined : exampleOf(entry, label, benchmark, layout, words);
    if (example === undefined) {
      left++;
      continue;
    }
    const { split, held } = layout;
    rows.push({
      example,
      ...split && { split: splitOf(entry, split) },
      ...held && { id: held.parts.map((part) => entry.get(part)).join(" ") },
    });
  }
  return { rows, left };
}

/** The index of a label, or a grade; nothing where it is to be left out. */
function labelOf(entry: Entry, { labels }: Benchmark, { label, values, drop }: Layout): number | undefined {
  const value = entry.get(label);
  if (value === drop) return undefined;
  if (typeof values === "number") {
    const most = values + labels.length - 1;
    const grade = typeof value === "string" && /^\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
    if (grade >= values && grade <= most) return +(grade - values).toFixed(6); // 4.9 - 1
    return entry.refuse(
      `its ${label} must be a number from ${values} to ${most}: current one is ${quoted(value)}`,
    );
  }
  const index = values.findIndex((known) => known === value);
  if (index !== -1) return index;
  return entry.refuse(`its ${label} must be one of ${values.join(", ")}: current one is ${quoted(value)}`);
}

/** The example of an entry; nothing where a text is empty. */
function exampleOf(
  entry: Entry,
  label: number,
  { kind, labels }: Benchmark,
  { fields }: Layout,
  words: number,
): Example | undefined {
  const text = (part: string) => {
    const value = entry.get(part);
    return typeof value === "string" ? value : entry.refuse(`its ${part} must be one text`);
  };
  const list = (part: string) => {
    const value = entry.get(part);
    return typeof value === "string" ? entry.refuse(`its ${part} must be a list of texts`) : value;
  };
  const example: Record<string, unknown> = {};
  for (const [field, type] of Object.entries(inputs[kind].fields)) {
    const parts = fields[field] ?? [];
    if (type === "texts") {
      const texts = typeof parts === "string" ? list(parts) : parts.map(text);
      if (texts.length !== labels.length) {
        entry.refuse(`it must have ${labels.length} ${field}: current number is ${texts.length}`);
      }
      if (texts.includes("")) return undefined;
      example[field] = texts;
    } else {
      const texts = [parts].flat().map(text);
      if (texts.includes("")) return undefined;
      const [first = "", ...rest] = texts;
      example[field] = rest.length > 0 && words < Infinity
        ? [...first.split(/\s+/).slice(-words), ...rest].join(" ")
        : texts.join(" ");
    }
  }
  // The table names every field of the kind.
  return { ...example, label } as unknown as Example;
}

function splitOf(entry: Entry, { part, of }: NonNullable<Layout["split"]>): Split {
  const value = String(entry.get(part));
  return of(value) ?? entry.refuse(`its ${part} must tell the split: current one is ${quoted(value)}`);
}

/**
 * Loads a benchmark from its official files.
 *
 * @param benchmark A row of the table
 * @param options Where the files are
 * @returns The task, the examples of each split in the order of the files
 * @throws {InputError} If a file is missing or not what it should be
 *
 * @example
 * ```ts
 * import { loadBenchmark } from "./load.ts";
 * import { benchmarks } from "./table.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/train.tsv`, "sentence\tlabel\na fine film\t1\nvery dull\t0\n");
 * await Deno.writeTextFile(`${folder}/dev.tsv`, "sentence\tlabel\nsplendid\t1\n");
 * const { test } = await loadBenchmark(benchmarks.find(({ name }) => name === "sst2")!, { folder });
 * console.log(test); // [{ text: "splendid", label: 1 }]
 * ```
 */
export async function loadBenchmark(benchmark: Benchmark, options: BenchmarkOptions = {}): Promise<Task> {
  const { name, archive = name, about, licence, citation, kind, labels, measures, zeroShot } = benchmark;
  const action = `load task ${name}`;
  const { folder = `data/cache/${archive}`, words = benchmark.words } = settle(
    action,
    benchmarkSettings,
    options,
  );
  const layout = await firstLayout(benchmark, folder);
  const splits: Record<Split, Row[]> = { train: [], validation: [], test: [] };
  const names: string[] = [];
  let left = 0;
  for (const split of ["train", "validation", "test"] as const) {
    for (const wanted of layout.files[split] ?? []) {
      names.push(wanted);
      for (const file of await files(benchmark, folder, wanted)) {
        const bytes = await readWhole(`${folder}/${file}`, `a file of task "${name}"`);
        const parsed = parse(benchmark, layout, bytes, file, words);
        left += parsed.left;
        for (const row of parsed.rows) splits[row.split ?? split].push(row);
      }
    }
  }
  if (layout.held) {
    const [file = ""] = await files(benchmark, folder, layout.held.file);
    const ids = listed(await readWhole(`${folder}/${file}`, `a file of task "${name}"`), file, splits.train);
    moveTo(splits, ({ id = "" }) => ids.has(id));
  } else if (layout.oneIn !== undefined) {
    const held = drawn(splits.train, layout.oneIn);
    moveTo(splits, (row) => held.has(row));
  }
  const examples = (split: Split) => splits[split].map(({ example }) => example);
  const out = left > 0
    ? ` Left out: ${left} without an agreed label, with an empty text or on a torn line.`
    : "";
  return checkTask({
    name,
    kind,
    labels,
    train: examples("train"),
    validation: examples("validation"),
    test: examples("test"),
    measures,
    ...zeroShot && { zeroShot },
    source: `${names.join(", ")} (${citation})`,
    licence,
    about: `${about} ${layout.splits}${out}`,
  } as Task); // the kind of the row is the kind of its examples
}

/** Moves rows of the training split to the validation split. */
function moveTo(splits: Record<Split, Row[]>, held: (row: Row) => boolean): void {
  const { train = [], validation = [] } = Object.groupBy(
    splits.train,
    (row) => held(row) ? "validation" : "train",
  );
  splits.train = train;
  splits.validation = validation;
}

/** The ids in a list of the validation split, each of which must be one of the training file's. */
function listed(bytes: Uint8Array, file: string, train: readonly Row[]): Set<string> {
  const known = new Set(train.map(({ id }) => id));
  const ids = new Set<string>();
  for (const entry of tsv(["first", "second"])(bytes, file)) {
    const id = `${entry.get("first")} ${entry.get("second")}`;
    if (!known.has(id)) {
      entry.refuse(`its ids must be those of a training example: current ones are ${quoted(id)}`);
    }
    ids.add(id);
  }
  return ids;
}

/** One in so many rows, drawn by a hash of the first text: examples that share it stay together. */
function drawn(train: readonly Row[], oneIn: number): Set<Row> {
  const firstText = ({ example }: Row) => String(Object.values(example)[0]);
  const groups = [...Map.groupBy(train, firstText)];
  const wanted = Math.max(1, Math.floor(train.length / oneIn));
  const held = new Set<Row>();
  for (const [, group] of byHash(groups, ([text]) => text)) {
    if (held.size >= wanted) break;
    for (const row of group) held.add(row);
  }
  return held;
}

/** The first layout of which the folder has a file. */
async function firstLayout(benchmark: Benchmark, folder: string): Promise<Layout> {
  for (const layout of benchmark.layouts) {
    if (await find(folder, layout.files.train?.[0] ?? "") !== undefined) return layout;
  }
  return missing(benchmark, folder, benchmark.layouts[0]?.files.train?.[0] ?? "");
}

/** The files that a name of a layout stands for, seen from the folder. */
async function files(benchmark: Benchmark, folder: string, wanted: string): Promise<string[]> {
  const found = await find(folder, wanted) ?? missing(benchmark, folder, wanted);
  if (!wanted.endsWith("/")) return [found];
  const names: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(`${folder}/${found}`)) {
      if (isFile && name.endsWith(".txt") && !name.startsWith(".")) names.push(name);
    }
  } catch (error) {
    throw fileError(`read the files of task "${benchmark.name}" in`, `${folder}/${found}`, error);
  }
  return names.sort().map((name) => found + name);
}

/** A file with the folders of its archive, or without the outer ones. */
async function find(folder: string, wanted: string): Promise<string | undefined> {
  const parts = wanted.split("/");
  // RACE has a folder "high" in each split.
  const least = wanted.endsWith("/") ? 3 : 1;
  for (let from = 0; parts.length - from >= least; from++) {
    const path = parts.slice(from).join("/");
    // What cannot be looked at is read, and refused with its reason then.
    const there = await Deno.stat(`${folder}/${path}`)
      .then(() => true, (error) => !(error instanceof Deno.errors.NotFound));
    if (there) return path;
  }
  return undefined;
}

function missing({ name, archive = name, form }: Benchmark, folder: string, file: string): never {
  const help = form === undefined
    ? `deno task data ${archive} puts it there`
    : `ask for it with the form at ${form}, and deno task data ${archive} --from FOLDER puts it there`;
  throw new InputError(`Cannot load task "${name}" as folder ${folder} has no ${file}: ${help}`);
}
