import { keyOf, permutation, uniforms } from "../engine/mod.ts";
import type { Batch } from "./objectives.ts";

/** Share of a sequence's tokens to predict (Devlin et al. 2018, §3.1). */
export const MASKED_SHARE = 0.15;
/** Share of these that is replaced by the mask; and by the mask or a random token. */
const [MASKED, CHANGED] = [0.8, 0.9];

/**
 * A batch for BERT's masked language modelling (Devlin et al. 2018, §3.1): 15 % of the tokens of each sequence are to be
 * predicted. Of these 80 % are replaced by the mask, 10 % by a random token, 10 % are unchanged. The choice is a
 * function of seed and update, as for dropout.
 *
 * The mask token is [Start], row `vocabulary` of the embeddings: pre-training does not use special tokens, and
 * fine-tuning initialises them again.
 *
 * @param batch Sequences without special tokens.
 * @param vocabulary Number of tokens.
 */
export function masked({ ids, lengths }: Batch, vocabulary: number, seed: number, update: number): Batch {
  const T = ids.length / lengths.length;
  const positions = [...lengths].flatMap((length, n) => {
    const order = permutation(keyOf(seed, "masked", update, n), length);
    return [...order.subarray(0, Math.max(1, Math.round(MASKED_SHARE * length))).sort()].map((t) =>
      n * T + t
    );
  });
  const draws = uniforms(keyOf(seed, "mask", update), 2 * positions.length);
  const input = ids.slice();
  positions.forEach((position, i) => {
    const [choice, token] = [draws[2 * i]!, draws[2 * i + 1]!];
    if (choice < MASKED) input[position] = vocabulary;
    else if (choice < CHANGED) input[position] = Math.floor(token * vocabulary);
  });
  return {
    ids: input,
    lengths,
    masked: {
      positions: Int32Array.from(positions),
      tokens: Int32Array.from(positions, (position) => ids[position]!),
    },
  };
}
