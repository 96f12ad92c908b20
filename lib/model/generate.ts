import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { keyOf, started, threefry } from "../engine/mod.ts";
import { limit, number, type SchemaOf, settle, signal as signals, whole } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { checkCausal, seedSetting } from "./config.ts";
import { type Cache, emptyCache, forward, tokenLogits } from "./forward.ts";
import { checkModel, type LanguageModel, whileRead } from "./gpt.ts";

/** How a text is continued. */
export interface GenerateOptions {
  /** Number of tokens to add. @default 40 */
  tokens?: number;
  /** 0 takes the likeliest token, 1 samples from the model's own probabilities. @default 1 */
  temperature?: number;
  /** Samples from the k likeliest tokens only. Default: all. */
  topK?: number;
  /** Seed of the sampling, a whole number from 0 to 2³² − 1. @default 1 */
  seed?: number;
  /** Stops before the next token, with the text so far. */
  signal?: AbortSignal;
}

/** The settings of {@linkcode GenerateOptions}. */
export const generateSettings = {
  tokens: { ...whole({ from: 0, to: 1e6 }), about: "number of tokens to add", default: 40 },
  temperature: {
    ...number({ from: 0, to: 1e6 }),
    about: "0 takes the likeliest token, 1 samples from the model's own probabilities",
    default: 1,
  },
  topK: { ...limit, about: "samples from the k likeliest only", default: Infinity },
  seed: { ...seedSetting, about: "seed of the sampling" },
  signal: { ...signals, about: "stops before the next token", otherwise: "nothing stops it" },
} satisfies SchemaOf<GenerateOptions>;

/**
 * Continues a prompt. Keys and values of the tokens so far are cached, so that a token costs one pass over itself;
 * when the context is full, its later half is read again and the text goes on. Of a prompt that is longer than
 * the context, the last half context is read.
 *
 * @returns The prompt's tokens and the new ones, decoded.
 * @throws {InputError} If it is no model, the prompt has no tokens, an option is unknown or out of its range, or the model's scores are not
 * finite, or its architecture is `bert`.
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
  options: GenerateOptions = {},
): Promise<string> {
  checkModel(lm, "continue a text");
  const { tokens, temperature, topK, seed, signal } = settle("continue a text", generateSettings, options);
  checkCausal(lm.config, "continue a text");
  const ids = [...lm.tokenizer.encode(prompt)];
  if (ids.length === 0) {
    throw new InputError("Cannot continue an empty prompt as the model needs a token to read");
  }
  await started();

  const key = keyOf(seed, "generate");
  const { context } = lm.config;
  let read = 0; // ids[..read] are in the cache, or before what it holds
  let cache = emptyCache;
  const general = signal ? undefined : stopSignal();
  await whileRead(lm, async () => {
    try {
      for (let i = 0; i < tokens && !signal?.aborted; i++) {
        if (cache.tokens + ids.length - read > context) {
          read = ids.length - (context >> 1);
          free(cache);
          cache = emptyCache;
        }
        const [scores, grown] = tf.tidy(() => {
          const next = tf.tensor2d([ids.slice(read)], undefined, "int32"); // (1, T)
          const { h, cache: grown } = forward(lm, next, { cache });
          const last = h.slice([0, next.shape[1] - 1, 0], [1, 1, -1]).reshape([1, -1]) as tf.Tensor2D; // (1, d)
          return [tokenLogits(lm.parameters, last), grown as unknown as tf.TensorContainerObject];
        }) as unknown as [tf.Tensor2D, Cache];
        free(cache);
        cache = grown;
        read = ids.length;
        const logits = await scores.data<"float32">().finally(() => scores.dispose());
        if (!logits.every(Number.isFinite)) {
          throw new InputError("Cannot continue the text as the model's scores are not finite numbers");
        }
        // Word i of the stream, in [0, 1).
        const draw = threefry(key, i >>> 1, 0)[i & 1]! / 2 ** 32;
        ids.push(pick(logits, temperature, topK, draw));
        await yieldToEventLoop(general);
      }
    } finally {
      free(cache);
    }
  });
  return lm.tokenizer.decode(ids);
}

function free(cache: Cache): void {
  tf.dispose(cache as unknown as tf.TensorContainerObject);
}

/** The token that a uniform draw picks from the k likeliest at a temperature. */
function pick(logits: Float32Array, temperature: number, topK: number, draw: number): number {
  if (temperature === 0) return logits.indexOf(logits.reduce((best, logit) => Math.max(best, logit)));
  const order = Uint32Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const kept = order.subarray(0, Math.min(topK, order.length));
  const weights = Array.from(kept, (id) => Math.exp((logits[id]! - logits[order[0]!]!) / temperature));
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0);
  const chosen = weights.findIndex((weight) => (left -= weight) < 0);
  return kept[chosen < 0 ? kept.length - 1 : chosen]!;
}
