/**
 * What GPT-1 is, and what it is compared with: configuration and presets, parameters, forward pass, positions, heads,
 * released weights.
 *
 * @module
 */
export { type AttentionMaps, attentionMaps } from "./attention.ts";
export {
  type Architecture,
  architectures,
  checkConfig,
  checkForetells,
  checkSeed,
  type Config,
  type Preset,
  preset,
  presets,
  type Variant,
  variants,
  withArchitecture,
} from "./config.ts";
export { type Cache, type Dropout, forward, type States, tokenLogits, unread } from "./forward.ts";
export { generate, type GenerateOptions } from "./generate.ts";
export { checkModel, gpt, type LanguageModel, untilUnread, whileRead } from "./gpt.ts";
export { addHead, classify, outputsOf } from "./heads.ts";
export {
  type Block,
  clone,
  countParameters,
  dispose,
  init,
  leaves,
  type Lstm,
  type Parameters,
  shapesOf,
  SPECIALS,
  variable,
} from "./parameters.ts";
export {
  type PositionKind,
  positionKinds,
  positionsAreTrained,
  type PositionScale,
  positionScales,
  positionTable,
} from "./positions.ts";
export { loadReleased, saveReleased } from "./released.ts";
export {
  type Archive,
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type Stored,
  type Writable,
} from "./safetensors.ts";
