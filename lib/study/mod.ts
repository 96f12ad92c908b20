/**
 * Studies: experiments over a grid of settings and seeds, their runs, statistics.
 *
 * @module
 */
export { ablate, ablateAnnounced, checkFolder, type StudyRecord } from "./ablate.ts";
export type { ArmCurve, ArmCurveOptions, LossOptions, PositionOptions } from "./curves.ts";
export type { ArmEffect, CrossingOptions, EffectOptions } from "./effects.ts";
export type { Level, Levels, Tune, Vary } from "./factors.ts";
export type { Finetuned, Predictions, Pretrained, StudyRun, TaskResult, TrainingBudget } from "./rows.ts";
export type { Holder } from "../claim.ts";
export type { MainContrast, MainContrasts, MainEffect } from "./main_contrasts.ts";
export { outlookOf, type RunState, type StudyOutlook } from "./list.ts";
export { type PlanOptions, planStudy } from "./planning.ts";
export { openStudy, usedOf } from "./published.ts";
export {
  smoke,
  studies,
  type StudyChanges,
  type StudyModel,
  studyModels,
  type StudyOptions,
  type StudySettings,
} from "./settings.ts";
export type { Tried } from "./tuning.ts";
export { difference, type Estimate, estimate, formatEstimate, verdict } from "./statistics.ts";
export { type ArmScore, type Found, rowsOf, type Study, studyOf } from "./study.ts";
