/**
 * What a person looks at: progress, figures, tables.
 *
 * @module
 */
export { duration, progress, type Step } from "./progress.ts";
export { stopButton } from "./stop.ts";
export { type StudyStep, type Update, watch, type Watched } from "./watch.ts";
