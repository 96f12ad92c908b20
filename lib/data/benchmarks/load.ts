import { InputError, quoted } from "../../errors.ts";
import { fileError, readFile } from "../../files.ts";
import { type Example, inputs } from "../../text/mod.ts";
import { type SchemaOf, settle, text } from "../../settings.ts";
import { byHash } from "../hash.ts";
import { wordsSetting } from "../imdb.ts";
import { checkTask, type Split, type Task } from "../task.ts";
import { type Entry, tsv } from "./readers.ts";
import type { Benchmark, Layout } from "./table.ts";

/** Options of {@linkcode loadBenchmark}. */
export interface BenchmarkOptions {
  /** Folder of the files. Default: `data/cache/<name>`. */
  readonly folder?: string;
  /** Number of words kept from the end of a passage. Default: that of the benchmark. */
  readonly words?: number;
}

/** The settings of {@linkcode BenchmarkOptions}, and of all tasks with options. */
export const benchmarkSettings = {
  folder: { ...text, about: "folder of a benchmark's files", unit: "folder", otherwise: "data/cache/<name>" },
  words: { ...wordsSetting, otherwise: "90 of a review, 180 of a passage" },
} satisfies SchemaOf<BenchmarkOptions>;

/** An example from a file. */
export interface Row {
  /** The example; its label is an index or a grade. */
  readonly example: Example;
  /** Its split, if it is not that of the file. */
  readonly split?: Split;
  /** Its id in a list of the validation split. */
  readonly id?: string;
}

/**
 * Parses the examples of one file. Examples without an agreed label or with an empty text, which occur in official files,
 * are skipped and counted.
 *
 * @param benchmark A row of the table
 * @param layout One of its layouts
 * @param bytes Content of the file
 * @param file Name of the file, for messages
 * @param words Number of words kept from the end of the first part of a context. Default: all.
 * @returns The rows, and the number of skipped examples
 * @throws {InputError} If the file does not match the layout; the message names the line
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
): { rows: Row[]; skipped: number } {
  const rows: Row[] = [];
  let skipped = 0;
  for (const entry of layout.read(bytes, file)) {
    const label = labelOf(entry, benchmark, layout);
    const example = label === undefined ? undefined : exampleOf(entry, label, benchmark, layout, words);
    if (example === undefined) {
      skipped++;
      continue;
    }
    const { validationList } = layout;
    const split = layout.split ? splitOf(entry, layout.split) : "own";
    rows.push({
      example,
      ...split !== "own" && { split },
      ...validationList && { id: validationList.parts.map((part) => entry.get(part)).join(" ") },
    });
  }
  return { rows, skipped };
}

/** The index of a label, or a grade; undefined if the example is skipped. */
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

/** The example of an entry; undefined if a text is empty. */
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

function splitOf(entry: Entry, { part, of }: NonNullable<Layout["split"]>): Split | "own" {
  const value = String(entry.get(part));
  return of(value) ?? entry.refuse(`its ${part} must name a split: current one is ${quoted(value)}`);
}

/**
 * Loads a benchmark from its official files.
 *
 * @param benchmark A row of the table
 * @param options Folder of the files
 * @returns The task, with the examples of each split in the order of the files
 * @throws {InputError} If a file is missing or malformed
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
  let skipped = 0;
  for (const split of ["train", "validation", "test"] as const) {
    for (const entry of layout.files[split] ?? []) {
      names.push(entry);
      for (const file of await files(benchmark, folder, entry)) {
        const bytes = await readFile(`${folder}/${file}`, `a file of task "${name}"`);
        const parsed = parse(benchmark, layout, bytes, file, words);
        skipped += parsed.skipped;
        for (const row of parsed.rows) splits[row.split ?? split].push(row);
      }
    }
  }
  if (layout.validationList) {
    const [file = ""] = await files(benchmark, folder, layout.validationList.file);
    const ids = readIds(await readFile(`${folder}/${file}`, `a file of task "${name}"`), file, splits.train);
    moveTo(splits, ({ id = "" }) => ids.has(id));
  } else if (layout.phrases && layout.oneIn !== undefined) {
    holdSentences(splits, layout.oneIn);
  } else if (layout.oneIn !== undefined) {
    const held = sample(splits.train, layout.oneIn);
    moveTo(splits, (row) => held.has(row));
  }
  if (layout.files.validation === undefined) moveTwins(splits);
  const examples = (split: Split) => splits[split].map(({ example }) => example);
  const skippedNote = skipped > 0
    ? ` Skipped: ${skipped} without an agreed label, with an empty text or on a broken line.`
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
    about: `${about} ${layout.splits}${skippedNote}`,
  } as Task); // The kind of the row is the kind of its examples.
}

/** Moves rows of the training split to the validation split. */
function moveTo(splits: Record<Split, Row[]>, isValidation: (row: Row) => boolean): void {
  const { train = [], validation = [] } = Object.groupBy(
    splits.train,
    (row) => isValidation(row) ? "validation" : "train",
  );
  splits.train = train;
  splits.validation = validation;
}

/** Moves training examples that share a context or a set of choices with a validation example, such as mirrored ones. */
function moveTwins(splits: Record<Split, Row[]>): void {
  const keysOf = ({ example }: Row) =>
    "choices" in example ? [example.context, example.choices.toSorted().join("\n")] : [];
  const held = new Set<string>();
  for (let added = splits.validation; added.length > 0;) {
    for (const key of added.flatMap(keysOf)) held.add(key);
    const { train = [], validation = [] } = Object.groupBy(
      splits.train,
      (row) => keysOf(row).some((key) => held.has(key)) ? "validation" : "train",
    );
    splits.train = train;
    splits.validation = [...splits.validation, ...validation];
    added = validation;
  }
}

/** The ids in a list of the validation split, which must be in the training file. */
function readIds(bytes: Uint8Array, file: string, train: readonly Row[]): Set<string> {
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

const firstText = ({ example }: Row) => String(Object.values(example)[0]);

/** Samples one in so many rows by a hash of the first text: examples with the same first text stay together. */
function sample(train: readonly Row[], oneIn: number): Set<Row> {
  const groups = [...Map.groupBy(train, firstText)];
  const target = Math.max(1, Math.floor(train.length / oneIn));
  const held = new Set<Row>();
  for (const [, group] of byHash(groups, ([text]) => text)) {
    if (held.size >= target) break;
    for (const row of group) held.add(row);
  }
  return held;
}

/** Moves one in so many sentences to the validation split, and drops phrases that are in no other sentence. */
function holdSentences(splits: Record<Split, Row[]>, oneIn: number): void {
  const sentences = phrasesOf(new Set(splits.train.map(firstText)));
  const held = sample(splits.train.filter((row) => sentences.has(firstText(row))), oneIn);
  const heldTexts = new Set([...held].map(firstText));
  const trained = new Set<string>();
  for (const [sentence, phrases] of sentences) {
    if (heldTexts.has(sentence)) continue;
    for (const text of [sentence, ...phrases]) trained.add(text);
  }
  moveTo(splits, (row) => held.has(row));
  splits.train = splits.train.filter((row) => trained.has(firstText(row)));
}

/** The sentences among texts, those that are a part of no other, each with the texts that are its parts: words in a row. */
function phrasesOf(texts: ReadonlySet<string>): Map<string, string[]> {
  const sentences = new Map<string, string[]>(), phrases = new Set<string>();
  for (const text of [...texts].sort((a, b) => b.length - a.length)) {
    if (phrases.has(text)) continue; // So are its own parts.
    const words = [...text.matchAll(/\S+/g)].map(({ index, 0: word }) =>
      [index, index + word.length] as const
    );
    const parts = words.flatMap(([start], i) => words.slice(i).map(([, end]) => text.slice(start, end)))
      .filter((part) => part.length < text.length && texts.has(part));
    for (const part of parts) phrases.add(part);
    sentences.set(text, parts);
  }
  return sentences;
}

/** The first layout that matches the files in the folder. */
async function firstLayout(benchmark: Benchmark, folder: string): Promise<Layout> {
  for (const layout of benchmark.layouts) {
    if (await find(folder, layout.files.train?.[0] ?? "") !== undefined) return layout;
  }
  return missing(benchmark, folder, benchmark.layouts[0]?.files.train?.[0] ?? "");
}

/** Paths of the files of a layout's entry, relative to the folder. */
async function files(benchmark: Benchmark, folder: string, entry: string): Promise<string[]> {
  const found = await find(folder, entry) ?? missing(benchmark, folder, entry);
  if (!entry.endsWith("/")) return [found];
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

/** Finds a file, with all folders of its archive or without the outer ones. */
async function find(folder: string, entry: string): Promise<string | undefined> {
  const parts = entry.split("/");
  // RACE has a folder "high" in each split.
  const least = entry.endsWith("/") ? 3 : 1;
  for (let from = 0; parts.length - from >= least; from++) {
    const path = parts.slice(from).join("/");
    // An inaccessible file counts as found: reading it reports the reason.
    const found = await Deno.stat(`${folder}/${path}`)
      .then(() => true, (error) => !(error instanceof Deno.errors.NotFound));
    if (found) return path;
  }
  return undefined;
}

function missing({ name, archive = name, form }: Benchmark, folder: string, file: string): never {
  const help = form === undefined
    ? `deno task data ${archive} downloads it`
    : `request it with the form at ${form}, then run deno task data ${archive} --from FOLDER`;
  throw new InputError(`Cannot load task "${name}" as folder ${folder} has no ${file}: ${help}`);
}
