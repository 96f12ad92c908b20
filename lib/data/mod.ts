/**
 * Data: corpora for pre-training and tasks for fine-tuning. Importing this module downloads nothing.
 *
 * @module
 */
export { clustersOf, inputKey, rareSubjects } from "./clusters.ts";
export { checkCorpus, type Corpus, corpus, type CorpusEntry, listCorpora, type Source } from "./corpus.ts";
export { downloadShared } from "./download.ts";
export { type Download, downloads, fileName, type Pinned } from "./downloads.ts";
export { readTask, type ReadTaskOptions, type Rows } from "./read-task.ts";
export {
  atMost,
  checkTask,
  isGraded,
  type Measure,
  measures,
  plainTask,
  type Split,
  subset,
  type SubsetOptions,
  type Task,
  type TaskEntry,
  type TaskOf,
  type ZeroShot,
} from "./task.ts";
export { listTasks, task, type TaskKinds, type TaskOptions } from "./tasks.ts";
export type { Example, Examples, Kind } from "../text/mod.ts";
