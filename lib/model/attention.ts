import * as tf from "@tensorflow/tfjs";
import { attentionWeights, layerNorm, linear, started } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { forward } from "./forward.ts";
import { checkModel, type LanguageModel } from "./gpt.ts";

/** Where a model looks. */
export interface AttentionMaps {
  /** The text's tokens, as they are read. */
  readonly tokens: readonly string[];
  /** How much a token attends to another, by block, head, the token that looks and the one that is looked at. */
  readonly maps: readonly (readonly (readonly (readonly number[])[])[])[];
}

/**
 * How much each token of a text attends to each that it may see, in every head of every block; a token's weights sum
 * to 1.
 *
 * @param lm The model, without dropout.
 * @param text What it reads.
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
  const { config, parameters, tokenizer } = lm;
  const { heads, architecture } = config;
  if (architecture === "lstm") throw new InputError("Cannot draw attention of an LSTM as it has none");
  const ids = tokenizer.encode(text);
  if (ids.length === 0) throw new InputError("Cannot draw attention on an empty text as it has no tokens");
  const tokens = Array.from(ids, (id) => tokenizer.pieces[id]!);
  await started();
  const all = tf.tidy(() => {
    const row = tf.tensor2d([...ids], [1, ids.length], "int32");
    const lengths = architecture === "bert" ? Int32Array.of(ids.length) : undefined;
    return parameters.h.map(({ attn, ln_1 }, i) => {
      // What a block reads is what a model of the blocks before it ends with.
      const { ln_f: _, ...before } = { ...parameters, h: parameters.h.slice(0, i) };
      const { h } = forward(before, config, row, undefined, undefined, lengths); // (1, T, d)
      const x = architecture === "gpt2" ? layerNorm(h, ln_1) : h;
      const qkv = linear(x, attn.c_attn) as tf.Tensor3D; // (1, T, 3d)
      return attentionWeights(qkv, heads, { lengths }).weights.squeeze<tf.Tensor3D>([0]); // (H, T, T)
    });
  });
  const maps = await Promise.all(all.map((map) => map.array()));
  tf.dispose(all);
  return { tokens, maps };
}
