import * as tf from "@tensorflow/tfjs";
import { InputError, isThenable, quoted } from "../errors.ts";
import type { Linear, Norm } from "../engine/mod.ts";
import { keyOf, normals } from "../engine/mod.ts";
import { checkConfig, checkSeed, type Config } from "./config.ts";
import { positionsAreTrained, positionTable } from "./positions.ts";

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
  tokens_embed: { weight: tf.Variable<tf.Rank.R2> };
  /** (context, d); absent for positions of kind `none`, not trainable for the fixed kinds. */
  positions_embed?: { weight: tf.Variable<tf.Rank.R2> };
  /** The blocks, first to last; none of an LSTM. */
  h: Block[];
  /** Of `lstm`, its layer. */
  lstm?: Lstm;
  /** Of `gpt2`, the norm after the last block. */
  ln_f?: Norm;
  /** A task's head (d, classes); absent before fine-tuning. */
  clf?: Linear;
}

/** Rows that follow the BPE tokens: [Start], [Delim], [Extract]. */
export const SPECIALS = 3;

/** Of kernels and embeddings at their start (§4.1). */
const DEVIATION = 0.02;

/**
 * Parameters at their start: kernels and embeddings N(0, 0.02), biases 0, gains 1 (§4.1). Of `gpt2`, the maps that
 * end in a residual N(0, 0.02/√(2·layers)), so that the sum over blocks is no larger (Radford et al. 2019, §2.3).
 * An LSTM has no norms to make good so small a start, at which it does not leave the unigram plateau: its maps begin
 * such that the gates' sums and the states that it gives have about unit variance, and the forget gate's bias is 1
 * (Jozefowicz et al. 2015).
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
  const { width: d, layers, context, vocabulary, positions: { kind, scale = "matched" } } = config;
  const table = positionTable(kind, scale, context, d, seed);
  const { architecture = "gpt1" } = config;
  const residual = architecture === "gpt2" ? DEVIATION / Math.sqrt(2 * layers) : DEVIATION;
  const block = (i: number): Block => ({
    attn: {
      c_attn: initLinear(d, 3 * d, seed, `h.${i}.attn.c_attn`),
      c_proj: initLinear(d, d, seed, `h.${i}.attn.c_proj`, residual),
    },
    ln_1: initNorm(d),
    mlp: {
      c_fc: initLinear(d, 4 * d, seed, `h.${i}.mlp.c_fc`),
      c_proj: initLinear(4 * d, d, seed, `h.${i}.mlp.c_proj`, residual),
    },
    ln_2: initNorm(d),
  });
  return {
    tokens_embed: { weight: initMatrix(vocabulary + SPECIALS, d, seed, "tokens_embed.weight") },
    ...(table && {
      positions_embed: { weight: variable(table, [context, d], positionsAreTrained(kind)) },
    }),
    h: architecture === "lstm" ? [] : Array.from({ length: layers }, (_, i) => block(i)),
    ...(architecture === "lstm" && { lstm: initLstm(config.units!, d, seed) }),
    ...(architecture === "gpt2" && { ln_f: initNorm(d) }),
  };
}

/**
 * Names and shapes of the leaves that {@linkcode init} makes of a configuration, in the same order: what a file must
 * hold, before any memory is taken.
 *
 * @param config Checked already.
 * @param outputs Of a task's head, where there is one.
 *
 * @example
 * ```ts
 * import { presets } from "./config.ts";
 * import { shapesOf } from "./parameters.ts";
 *
 * console.log(shapesOf({ ...presets.smoke, vocabulary: 500 }).get("tokens_embed.weight")); // [ 503, 32 ]
 * ```
 */
export function shapesOf(config: Config, outputs?: number): Map<string, readonly number[]> {
  const { architecture = "gpt1", layers, width: d, units: u = 0, context, vocabulary, positions } = config;
  type Entry = [name: string, shape: readonly number[]];
  const linear = (name: string, from: number, to: number): Entry[] => [
    [`${name}.weight`, [from, to]],
    [`${name}.bias`, [to]],
  ];
  const norm = (name: string): Entry[] => [[`${name}.weight`, [d]], [`${name}.bias`, [d]]];
  const block = (i: number): Entry[] => [
    ...linear(`h.${i}.attn.c_attn`, d, 3 * d),
    ...linear(`h.${i}.attn.c_proj`, d, d),
    ...norm(`h.${i}.ln_1`),
    ...linear(`h.${i}.mlp.c_fc`, d, 4 * d),
    ...linear(`h.${i}.mlp.c_proj`, 4 * d, d),
    ...norm(`h.${i}.ln_2`),
  ];
  const lstm = (): Entry[] => [
    ...linear("lstm.gates", d + u, 4 * u),
    ...(u === d ? [] : linear("lstm.proj", u, d)),
  ];
  return new Map([
    ["tokens_embed.weight", [vocabulary + SPECIALS, d]] as Entry,
    ...(positions.kind !== "none" ? [["positions_embed.weight", [context, d]] as Entry] : []),
    ...(architecture === "lstm" ? lstm() : Array.from({ length: layers }, (_, i) => block(i)).flat()),
    ...(architecture === "gpt2" ? norm("ln_f") : []),
    ...(outputs === undefined ? [] : linear("clf", d, outputs)),
  ]);
}

/** An affine map at its start: weight N(0, deviation²), bias 0. `name` keys the stream. */
export function initLinear(
  width: number,
  out: number,
  seed: number,
  name: string,
  deviation = DEVIATION,
): Linear {
  return {
    weight: initMatrix(width, out, seed, `${name}.weight`, deviation),
    bias: variable(new Float32Array(out), [out]),
  };
}

function initLstm(units: number, d: number, seed: number): Lstm {
  // What is read are d embeddings of 0.02·√d, what was before are states of about 1/5 in each of the units.
  const read = normals(keyOf(seed, "lstm.gates.read"), d * 4 * units, 1 / (DEVIATION * d));
  const before = normals(keyOf(seed, "lstm.gates.before"), units * 4 * units, 1 / Math.sqrt(units));
  const weight = new Float32Array(read.length + before.length);
  weight.set(read);
  weight.set(before, read.length);
  const bias = new Float32Array(4 * units).fill(1, units, 2 * units);
  return {
    gates: { weight: variable(weight, [d + units, 4 * units]), bias: variable(bias, [4 * units]) },
    ...(units !== d && { proj: initLinear(units, d, seed, "lstm.proj", 5 / Math.sqrt(units)) }),
  };
}

function initNorm(d: number): Norm {
  return { weight: variable(new Float32Array(d).fill(1), [d]), bias: variable(new Float32Array(d), [d]) };
}

function initMatrix(
  rows: number,
  columns: number,
  seed: number,
  name: string,
  deviation = DEVIATION,
): tf.Variable<tf.Rank.R2> {
  return variable(normals(keyOf(seed, name), rows * columns, deviation), [rows, columns]);
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
): [name: string, leaf: tf.Variable][] {
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
