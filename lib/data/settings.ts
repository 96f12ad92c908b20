/**
 * The settings of this folder's options, for other folders. They are not in `mod.ts`, as a published module needs
 * explicit types.
 *
 * @module
 */
export { benchmarkSettings } from "./benchmarks/load.ts";
export { corpusValue } from "./corpus.ts";
export { wordsSetting } from "./imdb.ts";
export { readTaskSettings, rowsFile } from "./read-task.ts";
export { limitSetting } from "./task.ts";
export { taskName } from "./tasks.ts";
