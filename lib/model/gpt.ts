import * as tf from "@tensorflow/tfjs";
import { InputError, isThenable, quoted } from "../errors.ts";
import type { Kind, Tokenizer } from "../text/mod.ts";
import { tokenizerSetting } from "../text/settings.ts";
import type { Config, Preset } from "./config.ts";
import { type SchemaOf, settle } from "../settings.ts";
import { presetSettings, seedSetting } from "./config.ts";
import { init, type Parameters } from "./parameters.ts";

/** A GPT: what it is, what it has learned, and how it reads text. A plain value. */
export interface LanguageModel {
  /** What it is. */
  readonly config: Config;
  /** What it has learned. */
  readonly parameters: Parameters;
  /** How it reads text. */
  readonly tokenizer: Tokenizer;
  /** What its random start was made from. */
  readonly seed: number;
  /** What it was fine-tuned to do; then `parameters.clf` is the head. */
  readonly task?: { readonly name: string; readonly kind: Kind; readonly labels: readonly string[] };
}

/** The options of {@linkcode gpt}. */
export const gptSettings = { tokenizer: tokenizerSetting, seed: seedSetting } satisfies SchemaOf<
  { tokenizer: Tokenizer; seed?: number }
>;

/**
 * A GPT at its random start, as in {@linkcode init}.
 *
 * @param preset Its size and variant; the vocabulary is the tokenizer's.
 * @throws {InputError} If the configuration cannot be built or the seed is not a whole number below 2³².
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { gpt, presets } from "./mod.ts";
 *
 * const tokenizer = trainBpe("to be or not to be", { merges: 3 });
 * const lm = gpt({ ...presets.smoke, positions: { kind: "sinusoidal" } }, { tokenizer, seed: 1 });
 * console.log(lm.config.vocabulary === tokenizer.size); // true
 * ```
 */
export function gpt(
  preset: Preset,
  options: { tokenizer: Tokenizer; seed?: number },
): LanguageModel {
  const { tokenizer, seed } = settle("build a model", gptSettings, options);
  const { vocabulary = tokenizer.size, ...shape } = Object(preset) as Partial<Config>;
  settle("build a model", presetSettings, Object(preset) === preset ? shape : preset, "preset");
  if (vocabulary !== tokenizer.size) {
    throw new InputError(
      `Cannot build a model with vocabulary ${vocabulary} as its tokenizer has ${tokenizer.size}`,
    );
  }
  const config = { ...preset, vocabulary };
  return { config, parameters: init(config, seed), tokenizer, seed };
}

/**
 * Refuses what is no model, or none that can be used.
 *
 * @param lm What was given for a model.
 * @param action What was asked for: `continue a text`.
 * @throws {InputError} If it is a promise or a run, something else, or was disposed.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { checkModel, gpt, presets } from "./mod.ts";
 *
 * checkModel(gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) }), "continue a text");
 * ```
 */
export function checkModel(lm: LanguageModel, action: string): void {
  const { config, parameters, tokenizer }: { [Part in keyof LanguageModel]?: LanguageModel[Part] } = Object(
    lm,
  );
  if (isThenable(lm)) {
    throw new InputError(`Cannot ${action} as the model is not awaited: write await before it`);
  }
  const weight: unknown = parameters?.tokens_embed?.weight;
  if (!config || !(weight instanceof tf.Variable) || typeof tokenizer?.encode !== "function") {
    throw new InputError(
      `Cannot ${action}: expected a model as gpt(), loadModel() or pretrained() give it: current value is ` +
        quoted(lm),
    );
  }
  if (weight.isDisposed) {
    throw new InputError(`Cannot ${action} as the model was disposed: make or load it again`);
  }
}

/** What reads each model's parameters at the moment. */
const readers = new WeakMap<Parameters, Set<Promise<unknown>>>();

/**
 * Reads a model's parameters as they are now: a training of it that goes on at the same time waits before its next
 * update, so that no score or file is of two states of the model.
 *
 * @param lm The model.
 * @param read What is done with it.
 */
export async function whileRead<T>({ parameters }: LanguageModel, read: () => Promise<T>): Promise<T> {
  const reading = readers.get(parameters) ?? new Set();
  readers.set(parameters, reading);
  const promise = read();
  reading.add(promise);
  try {
    return await promise;
  } finally {
    reading.delete(promise);
  }
}

/** Waits until nobody reads a model's parameters. */
export async function untilUnread({ parameters }: LanguageModel): Promise<void> {
  const reading = readers.get(parameters);
  while (reading?.size) await Promise.allSettled([...reading]);
}
