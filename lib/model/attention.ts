import * as tf from "../tfjs.ts";
import { started } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { forward } from "./forward.ts";
import { checkModel, type LanguageModel } from "./gpt.ts";

/** Attention weights on a text. */
export interface AttentionMaps {
  /** The text's tokens. */
  readonly tokens: readonly string[];
  /** Attention weights, indexed by block, head, query token and key token. */
  readonly maps: readonly (readonly (readonly (readonly number[])[])[])[];
}

/**
 * The attention weights of each head of each block on a text, without dropout. The weights of a query sum to 1.
 *
 * @param lm The model.
 * @param text The text.
 * @throws {InputError} If it is no model, the text has no tokens or more than the context, or the model is an LSTM.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { attentionMaps, gpt, presets } from "./mod.ts";
 *
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) });
 * const { tokens, maps } = await attentionMaps(lm, "to be");
 * console.log(tokens, maps.length, maps[0]?.length); // [ "to</w>", "b", "e</w>" ] 2 2
 * ```
 */
export async function attentionMaps(lm: LanguageModel, text: string): Promise<AttentionMaps> {
  checkModel(lm, "draw attention");
  const { parameters, tokenizer } = lm;
  if (parameters.h.length === 0) {
    throw new InputError("Cannot draw attention of a model that has no attention");
  }
  const ids = tokenizer.encode(text);
  if (ids.length === 0) throw new InputError("Cannot draw attention on an empty text as it has no tokens");
  const tokens = Array.from(ids, (id) => tokenizer.pieces[id]!);
  await started();
  const all: tf.Tensor3D[] = [];
  tf.tidy(() => {
    const row = tf.tensor2d([...ids], [1, ids.length], "int32");
    forward(lm, row, {
      onAttention: (_, weights) => all.push(tf.keep(weights.squeeze<tf.Tensor3D>([0]))), // (H, T, T)
    });
  });
  const maps = await Promise.all(all.map((map) => map.array()));
  tf.dispose(all);
  if (!maps.flat(3).every(Number.isFinite)) {
    throw new InputError("Cannot draw attention as the model's weights are not finite numbers");
  }
  return { tokens, maps };
}
