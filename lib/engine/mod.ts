/**
 * Arithmetic: which backend computes, the operations that GPT-1 is made of, the random generator.
 *
 * @module
 */
export { type Backend, backend, backends } from "./backend.ts";
export {
  attention,
  dropout,
  embedding,
  gelu,
  layerNorm,
  type Linear,
  linear,
  type Norm,
  tiedCrossEntropy,
} from "./ops.ts";
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
// tfjs' types that this kit's signatures speak of.
export type {
  Rank,
  Scalar,
  ShapeMap,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  Variable,
} from "@tensorflow/tfjs";
