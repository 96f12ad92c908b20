/**
 * Training: objectives L1, L2 and L3, OpenAI's Adam, learning-rate schedules, the training loop, checkpoints,
 * evaluation, and results with their provenance.
 *
 * @module
 */
export {
  type AdamOptions,
  type AdamState,
  adamState,
  adamUpdate,
  disposeAdam,
  globalNorm,
  rateAt,
  resetAdam,
} from "./adam.ts";
export { batchOf, shuffled, shuffledByLength, windowBatches } from "./batches.ts";
export {
  type BestState,
  type CheckpointOptions,
  encodeModel,
  loadModel,
  loadTrained,
  modelDigest,
  type Progress,
  progressOf,
  resume,
  saveCheckpoint,
  saveModel,
  type SaveOptions,
  type TrainingRun,
} from "./checkpoint.ts";
export { type EncodedExample, type EncodedTask, encodeTask } from "./encode.ts";
export {
  evaluate,
  type Evaluation,
  evaluationWindows,
  measureLabel,
  scoreByPosition,
  scoreMasked,
  type ScoreOptions,
  scoreText,
  type SplitOptions,
  type TaskScore,
  type TextMeasures,
  type TextScore,
} from "./evaluate.ts";
export {
  bootstrap,
  clopperPearson,
  type Interval,
  majorityBaseline,
  score,
  scoreByCluster,
  scoreInterval,
} from "./measures.ts";
export {
  type AddedOptions,
  checkPretrainedLayers,
  finetune,
  type FinetuneDefaults,
  finetuneDefaults,
  type FinetuneOptions,
  finetuneUpdates,
  keyedOptions,
  paddingShare,
} from "./finetune.ts";
export { isLossCurve, type LossCurve, MOST_LOSSES, noLosses, withLoss } from "./losses.ts";
export { type Keys, keys, type RunInputs } from "./key.ts";
export { kneserNey } from "./kneserney.ts";
export { type Job, train, type Training, type TrainingRecord } from "./loop.ts";
export { masked, MASKED_SHARE } from "./masking.ts";
export { checkModelMemory } from "./memory.ts";
export { type NgramBaselines, ngramBaselines, type NgramOptions } from "./ngram.ts";
export {
  type Batch,
  languageModelLoss,
  type Losses,
  type Masked,
  objective,
  targetOf,
} from "./objectives.ts";
export { pretrain, pretrainDefaults, type PretrainOptions, type RunOptions } from "./pretrain.ts";
export {
  type IncludedModel,
  includedModels,
  modelFile,
  pretrained,
  pretrainedFile,
  pretrainedModels,
  type PretrainedName,
  type PretrainedOptions,
} from "./pretrained.ts";
export { checkWarmup, type LambdaSchedule, type Schedule, schedules, stableUpdates } from "./schedules.ts";
export { decode, encode, type RunKey, type RunMetadata, store, type Stored, stored } from "./store.ts";
export { checkTrunk } from "./trunk.ts";
export { silence, type TextCounts, warnOfMerges } from "./warnings.ts";
export { heuristicOf, zeroShot, type ZeroShotOptions, type ZeroShotScore } from "./zeroshot.ts";
export { type ZeroShotCurve, zeroShotCurve, type ZeroShotPoint } from "./zeroshot-curve.ts";
