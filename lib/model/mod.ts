/**
 * What GPT-1 is: configuration and presets, parameters, forward pass, positions, heads, released weights.
 *
 * @module
 */
export {
  checkConfig,
  checkDropout,
  checkSeed,
  type Config,
  type Preset,
  preset,
  presets,
  type Variant,
  variants,
} from "./config.ts";
export { type Cache, type Dropout, forward, type States, tokenLogits } from "./forward.ts";
export { generate, type GenerateOptions } from "./generate.ts";
export { gpt, type LanguageModel } from "./gpt.ts";
export { addHead, classify } from "./heads.ts";
export {
  type Block,
  clone,
  countParameters,
  dispose,
  init,
  leaves,
  type Parameters,
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
export { type Archive, decodeSafetensors, encodeSafetensors, type Stored } from "./safetensors.ts";
