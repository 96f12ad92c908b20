import { keyOf, permutation, uniforms } from "../engine/mod.ts";
import type { Batch } from "./objectives.ts";

/** Share of a sequence's tokens that are to be filled in (Devlin et al. 2018, §3.1). */
const SHARE = 0.15;
/** Of these, the share that the mask replaces, and the share that is replaced by it or by a random token. */
const [MASKED, CHANGED] = [0.8, 0.9];

/**
 * A batch as BERT's objective has it (Devlin et al. 2018, §3.1): of each sequence 15 % of the tokens are to be filled
 * in. Of these the mask replaces 80 %, a random token 10 %; 10 % stay. Which, is a function of seed and update, as
 * dropout is.
 *
 * The mask is row `vocabulary` of the table, [Start]: pre-training uses none of the special tokens, and fine-tuning
 * sets all of them anew.
 *
 * @param batch Sequences without special tokens.
 * @param vocabulary Number of tokens.
 */
export function masked({ ids, lengths }: Batch, vocabulary: number, seed: number, update: number): Batch {
  const T = ids.length / lengths.length;
  const positions = [...lengths].flatMap((length, n) => {
    const order = permutation(keyOf(seed, "masked", update, n), length);
    return [...order.subarray(0, Math.max(1, Math.round(SHARE * length))).sort()].map((t) => n * T + t);
  });
  const draws = uniforms(keyOf(seed, "mask", update), 2 * positions.length);
  const read = ids.slice();
  positions.forEach((position, i) => {
    const [what, which] = [draws[2 * i]!, draws[2 * i + 1]!];
    if (what < MASKED) read[position] = vocabulary;
    else if (what < CHANGED) read[position] = Math.floor(which * vocabulary);
  });
  return {
    ids: read,
    lengths,
    masked: {
      positions: Int32Array.from(positions),
      tokens: Int32Array.from(positions, (position) => ids[position]!),
    },
  };
}
