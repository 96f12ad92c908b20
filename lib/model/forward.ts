import * as tf from "@tensorflow/tfjs";
import {
  attention,
  attentionWeights,
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

/** A model as the forward pass needs it. */
export interface Model {
  /** What it is. */
  readonly config: Config;
  /** Its parameters, as {@linkcode init} makes them of its configuration. */
  readonly parameters: Parameters;
}

/** Which elements an update drops: a function of seed, update and site, so that arms share their masks. */
export interface Dropout {
  /** Share of elements, in [0, 1). */
  readonly rate: number;
  /** Of the run. */
  readonly seed: number;
  /** Updates completed. */
  readonly update: number;
}

/** What a model keeps of the tokens that it has read. */
export interface Cache {
  /** Number of tokens. */
  readonly tokens: number;
  /** Keys and values of each block, or the state of the LSTM; nothing before the first token. */
  readonly layers: readonly (KeyValues | LstmState)[];
}

/** The cache before the first token. */
export const emptyCache: Cache = { tokens: 0, layers: [] };

/** The options of {@linkcode forward}. */
export interface ForwardOptions {
  /** Dropout of an update. Default: none. */
  readonly dropout?: Dropout | undefined;
  /** What was read before, when a text is read piece by piece; {@linkcode emptyCache} begins. Default: no cache. */
  readonly cache?: Cache | undefined;
  /** Tokens of each sequence (N), which `bert` alone needs to know. Default: T. */
  readonly lengths?: Int32Array | undefined;
  /** Gets the attention weights of each block (N, H, T, S), before dropout. Default: nothing does. */
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
      "a cache as forward gives it, or emptyCache",
      (given): given is Cache => Number.isFinite(Object(given).tokens) && Array.isArray(Object(given).layers),
    ),
    ...{ about: "what was read before", otherwise: "none" },
  },
  lengths: {
    ...value("an Int32Array", (given): given is Int32Array => given instanceof Int32Array),
    ...{ about: "tokens of each sequence", otherwise: "all" },
  },
  onAttention: {
    ...value(
      "a function",
      (given): given is NonNullable<ForwardOptions["onAttention"]> => typeof given === "function",
    ),
    ...{ about: "gets the attention weights of each block", otherwise: "none" },
  },
} satisfies SchemaOf<ForwardOptions>;

/** The result of the forward pass. */
export interface States {
  /** The last block's states (N, T, d). */
  readonly h: Tensor3D;
  /** The output's rows (V, d): tokens, specials and, in `paper`, trained positions. Made when first asked for. */
  readonly table: Tensor2D;
  /** The cache with these T tokens, if one was given. */
  readonly cache?: Cache;
}

/**
 * The mask of a dropout site. Sites of block i: 1 + 3i the attention probabilities, 2 + 3i attention's output,
 * 3 + 3i the feed-forward output; 0 the embedding, 1 + 3·blocks the head's input. Of an LSTM: 0 the embedding, 1 the
 * head's input, 2 its output.
 */
export function dropoutAt(dropout: Dropout | undefined, site: number): DropoutMask | undefined {
  return dropout && { rate: dropout.rate, key: threefry([dropout.seed, 0], dropout.update, site) };
}

/**
 * The forward pass: N sequences of T tokens, d = width, H heads. GPT-1's blocks (§3.1, eq. 2) end in their norms; those
 * of `gpt2` begin with them, and one more follows the last; those of `bert` attend in both directions. `lstm` has one
 * layer in their place, which is in `lstm.ts`.
 *
 * @param lm The model.
 * @param ids Tokens (N, T), int32; T plus the tokens in the cache must not exceed the context.
 * @throws {InputError} If an argument is none, the tokens exceed the context, or `bert` is given a cache.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
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
  const grown = cache && { cache: { tokens: cache.tokens + ids.shape[1], layers: pass.layers } };
  return {
    h,
    get table() {
      return table();
    },
    ...grown,
  };
}

/** GPT-1's Transformer (§3.1, eq. 2): each block is attention, then a feed-forward layer, each with its residual. */
function transformer(x: tf.Tensor3D, { parameters, config, attend, maskAt }: Pass): tf.Tensor3D {
  const add = residual[architectureOf(config).residual];
  for (const [i, { attn, ln_1, mlp, ln_2 }] of parameters.h.entries()) {
    x = add(x, (x) => linear(attend(linear(x, attn.c_attn), i), attn.c_proj), ln_1, maskAt(2 + 3 * i)); // (N, T, d)
    x = add(x, (x) => linear(linearGelu(x, mlp.c_fc), mlp.c_proj), ln_2, maskAt(3 + 3 * i)); // (N, T, d)
  }
  return x;
}

/** Where the norm of a sublayer f stands: after the residual's sum (GPT-1, BERT), or before the sublayer (GPT-2). */
const residual = {
  post: (x: tf.Tensor, f: Sublayer, ln: Norm, mask?: DropoutMask) =>
    residualNorm(x, f(x), ln, mask) as tf.Tensor3D,
  pre: (x: tf.Tensor, f: Sublayer, ln: Norm, mask?: DropoutMask) =>
    x.add(dropout(f(layerNorm(x, ln)), mask)) as tf.Tensor3D,
};
type Sublayer = (x: tf.Tensor) => tf.Tensor;

/** What stands between embeddings and output. */
const bodies: Readonly<Record<ArchitectureRule["body"], (x: tf.Tensor3D, pass: Pass) => tf.Tensor3D>> = {
  transformer,
  lstm: lstmBody,
};

/** What a body needs of its pass. */
export interface Pass extends Model {
  /** The mask of a dropout site. */
  maskAt(site: number): DropoutMask | undefined;
  /** Attention of a block: queries, keys and values (N, T, 3d) to the heads' values merged (N, T, d). */
  attend(qkv: tf.Tensor, block: number): tf.Tensor3D;
  /** What was read before, if the pass keeps a cache. */
  readonly cache: Cache | undefined;
  /** Gets each layer's part of the new cache. */
  readonly layers: (KeyValues | LstmState)[];
}

/** A pass over T tokens. Tokens meet in its `attend` alone: positions, the cache and a look at attention enter there. */
function passOf(
  lm: Model,
  ids: tf.Tensor2D,
  { cache, dropout, onAttention, ...options }: ForwardOptions,
): Pass {
  const { parameters, config } = lm, { heads } = config;
  const [N, T] = ids.shape, past = cache?.tokens ?? 0;
  const { turns, bias } = positionRule(config);
  const factors = turns?.(config, past, T); // (T, d/H)
  const biases = bias?.(parameters, config, past + T); // (2S − 1, H)
  const lengths = architectureOf(config).causal ? undefined : options.lengths ?? new Int32Array(N).fill(T);
  const maskAt = (site: number) => dropoutAt(dropout, site);
  const layers: (KeyValues | LstmState)[] = [];
  const attend = (x: tf.Tensor, i: number) => {
    const qkv = factors ? rotary(x as tf.Tensor3D, heads, factors) : x as tf.Tensor3D; // (N, T, 3d)
    const before = cache?.layers[i] as KeyValues | undefined;
    const given = { bias: biases, lengths, dropout: maskAt(1 + 3 * i), past: before };
    onAttention?.(i, attentionWeights(qkv, heads, given).weights);
    if (!cache) return attention(qkv, heads, given); // (N, T, d)
    const { a, k, v } = attentionWithCache(qkv, heads, given);
    layers.push({ k, v }); // Without `a`, which nobody would free.
    return a; // (N, T, d)
  };
  return { parameters, config, maskAt, attend, cache, layers };
}

/** The input's states (N, T, d), and the output's rows (V, d), which are made when they are asked for. */
function embed({ parameters, config }: Model, ids: tf.Tensor2D, { cache, ...options }: ForwardOptions) {
  const [N, T] = ids.shape, { width: d, variant, positions: { scale = "matched" } } = config;
  const tokens: tf.Tensor2D = parameters.tokens_embed.weight; // (V, d)
  const [V] = tokens.shape;
  const positions = positionRows(parameters, config, cache?.tokens ?? 0, T); // (T, d)
  const all = positions ? [tokens, positions] : [tokens];
  const mask = dropoutAt(options.dropout, 0);
  // `paper` applies dropout to the matrix itself: one mask for every use of a row and for the output alike.
  const we = variant === "paper" && mask ? stackedDropout(all, mask) : undefined; // (V + T, d)

  let [x, added]: [tf.Tensor, tf.Tensor | undefined] = [tokens, positions];
  if (we) {
    const rows = tf.concat([ids.flatten(), tf.range(V, we.shape[0], 1, "int32")]);
    const found = embedding(we, rows); // (N·T + T, d): one lookup, as the gradient of each is a matrix
    x = found.slice([0, 0], [N * T, d]).reshape([N, T, d]); // (N, T, d)
    added &&= found.slice([N * T, 0], [T, d]); // (T, d)
  } else x = embedding(tokens, ids); // (N, T, d)
  if (scale === "sqrt-width" || architectureOf(config).scaled) x = x.mul(Math.sqrt(d));
  if (added) x = x.add(added); // (N, T, d)
  if (variant === "clean") x = dropout(x, mask);

  const withPositions = variant === "paper" && positionRule(config).inSoftmax;
  let made: tf.Tensor2D | undefined;
  // At GPT-1's size the matrix is 125 MB, which need not be copied for the states alone.
  const table = () => made ??= withPositions ? we ?? tf.concat(all) : we ? we.slice([0, 0], [V, d]) : tokens;
  return { x, table };
}

/** Refuses, in words, what would fail in an operation far from here. */
function checkForward(lm: Model, ids: tf.Tensor2D, options: ForwardOptions): void {
  const { parameters, config } = Object(lm) as Model;
  const refuse = (expected: string, value: unknown): never => {
    throw new InputError(`Cannot read tokens: expected ${expected}: current value is ${quoted(value)}`);
  };
  if (!(parameters?.tokens_embed?.weight instanceof tf.Variable)) {
    refuse("parameters as init makes them", parameters);
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

/** Scores of the next token (rows, V): states against the token rows, specials and positions left out. */
export function tokenLogits(parameters: Parameters, h: tf.Tensor2D): tf.Tensor2D {
  const table = parameters.tokens_embed.weight;
  const logits = tf.matMul<tf.Tensor2D>(h, table, false, true); // (rows, V + 3)
  return logits.slice([0, 0], [-1, table.shape[0] - SPECIALS]); // (rows, V)
}
