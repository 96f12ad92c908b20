/**
 * Arithmetic: which backend computes and on what, the operations that the models are made of, the random generator.
 *
 * @module
 */
export {
  type Backend,
  backend,
  backendInUse,
  type BackendName,
  type BackendOptions,
  backends,
  started,
} from "./backend.ts";
export type { Installed } from "./gemm.ts";
export {
  adam,
  type AdamStep,
  attention,
  type AttentionOptions,
  attentionWeights,
  attentionWithCache,
  type CachedAttentionOptions,
  dropout,
  type DropoutMask,
  embedding,
  type KeyValues,
  layerNorm,
  type Linear,
  linear,
  linearGelu,
  lstm,
  type LstmState,
  lstmWithState,
  type Norm,
  norm,
  residualNorm,
  rotary,
  stackedDropout,
  tiedCrossEntropy,
} from "./ops.ts";
export { type Provenance, provenance } from "./provenance.ts";
export {
  dropoutFactors,
  type Key,
  keyOf,
  normals,
  permutation,
  threefry,
  uniforms,
  words,
} from "./random.ts";
