import * as tf from "../tfjs.ts";
import { InputError, isThenable, quoted } from "../errors.ts";
import type { Linear, Norm, Variable, Variable2D } from "../engine/mod.ts";
import { checkConfig, checkSeed, type Config } from "./config.ts";
import { initialValues, type Leaf } from "./leaf.ts";
import { shapes } from "./shapes.ts";

/** Parameters of a Transformer block; d is the width. */
export interface Block {
  /** Self-attention: projections to queries, keys and values (d, 3d), and of the merged heads (d, d). */
  attn: { c_attn: Linear; c_proj: Linear };
  /** Layer norm after attention's residual connection; in `gpt2`, before attention. */
  ln_1: Norm;
  /** Feed-forward layer: (d, 4d), GELU, (4d, d). */
  mlp: { c_fc: Linear; c_proj: Linear };
  /** Layer norm after the feed-forward residual connection; in `gpt2`, before the feed-forward layer. */
  ln_2: Norm;
}

/** Parameters of an LSTM; d is the width, u the number of units. */
export interface Lstm {
  /** Input gate, forget gate, candidate and output gate, of input and previous state: (d + u, 4u). */
  gates: Linear;
  /** Projection to the width, so that the output layer can be tied to the embeddings: (u, d); absent if u = d. */
  proj?: Linear;
}

/** A language model's parameters as a tree; their paths are the names in Hugging Face's `openai-gpt`. */
export interface Parameters {
  /** Token embeddings, and three more for [Start], [Delim] and [Extract]: (vocabulary + 3, d). */
  tokens_embed: { weight: Variable2D };
  /** Position embeddings (context, d), if the position kind has a table; not trainable if it is fixed. */
  positions_embed?: { weight: Variable2D };
  /** Attention bias of each bucket of distances (32, H), for positions `relative`. */
  relative_attention_bias?: { weight: Variable2D };
  /** The blocks, first to last; empty for an LSTM. */
  h: Block[];
  /** The LSTM layer of architecture `lstm`. */
  lstm?: Lstm;
  /** Layer norm after the last block of `gpt2`. */
  ln_f?: Norm;
  /** A task's head (d, classes); absent before fine-tuning. */
  clf?: Linear;
}

/**
 * Initialises parameters: weights and embeddings N(0, 0.02), biases 0, layer-norm gains 1 (§4.1). GPT-2's residual
 * projections and the LSTM differ, see {@linkcode shapes}.
 *
 * Each parameter has a random stream of its own name, so that two configurations with the same seed have the same
 * initial values in all parameters that they share.
 *
 * @param config The configuration.
 * @param seed A whole number from 0 to 2³² − 1.
 * @param valuesOf Values of a parameter. Default: its initial ones.
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
export function init(config: Config, seed: number, valuesOf = initialValues): Parameters {
  checkConfig(config);
  checkSeed(seed);
  const tree = treeOf(Object.fromEntries(shapes(config)), seed, valuesOf);
  return { ...tree, h: tree["h"] ?? [] } as unknown as Parameters;
}

/** Parameters as a tree: `h.0.ln_1.weight` is `tree.h[0].ln_1.weight`. */
export function treeOf(
  leaves: Record<string, Leaf>,
  seed: number,
  valuesOf = initialValues,
): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [name, leaf] of Object.entries(leaves)) {
    const path = name.split("."), last = path.pop()!;
    const node = path.reduce((node, key, i) => {
      const child = node[key] ??= /^\d+$/.test(path[i + 1] ?? last) ? [] : {};
      return child as Record<string, unknown>;
    }, tree);
    node[last] = variable(valuesOf(name, leaf, seed), [...leaf.shape] as [number, number], !leaf.fixed);
  }
  return tree;
}

/** A variable with these values; no other tensor is left behind. */
export function variable<R extends tf.Rank>(
  values: Float32Array,
  shape: tf.ShapeMap[R],
  trainable = true,
): tf.Variable<R> {
  return tf.tidy(() => tf.variable(tf.tensor<R>(values, shape, "float32"), trainable));
}

/**
 * All parameters with their names, such as `h.0.attn.c_attn.weight`, always in the same order.
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
 * Number of parameters, including those that are not trained.
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
 * Frees the memory of all parameters; the model cannot be used afterwards.
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

/** A deep copy of parameters. */
export function clone(parameters: Parameters): Parameters {
  const copy = (node: unknown): unknown => {
    if (node instanceof tf.Variable) return tf.tidy(() => tf.variable(node.clone(), node.trainable));
    if (Array.isArray(node)) return node.map(copy);
    return Object.fromEntries(Object.entries(node as object).map(([key, child]) => [key, copy(child)]));
  };
  return copy(parameters) as Parameters;
}
