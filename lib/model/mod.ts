/**
 * GPT-1 and the models that it is compared with: configuration and presets, parameters, forward pass, position
 * encodings, task heads, released weights.
 *
 * @module
 */
export { type AttentionMaps, attentionMaps } from "./attention.ts";
export {
  type Architecture,
  architectureOf,
  type ArchitectureRule,
  architectures,
  PAPER,
} from "./architectures.ts";
export {
  checkCausal,
  checkConfig,
  checkSeed,
  type Config,
  type Preset,
  preset,
  presets,
  type Variant,
  variants,
  withArchitecture,
} from "./config.ts";
export {
  type Cache,
  type Dropout,
  emptyCache,
  forward,
  type ForwardOptions,
  type Model,
  type States,
  tokenLogits,
} from "./forward.ts";
export { generate, type GenerateOptions, largest } from "./generate.ts";
export { type BestEpoch, checkModel, gpt, type LanguageModel, readLocks, withReadLock } from "./gpt.ts";
export { addHead, classify, outputsOf } from "./heads.ts";
export { type Leaf, totalSize } from "./leaf.ts";
export {
  type Block,
  clone,
  countParameters,
  dispose,
  init,
  leaves,
  type Lstm,
  type Parameters,
  variable,
} from "./parameters.ts";
export {
  alibiSlopes,
  type PositionKind,
  positionKinds,
  positionRows,
  type PositionRule,
  positionRule,
  positionRules,
  type PositionScale,
  positionScales,
  relativeBucket,
} from "./positions.ts";
export { shapes, SPECIALS } from "./shapes.ts";
export { loadReleased, type ReleasedOptions, saveReleased } from "./released.ts";
export {
  type Archive,
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type StoredTensor,
  type WritableTensor,
} from "./safetensors.ts";
