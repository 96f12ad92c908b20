/**
 * Where examples come from: corpora to pre-train on, tasks to fine-tune on. Importing this module downloads
 * nothing.
 *
 * @module
 */
export { type Corpus, corpus, type CorpusEntry, listCorpora, type Source } from "./corpus.ts";
export {
  checkTask,
  listTasks,
  type Measure,
  type Split,
  subset,
  type SubsetOptions,
  type Task,
  task,
  type TaskEntry,
  type TaskOf,
  type TaskOptions,
} from "./task.ts";
export type { Example, Examples, Kind } from "../text/inputs.ts";
