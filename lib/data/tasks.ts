import { InputError } from "../errors.ts";
import { checked, oneOf, type SchemaOf, settle } from "../settings.ts";
import { benchmarkSettings, loadBenchmark } from "./benchmarks/load.ts";
import { benchmarks } from "./benchmarks/table.ts";
import { BIBLE_LICENCE } from "./bible.ts";
import { glossSimilarity } from "./gloss-similarity.ts";
import { hypernym } from "./hypernym.ts";
import { imdb, IMDB_LICENCE } from "./imdb.ts";
import { kind } from "./kind.ts";
import type { Task, TaskEntry, TaskOf } from "./task.ts";
import { verses } from "./verses.ts";
import { wordOrder } from "./word-order.ts";
import { WORDNET_LICENCE, WORDNET_MEGABYTES } from "./wordnet.ts";

/** Settings of {@linkcode task}. */
export interface TaskOptions {
  /**
   * `imdb` and `race` only: how many words of the end of a review or a passage are kept. 90 words of a review
   * unless told, 60 fit a context of 128; 180 of a passage, which with the question fit half a context of 512.
   */
  readonly words?: number;
  /** Tasks with an `archive` only: where its files are, instead of `data/cache/<archive>`. */
  readonly folder?: string;
}

/** A task that can be had by its name. */
interface Known extends TaskEntry {
  /** Which settings it has. */
  readonly options: readonly (keyof TaskOptions)[];
  load(options: TaskOptions): Promise<Task>;
}

const KNOWN: readonly Known[] = [
  {
    name: "imdb",
    kind: "classification",
    about: "Does a film review praise or pan?",
    licence: IMDB_LICENCE,
    megabytes: 25.5,
    options: ["words"],
    load: imdb,
  },
  {
    name: "kind",
    kind: "choice",
    about: "Which of four kinds of thing does a definition describe?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    options: [],
    load: kind,
  },
  {
    name: "hypernym",
    kind: "entailment",
    about: "Does it follow from a definition that something is of a kind?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    options: [],
    load: hypernym,
  },
  {
    name: "verses",
    kind: "similarity",
    about: "Do clauses of two translations of the Bible say the same?",
    licence: BIBLE_LICENCE,
    megabytes: 5.8,
    options: [],
    load: verses,
  },
  {
    name: "gloss-similarity",
    kind: "similarity",
    about: "How alike, from 0 to 5, are the things that two definitions describe?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    options: [],
    load: glossSimilarity,
  },
  {
    name: "word-order",
    kind: "choice",
    about: "Which of two clauses was written, if the other has two neighbouring words exchanged?",
    licence: BIBLE_LICENCE,
    megabytes: 4.1,
    options: [],
    load: wordOrder,
  },
  ...benchmarks.map((benchmark): Known => {
    const { name, kind, about, licence, citation, megabytes, archive = name, form, words } = benchmark;
    return {
      ...{ name, kind, about, licence, citation, megabytes, archive, ...form !== undefined && { form } },
      options: words === undefined ? ["folder"] : ["folder", "words"],
      load: (options) => loadBenchmark(benchmark, options),
    };
  }),
];

/** The tasks that are known by name. */
export const taskName = oneOf(KNOWN.map(({ name }) => name));

/** The kind of each task that is known when a program is written. */
export interface TaskKinds {
  /** One text. */
  imdb: "classification";
  /** A context and four choices. */
  kind: "choice";
  /** A premise and a hypothesis. */
  hypernym: "entailment";
  /** Two texts, the same or not. */
  verses: "similarity";
  /** Two texts, and a grade. */
  "gloss-similarity": "similarity";
  /** A context and two choices. */
  "word-order": "choice";
  /** One text. */
  sst2: "classification";
  /** One text. */
  cola: "classification";
  /** Two texts. */
  mrpc: "similarity";
  /** Two texts and a grade. */
  stsb: "similarity";
  /** Two texts. */
  qqp: "similarity";
  /** A premise and a hypothesis. */
  mnli: "entailment";
  /** A premise and a hypothesis. */
  "mnli-mismatched": "entailment";
  /** A question and a sentence. */
  qnli: "entailment";
  /** A premise and a hypothesis. */
  rte: "entailment";
  /** A premise and a hypothesis. */
  wnli: "entailment";
  /** A premise and a hypothesis. */
  snli: "entailment";
  /** A premise and a hypothesis. */
  scitail: "entailment";
  /** A premise and a hypothesis. */
  sick: "entailment";
  /** Two texts and a grade. */
  "sick-relatedness": "similarity";
  /** A passage with a question and four answers. */
  race: "choice";
  /** A sentence and two causes or effects. */
  copa: "choice";
  /** A story and two endings. */
  "story-cloze": "choice";
  /** A sentence's start and two ways to go on. */
  winograd: "choice";
}

/**
 * Lists the tasks that {@linkcode task} knows by name. It downloads nothing.
 *
 * @returns One entry for each, in a form that a table can be made of
 *
 * @example
 * ```ts
 * import { listTasks } from "./tasks.ts";
 *
 * console.log(listTasks().map(({ name }) => name)); // ["imdb", "kind", "hypernym", …
 * ```
 */
export function listTasks(): readonly TaskEntry[] {
  return KNOWN.map(({ load: _, options: __, ...entry }) => entry);
}

/**
 * Loads a task to fine-tune on (section 3.2 of the paper). What it needs comes from npm at the first call,
 * not when this module is imported, and needs no permission.
 *
 * - `"imdb"`: is a film review positive? The last 90 words of each of 49,000 reviews.
 * - `"kind"`: which of four kinds of thing does a definition of WordNet describe?
 * - `"hypernym"`: does it follow from a definition that something is of a kind?
 * - `"verses"`: do a clause of the King James Bible and one of the World English Bible say the same?
 * - `"gloss-similarity"`: how alike are the things that two definitions describe? A grade from 0 to 5.
 * - `"word-order"`: in which of two clauses were neighbouring words exchanged? Nothing but their order tells.
 *
 * The benchmarks that others report on, such as `"sst2"` and `"race"`, are read from their official files,
 * which `deno task data` downloads into `data/cache`, and need the permission to read them.
 *
 * @param name One of {@linkcode listTasks}
 * @param options Settings of the task
 * @returns The task, its examples in an order that looks random and is always the same; those of a benchmark in
 * the order of its files
 * @throws {InputError} If there is no such task, an option cannot be used, the download fails, or a file is
 * missing or broken
 *
 * @example
 * ```ts
 * import { task } from "./tasks.ts";
 *
 * const { labels, test } = await task("kind");
 * console.log(labels.length, test[0]?.choices.length); // 4 4
 * ```
 */
export function task<Name extends keyof TaskKinds>(
  name: Name,
  options?: TaskOptions,
): Promise<TaskOf<TaskKinds[Name]>>;
/** Loads a task by a name that is known when the program runs. */
export function task(name: string, options?: TaskOptions): Promise<Task>;
export async function task(name: string, options: TaskOptions = {}): Promise<Task> {
  checked("load a task", "name", taskName, name);
  const known = KNOWN.find((entry) => entry.name === name)!;
  const given = settle(`load task ${name}`, benchmarkSettings satisfies SchemaOf<TaskOptions>, options);
  for (const option of ["words", "folder"] as const) {
    if (given[option] === undefined || known.options.includes(option)) continue;
    const having = KNOWN.filter((entry) => entry.options.includes(option)).map((entry) => entry.name);
    throw new InputError(
      `Cannot set ${option} to ${given[option]} for task "${name}" as the tasks with that option are ` +
        having.join(", "),
    );
  }
  return await known.load(given);
}
