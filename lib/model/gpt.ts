import * as tf from "../tfjs.ts";
import { InputError, isThenable, quoted } from "../errors.ts";
import type { Kind, Tokenizer } from "../text/mod.ts";
import { tokenizerSetting } from "../text/settings.ts";
import type { Config, Preset } from "./config.ts";
import { type SchemaOf, settle } from "../settings.ts";
import { presets, presetSettings, seedSetting } from "./config.ts";
import { init, type Parameters } from "./parameters.ts";

/** A language model: a plain object. */
export interface LanguageModel {
  /** Its configuration. */
  readonly config: Config;
  /** Its parameters. */
  readonly parameters: Parameters;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** Seed of its initialisation. */
  readonly seed: number;
  /** The task that it was fine-tuned on, if any; its head is `parameters.clf`. */
  readonly task?: {
    readonly name: string;
    readonly kind: Kind;
    readonly labels: readonly string[];
    /** The epoch that its parameters are of, if fine-tuning kept the best. */
    readonly best?: BestEpoch;
  };
}

/** The best epoch of a fine-tuning. */
export interface BestEpoch {
  /** Its number, from 1. */
  readonly epoch: number;
  /** Its score on the validation split by the task's primary metric, at most 1. */
  readonly validation: number;
}

/** The options of {@linkcode gpt}. */
export const gptSettings = { tokenizer: tokenizerSetting, seed: seedSetting } satisfies SchemaOf<
  { tokenizer: Tokenizer; seed?: number }
>;

/**
 * A model with random weights and embeddings, N(0, 0.02²) as in §4.1; biases are 0 and gains 1.
 *
 * @param preset Its configuration; the vocabulary is the tokenizer's.
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
  if (preset === undefined) {
    throw new InputError(
      `Cannot build a model as its preset is undefined: presets are ${Object.keys(presets).join(", ")}`,
    );
  }
  const { tokenizer, seed } = settle("build a model", gptSettings, options);
  const { vocabulary = tokenizer.size, ...shape } = Object(preset) as Partial<Config>;
  settle("build a model", presetSettings, Object(preset) === preset ? shape : preset, "preset");
  if (vocabulary !== tokenizer.size) {
    throw new InputError(
      `Cannot build a model with vocabulary ${vocabulary} as its tokenizer has ${tokenizer.size}`,
    );
  }
  const config = { ...structuredClone(preset), vocabulary }; // A notebook may change its preset for the next model.
  return { config, parameters: init(config, seed), tokenizer, seed };
}

/**
 * Checks that a value is a model that can be used.
 *
 * @param lm The value.
 * @param action The action for the error message, such as `continue a text`.
 * @throws {InputError} If it is a promise, a run or anything else than a model, or a disposed model.
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
      `Cannot ${action}: expected a model from gpt(), loadModel() or pretrained(): current value is ` +
        quoted(lm),
    );
  }
  if (weight.isDisposed) {
    throw new InputError(`Cannot ${action} as the model was disposed: create or load it again`);
  }
}

/** Read locks: the operations that are reading a model's parameters. */
const readers = new WeakMap<Parameters, Set<Promise<unknown>>>();

/**
 * Runs an operation with a read lock on the model's parameters: a concurrent training run waits before its next update,
 * so that no score or file mixes two states of the model.
 *
 * @param lm The model.
 * @param read The operation.
 */
export async function withReadLock<T>({ parameters }: LanguageModel, read: () => Promise<T>): Promise<T> {
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

/** The operations that hold a read lock on a model's parameters, to be waited for; undefined if there are none. */
export function readLocks({ parameters }: LanguageModel): Promise<unknown> | undefined {
  const reading = readers.get(parameters);
  return reading?.size ? Promise.allSettled([...reading]) : undefined;
}
