/**
 * Experiments: a grid of arms and seeds, its runs, statistics.
 *
 * @module
 */
export { ablate, compare, type StudyRecord } from "./ablate.ts";
export type { Answered, Answers, Finetuned, Pretrained, Took } from "./rows.ts";
export type { Holder } from "../claim.ts";
export { listRuns, type RunState } from "./list.ts";
export { published } from "./published.ts";
export {
  smoke,
  studies,
  type StudyChanges,
  type StudyModel,
  studyModels,
  type StudyOptions,
  type StudySettings,
} from "./settings.ts";
export { difference, type Estimate, estimate, formatEstimate, verdict } from "./statistics.ts";
export { type ArmDifference, type ArmScore, report, type Study, studyOf } from "./tables.ts";
