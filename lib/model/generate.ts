import * as tf from "../tfjs.ts";
import { InputError } from "../errors.ts";
import { allFinite } from "../foreign.ts";
import { asRun, keyOf, type Run, threefry } from "../engine/mod.ts";
import { limit, number, type SchemaOf, settle, signal as signals, whole } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { checkCausal, seedSetting } from "./config.ts";
import { type Cache, emptyCache, forward, tokenLogits } from "./forward.ts";
import { checkModel, type LanguageModel, withReadLock } from "./gpt.ts";

/** The options of {@linkcode generate}. */
export interface GenerateOptions {
  /** Number of tokens to generate. @default 40 */
  tokens?: number;
  /** Sampling temperature: 0 for greedy decoding, 1 for the model's probabilities. @default 1 */
  temperature?: number;
  /** Top-k sampling: from the k most likely tokens only. Default: all. */
  topK?: number;
  /** Seed of sampling, a whole number from 0 to 2³² − 1. @default 1 */
  seed?: number;
  /** Stops before the next token and returns the text so far. Default: none. */
  signal?: AbortSignal;
}

/** The settings of {@linkcode GenerateOptions}. */
export const generateSettings = {
  tokens: {
    ...whole({ from: 0, to: 1e6 }),
    about: "length of the continuation",
    unit: "tokens",
    default: 40,
  },
  temperature: {
    ...number({ from: 0, to: 1e6 }),
    about: "sampling temperature, 0 for greedy decoding",
    default: 1,
  },
  topK: { ...limit, about: "samples from the most likely tokens only", unit: "tokens", default: Infinity },
  seed: { ...seedSetting, about: "seed of sampling" },
  signal: { ...signals, about: "stops before the next token", otherwise: "none" },
} satisfies SchemaOf<GenerateOptions>;

/**
 * Continues a prompt. Keys and values of previous tokens are cached, so that each new token takes a forward pass over
 * one token. When the context is full, generation continues from its second half. Of a prompt longer than the context,
 * the last half context is used. Awaited it gives the text; iterated, what each token adds to it, as it comes.
 * Training of the model waits until the text is finished or its iteration is left.
 *
 * @returns Prompt and generated tokens, decoded.
 * @throws {InputError} If it is no model, the prompt has no tokens, an option is unknown or out of its range, the logits
 * are not finite, or the architecture is `bert`.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { generate, gpt, presets } from "./mod.ts";
 *
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) });
 * console.log(await generate(lm, "to be", { tokens: 5, temperature: 0 }));
 * for await (const more of generate(lm, "to be", { tokens: 5, seed: 2 })) console.log(more);
 * ```
 */
export function generate(
  lm: LanguageModel,
  prompt: string,
  options: GenerateOptions = {},
): Run<string, string> {
  const hint = "write await before it, or iterate it, as in for await (const more of generate(lm, text))";
  return asRun(steps(lm, prompt, options), `a text that has not been generated: ${hint}`);
}

async function* steps(
  lm: LanguageModel,
  prompt: string,
  options: GenerateOptions,
): AsyncGenerator<string, string> {
  checkModel(lm, "continue a text");
  const { tokens, temperature, topK, seed, signal } = settle("continue a text", generateSettings, options);
  checkCausal(lm.config, "continue a text");
  const { pieces } = lm.tokenizer;
  const ids = [...lm.tokenizer.encode(prompt)];
  if (ids.length === 0) {
    throw new InputError("Cannot continue an empty prompt as the model needs at least one token");
  }
  const key = keyOf(seed, "generate");
  const { context } = lm.config;
  let processed = 0; // ids[..processed] are in the cache, or before it
  let cache = emptyCache;
  const globalSignal = signal ? undefined : stopSignal();
  const { promise: reading, resolve: finish } = Promise.withResolvers<void>();
  void withReadLock(lm, () => reading);
  try {
    for (let i = 0; i < tokens && !signal?.aborted; i++) {
      if (cache.tokens + ids.length - processed > context) {
        processed = ids.length - (context >> 1);
        free(cache);
        cache = emptyCache;
      }
      const [scores, newCache] = tf.tidy(() => {
        const next = tf.tensor2d([ids.slice(processed)], undefined, "int32"); // (1, T)
        const { h, cache: newCache } = forward(lm, next, { cache });
        const last = h.slice([0, next.shape[1] - 1, 0], [1, 1, -1]).reshape([1, -1]) as tf.Tensor2D; // (1, d)
        return [tokenLogits(lm.parameters, last), newCache as unknown as tf.TensorContainerObject];
      }) as unknown as [tf.Tensor2D, Cache];
      free(cache);
      cache = newCache;
      processed = ids.length;
      const logits = await scores.data<"float32">().finally(() => scores.dispose());
      if (!allFinite(logits)) {
        throw new InputError("Cannot continue the text as the model's logits are not finite numbers");
      }
      // Word i of the stream, in [0, 1).
      const draw = threefry(key, i >>> 1, 0)[i & 1]! / 2 ** 32;
      const endsWord = pieces[ids.at(-1)!]!.endsWith("</w>"); // The text so far has no space at its end.
      const id = pick(logits, temperature, topK, draw);
      ids.push(id);
      yield (endsWord ? " " : "") + pieces[id]!.replace("</w>", "");
      await yieldToEventLoop(globalSignal);
    }
  } finally {
    free(cache);
    finish();
  }
  return lm.tokenizer.decode(ids);
}

function free(cache: Cache): void {
  tf.dispose(cache as unknown as tf.TensorContainerObject);
}

/** Samples from the k most likely tokens at a temperature, given a uniform random number. */
function pick(logits: Float32Array, temperature: number, topK: number, draw: number): number {
  if (temperature === 0) return logits.indexOf(logits.reduce((best, logit) => Math.max(best, logit)));
  const kept = largest(logits, topK);
  const weights = Array.from(kept, (id) => Math.exp((logits[id]! - logits[kept[0]!]!) / temperature));
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0);
  const chosen = weights.findIndex((weight) => (left -= weight) < 0);
  return kept[chosen < 0 ? kept.length - 1 : chosen]!;
}

/** Indices of the largest values, the largest first, of equal ones the lower index. */
export function largest(values: Float32Array, count: number): Uint32Array {
  const limit = count < values.length ? valueAt(values.slice(), count - 1) : -Infinity;
  const found = new Uint32Array(values.length);
  let most = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! >= limit) found[most++] = i;
  return found.subarray(0, most).sort((a, b) => values[b]! - values[a]! || a - b).subarray(0, count);
}

/** The value at a place in descending order, by Hoare's quickselect, which reorders the values; to sort takes longer. */
function valueAt(values: Float32Array, place: number): number {
  let from = 0, to = values.length - 1;
  while (from < to) {
    const pivot = values[(from + to) >>> 1]!;
    let i = from, j = to;
    while (i <= j) {
      while (values[i]! > pivot) i++;
      while (values[j]! < pivot) j--;
      if (i > j) break;
      const value = values[i]!;
      values[i++] = values[j]!;
      values[j--] = value;
    }
    if (place > j && place < i) break; // Equal to the pivot.
    if (place <= j) to = j;
    else from = i;
  }
  return values[place]!;
}
