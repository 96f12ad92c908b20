/**
 * A research kit for GPT-1 (Radford et al. 2018, "Improving Language Understanding by Generative
 * Pre-Training"): the model, its pre-training and fine-tuning, and the ablations that the paper left out.
 *
 * @example
 * ```ts ignore
 * import { backend, corpus, finetune, gpt, presets, pretrain, task, trainBpe } from "./mod.ts";
 *
 * await backend();
 * const books = await corpus("moby-dick");
 * const tokenizer = trainBpe(books.train, { merges: 4000 });
 * const lm = gpt({ ...presets.mini, positions: { kind: "sinusoidal" } }, { tokenizer, seed: 1 });
 * for await (const { update, loss } of pretrain(lm, books, { updates: 500 })) console.log(update, loss);
 * const tuned = await finetune(lm, await task("kind"), { lambda: 0.5, rate: 1e-3 });
 * ```
 *
 * @module
 */

// Where it computes
export { type Backend, backend, type Provenance, provenance } from "./lib/engine/mod.ts";

// Text
export { loadBpe, saveBpe, type Tokenizer, trainBpe, transform } from "./lib/text/mod.ts";

// Data
export {
  checkTask,
  type Corpus,
  corpus,
  type Example,
  listCorpora,
  listTasks,
  readTask,
  subset,
  type Task,
  task,
} from "./lib/data/mod.ts";

// The model
export {
  type Architecture,
  architectures,
  type AttentionMaps,
  attentionMaps,
  type Config,
  countParameters,
  dispose,
  forward,
  generate,
  type GenerateOptions,
  gpt,
  type LanguageModel,
  leaves,
  loadReleased,
  type PositionKind,
  positionKinds,
  type PositionScale,
  type Preset,
  presets,
  saveReleased,
  type Variant,
  withArchitecture,
} from "./lib/model/mod.ts";

// Training
export {
  evaluate,
  type Evaluation,
  finetune,
  type FinetuneOptions,
  type Interval,
  loadModel,
  type NgramBaselines,
  ngramBaselines,
  pretrain,
  pretrained,
  type PretrainedName,
  type PretrainOptions,
  saveModel,
  scoreByPosition,
  scoreText,
  type TaskScore,
  type TextScore,
  type Training,
  type TrainingRecord,
  zeroShot,
} from "./lib/train/mod.ts";

// Studies
export {
  ablate,
  type ArmDifference,
  type ArmScore,
  compare,
  difference,
  type Estimate,
  estimate,
  published,
  report,
  shown,
  smoke,
  studies,
  type Study,
  type StudyOptions,
  type StudyRecord,
  verdict,
} from "./lib/study/mod.ts";

// What a cell shows
export {
  type AxisLabels,
  type Bar,
  type BarGroup,
  bars,
  curve,
  type CurveOptions,
  type Effect,
  type Figure,
  forest,
  heatmap,
  type HeatmapOptions,
  png,
  type PointEstimate,
  type Series,
  show,
  stopButton,
  strip,
  type StripGroup,
  type StudyStep,
  type TrainingStep,
  watch,
  type Watched,
} from "./lib/show/mod.ts";

// What a user got wrong
export { InputError } from "./lib/errors.ts";
