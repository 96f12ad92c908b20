/**
 * A research kit for GPT-1 (Radford et al. 2018, "Improving Language Understanding by Generative
 * Pre-Training"): the model, its pre-training and fine-tuning, and ablations, of which the paper has one, without error bars.
 *
 * @example
 * ```ts ignore
 * import { backend, corpus, finetune, gpt, presets, pretrain, task, trainBpe } from "./mod.ts";
 *
 * await backend();
 * const text = await corpus("moby-dick");
 * const tokenizer = trainBpe(text.train, { merges: 4000 });
 * const lm = gpt({ ...presets.mini, positions: { kind: "sinusoidal" } }, { tokenizer, seed: 1 });
 * for await (const { update, loss } of pretrain(lm, text, { updates: 500 })) console.log(update, loss);
 * const tuned = await finetune(lm, await task("kind"), { lambda: 0.5, rate: 1e-3 });
 * ```
 *
 * @module
 */

// Backend
export { backend, provenance } from "./lib/engine/mod.ts";
export type {
  Backend,
  BackendName,
  BackendOptions,
  KeyValues,
  Linear,
  LstmState,
  MatmulInfo,
  Norm,
  Provenance,
  Run,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  Variable,
  Variable1D,
  Variable2D,
} from "./lib/engine/mod.ts";

// Text
export { trainBpe, transform } from "./lib/text/mod.ts";
export type {
  BpeOptions,
  Example,
  Examples,
  Kind,
  Tokenizer,
  TokenizerState,
  Transformed,
} from "./lib/text/mod.ts";

// Data
export { corpus, listTasks, readTask, subset, task } from "./lib/data/mod.ts";
export type {
  Corpus,
  Measure,
  ReadTaskOptions,
  Rows,
  Source,
  Split,
  SubsetOptions,
  Task,
  TaskEntry,
  TaskKinds,
  TaskOf,
  TaskOptions,
  ZeroShot,
} from "./lib/data/mod.ts";

// The model
export {
  attentionMaps,
  forward,
  generate,
  gpt,
  leaves,
  loadReleased,
  positionKinds,
  presets,
} from "./lib/model/mod.ts";
export type {
  Architecture,
  AttentionMaps,
  BestEpoch,
  Block,
  Cache,
  Config,
  Dropout,
  ForwardOptions,
  GenerateOptions,
  LanguageModel,
  Lstm,
  Model,
  Parameters,
  PositionKind,
  PositionScale,
  Preset,
  ReleasedOptions,
  States,
  Variant,
} from "./lib/model/mod.ts";

// Training
export {
  evaluate,
  finetune,
  loadModel,
  ngramBaselines,
  pretrain,
  pretrained,
  saveModel,
  scoreByPosition,
  scoreText,
  zeroShot,
} from "./lib/train/mod.ts";
export type {
  AdamOptions,
  Evaluation,
  FinetuneOptions,
  Interval,
  LambdaSchedule,
  LossCurve,
  NgramBaselines,
  NgramOptions,
  PretrainedName,
  PretrainedOptions,
  PretrainOptions,
  RunOptions,
  SaveOptions,
  Schedule,
  ScoreOptions,
  SplitOptions,
  TaskScore,
  TextMeasures,
  TextScore,
  Training,
  TrainingRecord,
  ZeroShotOptions,
  ZeroShotScore,
} from "./lib/train/mod.ts";

// Studies
export {
  ablate,
  difference,
  estimate,
  formatEstimate,
  openStudy,
  planStudy,
  smoke,
  studies,
  verdict,
} from "./lib/study/mod.ts";
export type {
  ArmCurve,
  ArmCurveOptions,
  ArmEffect,
  ArmScore,
  CrossingOptions,
  EffectOptions,
  Estimate,
  Finetuned,
  Level,
  Levels,
  LossOptions,
  MainContrast,
  MainContrasts,
  MainEffect,
  PlanOptions,
  PositionOptions,
  Predictions,
  Pretrained,
  Study,
  StudyChanges,
  StudyModel,
  StudyOptions,
  StudyRecord,
  StudyRun,
  StudySettings,
  TaskResult,
  TrainingBudget,
  Tune,
  Vary,
} from "./lib/study/mod.ts";

// Display in notebooks
export {
  bars,
  blockDiagram,
  curve,
  forest,
  heatmap,
  heatmaps,
  pieces,
  png,
  show,
  strip,
  svg,
  watch,
} from "./lib/show/mod.ts";
export type {
  Arm,
  ArmLevels,
  AxisLabels,
  Bar,
  BarGroup,
  CurveOptions,
  DiagramSizes,
  Effect,
  Figure,
  HeatmapOptions,
  HeatmapPanel,
  PointEstimate,
  Series,
  StripGroup,
  StudyStep,
  TokenRow,
  TrainingStep,
  Watched,
  WatchOptions,
} from "./lib/show/mod.ts";

// Live cells
export { live } from "./lib/live/mod.ts";
export type { Live, LiveExample, LiveOptions } from "./lib/live/mod.ts";

// Errors
export { InputError } from "./lib/errors.ts";
