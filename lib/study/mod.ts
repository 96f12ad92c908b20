/**
 * Studies: experiments over a grid of settings and seeds, their runs, statistics.
 *
 * @module
 */
export { ablate, ablateAnnounced, checkFolder, compare, type StudyRecord } from "./ablate.ts";
export type { Finetuned, Predictions, Pretrained, TaskResult, TrainingBudget } from "./rows.ts";
export type { Holder } from "../claim.ts";
export { outlookOf, type RunState, type StudyOutlook } from "./list.ts";
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
