/**
 * The operations that the models are made of, one a file: the reference and the fused implementation, forward and
 * backward, side by side, and the cases that tests and {@linkcode checkParity} compare. A new operation is listed here,
 * twice. N is the number of sequences, T their length, d the width, H the heads, V the rows of the table.
 *
 * @module
 */
import type { Case } from "../cases.ts";
import { cases as adamCases } from "./adam.ts";
import { cases as attentionCases } from "./attention.ts";
import { cases as crossEntropyCases } from "./cross-entropy.ts";
import { cases as dropoutCases } from "./dropout.ts";
import { cases as embeddingCases } from "./embedding.ts";
import { cases as globalNormCases } from "./global-norm.ts";
import { cases as linearGeluCases } from "./linear-gelu.ts";
import { cases as linearCases } from "./linear.ts";
import { cases as lstmCases } from "./lstm.ts";
import { cases as normCases } from "./norm.ts";
import { cases as rotaryCases } from "./rotary.ts";

export { adam, type AdamStep } from "./adam.ts";
export {
  type Attended,
  attention,
  type AttentionOptions,
  attentionWithCache,
  type CachedAttentionOptions,
  type KeyValues,
} from "./attention.ts";
export { tiedCrossEntropy } from "./cross-entropy.ts";
export { dropout, type DropoutMask, stackedDropout } from "./dropout.ts";
export { embedding } from "./embedding.ts";
export { norm } from "./global-norm.ts";
export { linearGelu } from "./linear-gelu.ts";
export { type Linear, linear } from "./linear.ts";
export { lstm, type LstmState, lstmWithState } from "./lstm.ts";
export { layerNorm, type Norm, residualNorm } from "./norm.ts";
export { rotary } from "./rotary.ts";

/** The cases of all operations; as the default, which `export *` leaves here. */
const cases: readonly Case[] = [
  linearCases,
  linearGeluCases,
  normCases,
  dropoutCases,
  attentionCases,
  rotaryCases,
  lstmCases,
  embeddingCases,
  crossEntropyCases,
  globalNormCases,
  adamCases,
].flat();
export default cases;
