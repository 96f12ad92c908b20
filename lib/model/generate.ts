import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { keyOf, uniforms } from "../engine/random.ts";
import { type Cache, forward, tokenLogits } from "./forward.ts";
import type { LanguageModel } from "./gpt.ts";

/** How a text is continued. */
export interface GenerateOptions {
  /** How many tokens to add; 40 unless given. */
  tokens?: number;
  /** 0 takes the likeliest token; 1, the default, samples from the model's own probabilities. */
  temperature?: number;
  /** Samples from the k likeliest only; all unless given. */
  topK?: number;
  /** Of the sampling; 1 unless given. */
  seed?: number;
  /** Stops before the next token. */
  signal?: AbortSignal;
}

/**
 * Continues a prompt. Keys and values of what was read are kept, so that a token costs one pass over itself;
 * when the context is full, its later half is read anew and the text goes on.
 *
 * @returns The prompt's tokens and the new ones, decoded.
 * @throws {InputError} If the prompt has no tokens, or an option is out of its range.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { generate, gpt, presets } from "./mod.ts";
 *
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) });
 * console.log(await generate(lm, "to be", { tokens: 5, temperature: 0 }));
 * ```
 */
export async function generate(
  lm: LanguageModel,
  prompt: string,
  { tokens = 40, temperature = 1, topK = Infinity, seed = 1, signal }: GenerateOptions = {},
): Promise<string> {
  const ids = [...lm.tokenizer.encode(prompt)];
  if (ids.length === 0) {
    throw new InputError("Cannot continue an empty prompt as the model needs a token to read");
  }
  if (!Number.isSafeInteger(tokens) || tokens < 0) {
    throw new InputError(`Cannot generate ${tokens} tokens as their number must be a whole number from 0`);
  }
  if (!(temperature >= 0 && temperature < Infinity)) {
    throw new InputError(`Cannot sample at temperature ${temperature} as it must be a number from 0`);
  }
  if (!(topK >= 1)) {
    throw new InputError(`Cannot sample from the ${topK} likeliest tokens as there must be 1 or more`);
  }

  const draws = uniforms(keyOf(seed, "generate"), tokens);
  const { context } = lm.config;
  let read = 0; // ids[..read] are in the cache, or left behind
  let cache: Cache | undefined;
  for (let i = 0; i < tokens && !signal?.aborted; i++) {
    const cached: number = cache?.[0]?.k.shape[2] ?? 0;
    if (cached + ids.length - read > context) {
      read = ids.length - Math.max(1, context >> 1);
      free(cache);
      cache = undefined;
    }
    const [logits, grown] = tf.tidy(() => {
      const next = tf.tensor2d([ids.slice(read)], undefined, "int32");
      const { h, cache: grown } = forward(lm.parameters, lm.config, next, undefined, cache);
      const last = h.slice([0, next.shape[1] - 1, 0], [1, 1, -1]).reshape([1, -1]) as tf.Tensor2D;
      return [tokenLogits(lm.parameters, last), grown as unknown as tf.TensorContainerArray];
    }) as unknown as [tf.Tensor2D, Cache];
    free(cache);
    cache = grown;
    read = ids.length;
    ids.push(pick(await logits.data<"float32">(), temperature, topK, draws[i]!));
    logits.dispose();
  }
  free(cache);
  return lm.tokenizer.decode(ids);
}

function free(cache: Cache | undefined): void {
  for (const { k, v } of cache ?? []) tf.dispose([k, v]);
}

/** The token that a uniform draw picks from the k likeliest at a temperature. */
function pick(logits: Float32Array, temperature: number, topK: number, draw: number): number {
  const order = Uint32Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (temperature === 0) return order[0]!;
  const kept = order.subarray(0, Math.min(topK, order.length));
  const weights = Array.from(kept, (id) => Math.exp((logits[id]! - logits[order[0]!]!) / temperature));
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0);
  const chosen = weights.findIndex((weight) => (left -= weight) < 0);
  return kept[chosen < 0 ? kept.length - 1 : chosen]!;
}
