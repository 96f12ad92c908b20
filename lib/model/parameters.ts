import * as tf from "@tensorflow/tfjs";
import { InputError, isThenable, quoted } from "../errors.ts";
import type { Linear, Norm, Variable, Variable2D } from "../engine/mod.ts";
import { checkConfig, checkSeed, type Config } from "./config.ts";
import { type Leaf, startOf } from "./leaf.ts";
import { shapes } from "./shapes.ts";

/** One block's parameters; d is the width. */
export interface Block {
  /** Attention: queries, keys and values in one map (d, 3d), then the merged heads' (d, d). */
  attn: { c_attn: Linear; c_proj: Linear };
  /** Norm after attention's residual; of `gpt2`, before attention. */
  ln_1: Norm;
  /** Feed-forward: (d, 4d), GELU, (4d, d). */
  mlp: { c_fc: Linear; c_proj: Linear };
  /** Norm after the feed-forward residual; of `gpt2`, before the feed-forward layer. */
  ln_2: Norm;
}

/** An LSTM's parameters; d is the width, u the units. */
export interface Lstm {
  /** Input, forget, candidate and output of what is read and what was before: (d + u, 4u). */
  gates: Linear;
  /** To the width, so that the output can be tied to the embeddings: (u, d); absent where u = d. */
  proj?: Linear;
}

/** A language model's parameters as a plain tree; a leaf's path is its name in Hugging Face's `openai-gpt`. */
export interface Parameters {
  /** Token rows and three more for [Start], [Delim] and [Extract]: (vocabulary + 3, d). */
  tokens_embed: { weight: Variable2D };
  /** The table of positions (context, d); absent for kinds without one, not trainable for fixed ones. */
  positions_embed?: { weight: Variable2D };
  /** Of positions `relative`, the bias of each bucket of distances (32, H). */
  relative_attention_bias?: { weight: Variable2D };
  /** The blocks, first to last; none of an LSTM. */
  h: Block[];
  /** Of `lstm`, its layer. */
  lstm?: Lstm;
  /** Of `gpt2`, the norm after the last block. */
  ln_f?: Norm;
  /** A task's head (d, classes); absent before fine-tuning. */
  clf?: Linear;
}

/**
 * Parameters at their start: kernels and embeddings N(0, 0.02), biases 0, gains 1 (§4.1), or what
 * {@linkcode shapes} says of GPT-2's blocks and an LSTM.
 *
 * Each leaf draws from a stream of its own name, so that two configurations of one seed start alike in all
 * that they share.
 *
 * @param config Checked first.
 * @param seed A whole number from 0 to 2³² − 1.
 * @throws {InputError} If the configuration cannot be built or the seed is not such a number.
 *
 * @example
 * ```ts
 * import { presets } from "./config.ts";
 * import { countParameters, dispose, init } from "./parameters.ts";
 *
 * const parameters = init({ ...presets.smoke, vocabulary: 500 }, 1);
 * console.log(countParameters(parameters)); // 42528
 * dispose(parameters);
 * ```
 */
export function init(config: Config, seed: number): Parameters {
  checkConfig(config);
  checkSeed(seed);
  const tree = treeOf(Object.fromEntries(shapes(config)), seed);
  return { ...tree, h: tree["h"] ?? [] } as unknown as Parameters;
}

/** Leaves at their start as a tree: `h.0.ln_1.weight` is at `tree.h[0].ln_1.weight`. */
export function treeOf(leaves: Record<string, Leaf>, seed: number): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [name, leaf] of Object.entries(leaves)) {
    const path = name.split("."), last = path.pop()!;
    const node = path.reduce((node, key, i) => {
      const child = node[key] ??= /^\d+$/.test(path[i + 1] ?? last) ? [] : {};
      return child as Record<string, unknown>;
    }, tree);
    node[last] = variable(startOf(name, leaf, seed), [...leaf.shape] as [number, number], !leaf.fixed);
  }
  return tree;
}

/** A variable that takes the values over, with no tensor left beside it. */
export function variable<R extends tf.Rank>(
  values: Float32Array,
  shape: tf.ShapeMap[R],
  trainable = true,
): tf.Variable<R> {
  return tf.tidy(() => tf.variable(tf.tensor<R>(values, shape, "float32"), trainable));
}

/**
 * A tree's leaves with their dotted paths, always in the same order: `h.0.attn.c_attn.weight`, ….
 *
 * @param model A model, or its parameters.
 * @throws {InputError} If it is neither.
 *
 * @example
 * ```ts
 * import { presets } from "./config.ts";
 * import { dispose, init, leaves } from "./parameters.ts";
 *
 * const parameters = init({ ...presets.smoke, vocabulary: 500 }, 1);
 * console.log(leaves(parameters)[0]?.[0]); // "tokens_embed.weight"
 * dispose(parameters);
 * ```
 */
export function leaves(
  model: Parameters | { readonly parameters: Parameters },
): [name: string, leaf: Variable][] {
  const tree = model && "parameters" in Object(model)
    ? (model as { parameters: Parameters }).parameters
    : model;
  const refuse = (what: string, value: unknown): never => {
    throw new InputError(`Cannot list parameters: expected ${what}: current value is ${quoted(value)}`);
  };
  if (!((tree as Parameters | undefined)?.tokens_embed?.weight instanceof tf.Variable)) {
    if (!isThenable(model)) refuse("a model or its parameters", model);
    throw new InputError("Cannot list the parameters of a model that is not awaited: write await before it");
  }
  const walk = (node: object, path: string): [string, tf.Variable][] => {
    if (typeof node !== "object" || node === null) refuse(`variables at ${path}`, node);
    return Object.entries(node).flatMap(([key, child]) => {
      const name = path ? `${path}.${key}` : key;
      return child instanceof tf.Variable ? [[name, child]] : walk(child as object, name);
    });
  };
  return walk(tree, "");
}

/**
 * Number of parameters, those of a fixed position table included.
 *
 * @param model A model, or its parameters.
 * @throws {InputError} If it is neither.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { countParameters, gpt, presets } from "./mod.ts";
 *
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) });
 * console.log(countParameters(lm) === countParameters(lm.parameters)); // true
 * ```
 */
export function countParameters(model: Parameters | { readonly parameters: Parameters }): number {
  return leaves(model).reduce((sum, [, leaf]) => sum + leaf.size, 0);
}

/**
 * Frees every leaf; a model cannot be used afterwards.
 *
 * @param model A model, or its parameters.
 * @throws {InputError} If it is neither.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { dispose, gpt, leaves, presets } from "./mod.ts";
 *
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) });
 * dispose(lm);
 * console.log(leaves(lm).every(([, leaf]) => leaf.isDisposed)); // true
 * ```
 */
export function dispose(model: Parameters | { readonly parameters: Parameters }): void {
  for (const [, leaf] of leaves(model)) leaf.dispose();
}

/** The same tree with leaves of its own. */
export function clone(parameters: Parameters): Parameters {
  const copy = (node: unknown): unknown => {
    if (node instanceof tf.Variable) return tf.tidy(() => tf.variable(node.clone(), node.trainable));
    if (Array.isArray(node)) return node.map(copy);
    return Object.fromEntries(Object.entries(node as object).map(([key, child]) => [key, copy(child)]));
  };
  return copy(parameters) as Parameters;
}
