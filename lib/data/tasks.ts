import { InputError } from "../errors.ts";
import type { Kind } from "../text/inputs.ts";
import { glossSimilarity } from "./gloss-similarity.ts";
import { hypernym } from "./hypernym.ts";
import { imdb, IMDB_LICENCE } from "./imdb.ts";
import { kind } from "./kind.ts";
import type { Task, TaskOf } from "./task.ts";
import { verses, VERSES_LICENCE } from "./verses.ts";
import { WORDNET_LICENCE, WORDNET_MEGABYTES } from "./wordnet.ts";

/** Settings of {@linkcode task}. */
export interface TaskOptions {
  /** `imdb` only: how many words of a review's end are kept; 90 unless told, 60 fit a context of 128. */
  readonly words?: number;
}

/** A line of {@linkcode listTasks}. */
export interface TaskEntry {
  /** What to give to {@linkcode task}. */
  readonly name: string;
  /** Its input transformation. */
  readonly kind: Kind;
  /** What is asked. */
  readonly about: string;
  /** Under which terms the examples come. */
  readonly licence: string;
  /** What the first use downloads, in megabytes. */
  readonly megabytes: number;
}

/** A task that can be had by its name. */
interface Known extends TaskEntry {
  load(options: TaskOptions): Promise<Task>;
}

const KNOWN: readonly Known[] = [
  {
    name: "imdb",
    kind: "classification",
    about: "Does a film review praise or pan?",
    licence: IMDB_LICENCE,
    megabytes: 25.5,
    load: imdb,
  },
  {
    name: "kind",
    kind: "choice",
    about: "Which of four kinds of thing does a definition describe?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    load: kind,
  },
  {
    name: "hypernym",
    kind: "entailment",
    about: "Does it follow from a definition that something is of a kind?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    load: hypernym,
  },
  {
    name: "verses",
    kind: "similarity",
    about: "Do clauses of two translations of the Bible say the same?",
    licence: VERSES_LICENCE,
    megabytes: 5.8,
    load: verses,
  },
  {
    name: "gloss-similarity",
    kind: "similarity",
    about: "How alike, from 0 to 5, are the things that two definitions describe?",
    licence: WORDNET_LICENCE,
    megabytes: WORDNET_MEGABYTES,
    load: glossSimilarity,
  },
];

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
 * console.log(listTasks().map(({ name }) => name)); // ["imdb", "kind", "hypernym", "verses", "gloss-similarity"]
 * ```
 */
export function listTasks(): readonly TaskEntry[] {
  return KNOWN.map(({ load: _, ...entry }) => entry);
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
 *
 * @param name One of {@linkcode listTasks}
 * @param options Settings of the task
 * @returns The task, its examples in an order that looks random and is always the same
 * @throws {InputError} If there is no such task, an option cannot be used, or the download fails
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
  const known = KNOWN.find((entry) => entry.name === name);
  if (!known) {
    const names = KNOWN.map((entry) => entry.name).join(", ");
    throw new InputError(
      `Cannot load task "${name}" as there is none of that name: known tasks are ${names}`,
    );
  }
  if (options.words !== undefined && name !== "imdb") {
    throw new InputError(
      `Cannot set words to ${options.words} for task "${name}" as only task "imdb" has that option`,
    );
  }
  return await known.load(options);
}
