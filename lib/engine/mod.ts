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
export type { Tensor2D, Tensor3D, Tensor4D, Variable, Variable1D, Variable2D } from "./tensors.ts";
export type { MatmulInfo } from "./gemm.ts";
export * from "./ops/mod.ts";
export { type Provenance, provenance, versionLine } from "./provenance.ts";
export { matmulRate } from "./rate.ts";
export { asRun, type Run } from "./run.ts";
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
