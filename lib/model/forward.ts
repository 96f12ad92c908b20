import * as tf from "@tensorflow/tfjs";
import { InputError, quoted } from "../errors.ts";
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
  residualNorm,
  stackedDropout,
  threefry,
} from "../engine/mod.ts";
import { checkForetells, type Config } from "./config.ts";
import { readLstm } from "./lstm.ts";
import { type Parameters, SPECIALS } from "./parameters.ts";
import { positionsAreTrained } from "./positions.ts";

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
  /** How many they are. */
  readonly tokens: number;
  /** Their keys and values, one pair a block; none before the first token. */
  readonly past: readonly KeyValues[];
  /** What an LSTM remembers of them; nothing before the first token. */
  readonly memory?: LstmState;
}

/** The cache of a text of which nothing has been read. */
export const unread: Cache = { tokens: 0, past: [] };

/** What the forward pass gives. */
export interface States {
  /** The last block's states (N, T, d). */
  readonly h: tf.Tensor3D;
  /** The output's rows (V, d): tokens, specials and, in `paper`, trained positions. Made when first asked for. */
  readonly table: tf.Tensor2D;
  /** The cache, grown by the T tokens, if one was given. */
  readonly cache?: Cache;
}

/**
 * What is dropped at a site. Sites of layer i: 1 + 3i the attention probabilities, 2 + 3i attention's output,
 * 3 + 3i the feed-forward output; 0 the embedding, 1 + 3·layers the head's input. An LSTM's: 0 the embedding, 1 the head's
 * input, 2 its output.
 */
export function dropAt(drop: Dropout | undefined, site: number): DropoutMask | undefined {
  return drop && { rate: drop.rate, key: threefry([drop.seed, 0], drop.update, site) };
}

/**
 * The forward pass: N sequences of T tokens, d = width, H heads. GPT-1's blocks (§3.1, eq. 2) end in their norms; those
 * of `gpt2` begin with them, and one more follows the last; those of `bert` look in both directions. `lstm` has none,
 * but what `lstm.ts` tells.
 *
 * @param parameters As {@linkcode init} makes them.
 * @param config The configuration that they were made with.
 * @param ids Tokens (N, T), int32; T plus the tokens in the cache must not pass the context.
 * @param drop What to drop; nothing unless given.
 * @param cache What was read before, when a text is read piece by piece; {@linkcode unread} begins.
 * @param lengths Tokens of each sequence (N), which `bert` alone needs to know; T unless given.
 * @throws {InputError} If an argument is none, the tokens pass the context, or `bert` should read piece by piece.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { forward, init, presets } from "./mod.ts";
 *
 * const config = { ...presets.smoke, vocabulary: 500 };
 * const { h } = forward(init(config, 1), config, tf.tensor2d([[5, 7, 11]], [1, 3], "int32"));
 * console.log(h.shape); // [ 1, 3, 32 ]
 * ```
 */
export function forward(
  parameters: Parameters,
  config: Config,
  ids: tf.Tensor2D,
  drop?: Dropout,
  cache?: Cache,
  lengths?: Int32Array,
): States {
  checkRead(parameters, config, ids);
  const [N, T] = ids.shape;
  const { heads: H, width: d, context, variant, positions: { kind, scale = "matched" } } = config;
  const { architecture = "gpt1" } = config;
  const past = cache?.tokens ?? 0;
  if (cache) checkForetells(config, "read a text piece by piece");
  if (past + T > context) {
    throw new InputError(`Cannot read ${past + T} tokens as the context is ${context}`);
  }

  const tokens: tf.Tensor2D = parameters.tokens_embed.weight; // (V, d)
  const [V] = tokens.shape;
  const places = parameters.positions_embed?.weight.slice([past, 0], [T, d]); // (T, d)
  const all = places ? [tokens, places] : [tokens];
  // `paper` drops from the matrix itself, by one mask for every use of a row and for the output alike.
  const we = variant === "paper" && drop ? stackedDropout(all, dropAt(drop, 0)) : undefined; // (V+T, d)

  let [x, place]: [tf.Tensor, tf.Tensor | undefined] = [tokens, places];
  if (we) {
    const rows = tf.concat([ids.flatten(), tf.range(V, we.shape[0], 1, "int32")]);
    const found = embedding(we, rows); // (N·T + T, d): one lookup, as the gradient of each is a matrix
    x = found.slice([0, 0], [N * T, d]).reshape([N, T, d]); // (N, T, d)
    place &&= found.slice([N * T, 0], [T, d]); // (T, d)
  } else x = embedding(tokens, ids); // (N, T, d)
  if (scale === "sqrt-width" || parameters.lstm) x = x.mul(Math.sqrt(d));
  if (place) x = x.add(place); // (N, T, d)
  if (variant === "clean") x = dropout(x, dropAt(drop, 0));

  const preNorm = architecture === "gpt2";
  const seen = architecture === "bert" ? lengths ?? new Int32Array(N).fill(T) : undefined;
  const grown: KeyValues[] = [];
  for (const [i, { attn, ln_1, mlp, ln_2 }] of parameters.h.entries()) {
    const [drop1, drop2, drop3] = [1, 2, 3].map((site) => dropAt(drop, site + 3 * i));
    const qkv = linear(preNorm ? layerNorm(x, ln_1) : x, attn.c_attn) as tf.Tensor3D; // (N, T, 3d)
    const read = cache && attentionWithCache(qkv, H, { past: cache.past[i], dropout: drop1 });
    const a = read?.a ?? attention(qkv, H, { dropout: drop1, lengths: seen }); // (N, T, d)
    const merged = linear(a, attn.c_proj); // (N, T, d)
    const n = preNorm ? x.add(dropout(merged, drop2)) : residualNorm(x, merged, ln_1, drop2); // (N, T, d)
    const wide = linearGelu(preNorm ? layerNorm(n, ln_2) : n, mlp.c_fc); // (N, T, 4d)
    const narrow = linear(wide, mlp.c_proj); // (N, T, d)
    x = preNorm ? n.add(dropout(narrow, drop3)) : residualNorm(n, narrow, ln_2, drop3); // (N, T, d)
    if (read) grown.push({ k: read.k, v: read.v }); // Without `a`, which nobody would free.
  }
  let memory: LstmState | undefined;
  if (parameters.lstm) {
    ({ x, memory } = readLstm(x as tf.Tensor3D, parameters.lstm, cache && (cache.memory ?? "begin"))); // (N, T, d)
    x = dropout(x, dropAt(drop, 2));
  }
  if (parameters.ln_f) x = layerNorm(x, parameters.ln_f); // (N, T, d)

  const withPlaces = variant === "paper" && positionsAreTrained(kind);
  let table: tf.Tensor2D | undefined;
  return {
    h: x as tf.Tensor3D,
    get table() {
      // At GPT-1's size the matrix is 125 MB, which a reader of states alone need not copy.
      return table ??= withPlaces ? we ?? tf.concat(all) : we ? we.slice([0, 0], [V, d]) : tokens; // (V+T or V, d)
    },
    ...(cache && { cache: { tokens: past + T, past: grown, ...(memory && { memory }) } }),
  };
}

/** Refuses, in words, what would fail in an operation far from here. */
function checkRead(parameters: Parameters, config: Config, ids: tf.Tensor2D): void {
  const refuse = (what: string, value: unknown): never => {
    throw new InputError(`Cannot read tokens: expected ${what}: current value is ${quoted(value)}`);
  };
  if (!(parameters?.tokens_embed?.weight instanceof tf.Variable)) {
    refuse("parameters as init makes them", parameters);
  }
  if (typeof config?.context !== "number") refuse("the parameters' configuration", config);
  if (!(ids instanceof tf.Tensor) || ids.rank !== 2) {
    refuse('ids as tf.tensor2d([[5, 7]], [1, 2], "int32")', ids);
  }
}

/** Scores of the next token (rows, V): states against the token rows, specials and positions left out. */
export function tokenLogits(parameters: Parameters, h: tf.Tensor2D): tf.Tensor2D {
  const table = parameters.tokens_embed.weight;
  const logits = tf.matMul<tf.Tensor2D>(h, table, false, true); // (rows, V + 3)
  return logits.slice([0, 0], [-1, table.shape[0] - SPECIALS]); // (rows, V)
}
