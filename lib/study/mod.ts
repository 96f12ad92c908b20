/**
 * Experiments: a grid of arms and seeds, the store of its runs, statistics.
 *
 * @module
 */
export {
  ablate,
  type Finetuned,
  type Pretrained,
  smokeStudy,
  studyDefaults,
  type StudyOptions,
  type StudyRecord,
  type StudySettings,
} from "./ablate.ts";
export { difference, type Estimate, estimate, rounded, shown, verdict } from "./statistics.ts";
export { type Provenance, runPath, store, type Stored, stored } from "./store.ts";
export { type Study, studyOf } from "./tables.ts";
