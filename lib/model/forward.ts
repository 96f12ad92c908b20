import * as tf from "../tfjs.ts";
import {
  attention,
  attentionWithCache,
  dropout,
  type DropoutMask,
  embedding,
  type KeyValues,
  layerNorm,
  linear,
  linearGelu,
  type LstmState,
  type Norm,
  residualNorm,
  rotary,
  stackedDropout,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  threefry,
} from "../engine/mod.ts";
import { InputError, quoted } from "../errors.ts";
import { type SchemaOf, settle, value } from "../settings.ts";
import { architectureOf, type ArchitectureRule } from "./architectures.ts";
import { checkCausal, type Config } from "./config.ts";
import { lstmBody } from "./lstm.ts";
import type { Parameters } from "./parameters.ts";
import { positionRows, positionRule } from "./positions.ts";
import { SPECIALS } from "./shapes.ts";

/** The part of a model that the forward pass needs. */
export interface Model {
  /** Its configuration. */
  readonly config: Config;
  /** Its parameters, by name. */
  readonly parameters: Parameters;
}

/** Dropout of an update. Masks are a function of seed, update and site, so that arms of a study share them. */
export interface Dropout {
  /** Dropout probability, in [0, 1). */
  readonly rate: number;
  /** Seed of the run. */
  readonly seed: number;
  /** Number of updates completed. */
  readonly update: number;
}

/** The key–value cache of previous tokens, or the LSTM's state after them. */
export interface Cache {
  /** Number of tokens. */
  readonly tokens: number;
  /** Keys and values of each block, or the LSTM's state; empty before the first token. */
  readonly layers: readonly (KeyValues | LstmState)[];
}

/** An empty cache, for the first token. */
export const emptyCache: Cache = { tokens: 0, layers: [] };

/** The options of {@linkcode forward}. */
export interface ForwardOptions {
  /** Dropout of an update. Default: none. */
  readonly dropout?: Dropout | undefined;
  /** Cache of the previous tokens; start with `{ tokens: 0, layers: [] }`. Default: no cache. */
  readonly cache?: Cache | undefined;
  /** Length of each sequence (N), so that `bert` does not attend to padding. Default: T. */
  readonly lengths?: Int32Array | undefined;
  /** Called with the attention weights of each block (N, H, T, S), before dropout. Default: none. */
  readonly onAttention?: ((block: number, weights: Tensor4D) => void) | undefined;
}

/** The settings of {@linkcode ForwardOptions}. */
export const forwardSettings = {
  dropout: {
    ...value(
      "a rate, a seed and an update",
      (given): given is Dropout =>
        ["rate", "seed", "update"].every((name) => Number.isFinite(Object(given)[name])),
    ),
    ...{ about: "dropout of an update", otherwise: "none" },
  },
  cache: {
    ...value(
      "a cache that forward returned, or emptyCache",
      (given): given is Cache => Number.isFinite(Object(given).tokens) && Array.isArray(Object(given).layers),
    ),
    ...{ about: "cache of the previous tokens", otherwise: "none" },
  },
  lengths: {
    ...value("an Int32Array", (given): given is Int32Array => given instanceof Int32Array),
    ...{ about: "length of each sequence", otherwise: "all" },
  },
  onAttention: {
    ...value(
      "a function",
      (given): given is NonNullable<ForwardOptions["onAttention"]> => typeof given === "function",
    ),
    ...{ about: "called with the attention weights of each block", otherwise: "none" },
  },
} satisfies SchemaOf<ForwardOptions>;

/** The result of the forward pass. */
export interface States {
  /** Hidden states of the last block (N, T, d). */
  readonly h: Tensor3D;
  /** Output embeddings (V, d): tokens, special tokens and, in `paper`, trained positions. Computed on first access. */
  readonly table: Tensor2D;
  /** The cache including these T tokens, if a cache was given. */
  readonly cache?: Cache;
}

/**
 * The dropout mask of a site. Sites of a Transformer: 0 the embedding; of block i, 1 + 3i the attention probabilities,
 * 2 + 3i attention's output, 3 + 3i the feed-forward output; 1 + 3·blocks the input of the task's head. Sites of an LSTM:
 * 0 the embedding, 1 the input of the task's head, 2 the LSTM's output.
 */
export function dropoutAt(dropout: Dropout | undefined, site: number): DropoutMask | undefined {
  return dropout && { rate: dropout.rate, key: threefry([dropout.seed, 0], dropout.update, site) };
}

/**
 * The forward pass: N sequences of T tokens, d = width, H heads. `gpt1` (§3.1, eq. 2) applies layer norm after each
 * sublayer; `gpt2` before each, and once more after the last block; `bert` attends in both directions; `lstm` has an
 * LSTM layer instead of the blocks (`lstm.ts`).
 *
 * @param lm The model.
 * @param ids Token ids (N, T), int32; T plus the tokens in the cache must not exceed the context.
 * @throws {InputError} If an argument is invalid, the tokens exceed the context, or `bert` is given a cache.
 *
 * @example
 * ```ts
 * import * as tf from "../tfjs.ts";
 * import { forward, init, presets } from "./mod.ts";
 *
 * const config = { ...presets.smoke, vocabulary: 500 };
 * const { h } = forward({ config, parameters: init(config, 1) }, tf.tensor2d([[5, 7, 11]], [1, 3], "int32"));
 * console.log(h.shape); // [ 1, 3, 32 ]
 * ```
 */
export function forward(lm: Model, ids: Tensor2D, options: ForwardOptions = {}): States {
  checkForward(lm, ids, options);
  const { parameters: { ln_f }, config } = lm, { cache } = options;
  const { x, table } = embed(lm, ids, options); // (N, T, d)
  const pass = passOf(lm, ids, options);
  const states = bodies[architectureOf(config).body](x as tf.Tensor3D, pass); // (N, T, d)
  const h = ln_f ? layerNorm(states, ln_f) as tf.Tensor3D : states; // (N, T, d)
  const newCache = cache && { cache: { tokens: cache.tokens + ids.shape[1], layers: pass.layers } };
  return {
    h,
    get table() {
      return table();
    },
    ...newCache,
  };
}

/** GPT-1's Transformer (§3.1, eq. 2): each block is self-attention, then a feed-forward layer, both with a residual. */
function transformer(x: tf.Tensor3D, { parameters, config, attend, maskAt }: Pass): tf.Tensor3D {
  const add = residual[architectureOf(config).residual];
  for (const [i, { attn, ln_1, mlp, ln_2 }] of parameters.h.entries()) {
    x = add(x, (x) => linear(attend(linear(x, attn.c_attn), i), attn.c_proj), ln_1, maskAt(2 + 3 * i)); // (N, T, d)
    x = add(x, (x) => linear(linearGelu(x, mlp.c_fc), mlp.c_proj), ln_2, maskAt(3 + 3 * i)); // (N, T, d)
  }
  return x;
}

/** A sublayer f with its residual connection: post-LN (GPT-1, BERT) or pre-LN (GPT-2). */
const residual = {
  post: (x: tf.Tensor, f: Sublayer, ln: Norm, mask?: DropoutMask) =>
    residualNorm(x, f(x), ln, mask) as tf.Tensor3D,
  pre: (x: tf.Tensor, f: Sublayer, ln: Norm, mask?: DropoutMask) =>
    x.add(dropout(f(layerNorm(x, ln)), mask)) as tf.Tensor3D,
};
type Sublayer = (x: tf.Tensor) => tf.Tensor;

/** The networks between embeddings and output layer. */
const bodies: Readonly<Record<ArchitectureRule["body"], (x: tf.Tensor3D, pass: Pass) => tf.Tensor3D>> = {
  transformer,
  lstm: lstmBody,
};

/** The context of one forward pass. */
export interface Pass extends Model {
  /** The dropout mask of a site. */
  maskAt(site: number): DropoutMask | undefined;
  /** Attention of a block: from queries, keys and values (N, T, 3d) to the merged heads (N, T, d). */
  attend(qkv: tf.Tensor, block: number): tf.Tensor3D;
  /** Cache of the previous tokens, if there is one. */
  readonly cache: Cache | undefined;
  /** Collects each layer's part of the new cache. */
  readonly layers: (KeyValues | LstmState)[];
}

/** Prepares a forward pass over T tokens. Relative positions, cache and `onAttention` are handled in `attend`. */
function passOf(
  lm: Model,
  ids: tf.Tensor2D,
  { cache, dropout, onAttention, ...options }: ForwardOptions,
): Pass {
  const { parameters, config } = lm, { heads } = config;
  const [N, T] = ids.shape, past = cache?.tokens ?? 0;
  const { rotations, bias } = positionRule(config);
  const factors = rotations?.(config, past, T); // (T, d/H)
  const biases = bias?.(parameters, config, past + T); // (2S − 1, H)
  const lengths = architectureOf(config).causal ? undefined : options.lengths ?? new Int32Array(N).fill(T);
  const maskAt = (site: number) => dropoutAt(dropout, site);
  const layers: (KeyValues | LstmState)[] = [];
  const attend = (x: tf.Tensor, i: number) => {
    const qkv = factors ? rotary(x as tf.Tensor3D, heads, factors) : x as tf.Tensor3D; // (N, T, 3d)
    const before = cache?.layers[i] as KeyValues | undefined;
    const settings = { bias: biases, lengths, dropout: maskAt(1 + 3 * i), past: before };
    if (!cache && !onAttention) return attention(qkv, heads, settings); // (N, T, d)
    const { a, weights, k, v } = attentionWithCache(qkv, heads, settings);
    onAttention?.(i, weights);
    if (cache) layers.push({ k, v }); // The rest would never be freed.
    return a; // (N, T, d)
  };
  return { parameters, config, maskAt, attend, cache, layers };
}

/** Input embeddings (N, T, d), and the output embeddings (V, d), computed on demand. */
function embed({ parameters, config }: Model, ids: tf.Tensor2D, { cache, ...options }: ForwardOptions) {
  const [N, T] = ids.shape, { width: d, variant, positions: { scale = "matched" } } = config;
  const tokens: tf.Tensor2D = parameters.tokens_embed.weight; // (V, d)
  const [V] = tokens.shape;
  const positions = positionRows(parameters, config, cache?.tokens ?? 0, T); // (T, d)
  const all = positions ? [tokens, positions] : [tokens];
  const mask = dropoutAt(options.dropout, 0);
  // `paper` applies dropout to the matrix itself: one mask for every use of a row and for the output layer.
  const we = variant === "paper" && mask ? stackedDropout(all, mask) : undefined; // (V + T, d)

  let [x, added]: [tf.Tensor, tf.Tensor | undefined] = [tokens, positions];
  if (we) {
    const rows = tf.concat([ids.flatten(), tf.range(V, we.shape[0], 1, "int32")]);
    const found = embedding(we, rows); // (N·T + T, d): one lookup, as each has a gradient of the matrix's size
    x = found.slice([0, 0], [N * T, d]).reshape([N, T, d]); // (N, T, d)
    added &&= found.slice([N * T, 0], [T, d]); // (T, d)
  } else x = embedding(tokens, ids); // (N, T, d)
  if (scale === "sqrt-width" || architectureOf(config).scaled) x = x.mul(Math.sqrt(d));
  if (added) x = x.add(added); // (N, T, d)
  if (variant === "clean") x = dropout(x, mask);

  const withPositions = variant === "paper" && positionRule(config).inSoftmax;
  let cachedTable: tf.Tensor2D | undefined;
  // At GPT-1's size the matrix is 125 MB: not copied where only the states are needed.
  const table = () =>
    cachedTable ??= withPositions ? we ?? tf.concat(all) : we ? we.slice([0, 0], [V, d]) : tokens;
  return { x, table };
}

/** Checks arguments here, as an operation's own error would be hard to understand. */
function checkForward(lm: Model, ids: tf.Tensor2D, options: ForwardOptions): void {
  const { parameters, config } = Object(lm) as Model;
  const refuse = (expected: string, value: unknown): never => {
    throw new InputError(`Cannot read tokens: expected ${expected}: current value is ${quoted(value)}`);
  };
  if (!(parameters?.tokens_embed?.weight instanceof tf.Variable)) {
    refuse("parameters that init returned", parameters);
  }
  if (typeof config?.context !== "number") refuse("the parameters' configuration", config);
  if (!(ids instanceof tf.Tensor) || ids.rank !== 2) {
    refuse('ids as tf.tensor2d([[5, 7]], [1, 2], "int32")', ids);
  }
  const { cache } = settle("read tokens", forwardSettings, options);
  if (cache) checkCausal(config, "read a text piece by piece");
  const tokens = (cache?.tokens ?? 0) + ids.shape[1];
  if (tokens > config.context) {
    throw new InputError(`Cannot read ${tokens} tokens as the context is ${config.context}`);
  }
}

/** Next-token logits (rows, V), without special tokens and positions. */
export function tokenLogits(parameters: Parameters, h: tf.Tensor2D): tf.Tensor2D {
  const table = parameters.tokens_embed.weight;
  const logits = tf.matMul<tf.Tensor2D>(h, table, false, true); // (rows, V + 3)
  return logits.slice([0, 0], [-1, table.shape[0] - SPECIALS]); // (rows, V)
}
