/**
 * Tokenization: normalisation, word splitting, BPE, and the four input transformations of the paper.
 *
 * @module
 */
export { fixText, standardize } from "./normalise.ts";
export { pretokenize } from "./pretokenize.ts";
export {
  type BpeOptions,
  type StateNames,
  type Tokenizer,
  tokenizerFrom,
  type TokenizerState,
  trainBpe,
} from "./bpe.ts";
export { loadBpe, saveBpe } from "./files.ts";
export {
  type Example,
  type Examples,
  type Input,
  inputs,
  type Kind,
  transform,
  type Transformed,
} from "./inputs.ts";
export { charactersOf, countUnknown, tokensOf } from "./tokens.ts";
export { wordsOf } from "./words.ts";
