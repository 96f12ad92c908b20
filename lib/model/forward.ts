import * as tf from "@tensorflow/tfjs";
import { attention, dropout, embedding, gelu, layerNorm, linear } from "../engine/ops.ts";
import { threefry } from "../engine/random.ts";
import { InputError } from "../errors.ts";
import type { Config } from "./config.ts";
import { type Parameters, SPECIALS } from "./parameters.ts";
import { positionsAreTrained } from "./positions.ts";

/** Which elements an update drops: a function of seed, update and site, so that arms share their masks. */
export interface Dropout {
  readonly rate: number;
  readonly seed: number;
  readonly update: number;
}

/** Keys and values of the tokens read so far, one pair a block, each (N, H, S, d/H). */
export type Cache = readonly { readonly k: tf.Tensor4D; readonly v: tf.Tensor4D }[];

/** What the forward pass gives. */
export interface States {
  /** The last block's states (N, T, d). */
  readonly h: tf.Tensor3D;
  /** The output's rows (V, d): tokens, specials and, in `paper`, trained positions. Made when first asked for. */
  readonly table: tf.Tensor2D;
  /** The cache, grown by the T tokens. */
  readonly cache: Cache;
}

/**
 * A function that drops at one site. Sites of layer i: 1 + 3i the attention probabilities, 2 + 3i
 * attention's output, 3 + 3i the feed-forward output; 0 the embedding, 1 + 3·layers the head's input.
 */
export function dropAt(drop: Dropout | undefined, site: number): <X extends tf.Tensor>(x: X) => X {
  return (x) => drop ? dropout(x, drop.rate, threefry([drop.seed, 0], drop.update, site)) : x;
}

/**
 * GPT-1's forward pass (§3.1, eq. 2; post-LN): N sequences of T tokens, d = width, H heads.
 *
 * @param parameters As {@linkcode init} makes them.
 * @param config The configuration that they were made with.
 * @param ids Tokens (N, T), int32; T plus the cache's length must not pass the context.
 * @param drop What to drop; nothing unless given.
 * @param cache What was read before, when a text is read piece by piece.
 * @throws {InputError} If the tokens pass the context.
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
): States {
  const [N, T] = ids.shape;
  const { heads: H, width: d, context, variant, positions: { kind, scale = "matched" } } = config;
  const past = cache?.[0]?.k.shape[2] ?? 0;
  if (past + T > context) {
    throw new InputError(`Cannot read ${past + T} tokens as the context is ${context}`);
  }
  const split = (x: tf.Tensor) => x.reshape([N, T, H, d / H]).transpose<tf.Tensor4D>([0, 2, 1, 3]);

  const tokens: tf.Tensor = parameters.tokens_embed.weight; // (V, d)
  const places = parameters.positions_embed?.weight.slice([past, 0], [T, d]); // (T, d)
  const matrix = () => places ? tf.concat([tokens, places]) : tokens; // (V+T, d)
  let [input, place, we] = [tokens, places as tf.Tensor | undefined, undefined as tf.Tensor | undefined];
  if (variant === "paper" && drop) {
    // One mask drops from the matrix itself, for every use of a row and for the output alike.
    we = dropAt(drop, 0)(matrix()); // (V+T, d)
    [input, place] = places ? tf.split(we, [tokens.shape[0]!, T]) as [tf.Tensor, tf.Tensor] : [we, places];
  }

  let x = embedding(input as tf.Tensor2D, ids); // (N, T, d)
  if (scale === "sqrt-width") x = x.mul(Math.sqrt(d));
  if (place) x = x.add(place); // (N, T, d)
  if (variant === "clean") x = dropAt(drop, 0)(x);

  const grown = parameters.h.map((block, i) => {
    const [q, k1, v1] = tf.split(linear(x, block.attn.c_attn), 3, -1).map(split) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ]; // 3 × (N, H, T, d/H)
    const k = cache ? tf.concat([cache[i]!.k, k1], 2) : k1; // (N, H, S, d/H)
    const v = cache ? tf.concat([cache[i]!.v, v1], 2) : v1; // (N, H, S, d/H)
    const a = attention(q, k, v, dropAt(drop, 1 + 3 * i)); // (N, H, T, d/H)
    const merged = a.transpose([0, 2, 1, 3]).reshape([N, T, d]); // (N, T, d)
    const attended = dropAt(drop, 2 + 3 * i)(linear(merged, block.attn.c_proj)); // (N, T, d)
    const n = layerNorm(x.add(attended), block.ln_1); // (N, T, d)
    const wide = gelu(linear(n, block.mlp.c_fc)); // (N, T, 4d)
    const fed = dropAt(drop, 3 + 3 * i)(linear(wide, block.mlp.c_proj)); // (N, T, d)
    x = layerNorm(n.add(fed), block.ln_2); // (N, T, d)
    return { k, v };
  });
  const withPlaces = variant === "paper" && positionsAreTrained(kind);
  let table: tf.Tensor | undefined;
  return {
    h: x as tf.Tensor3D,
    cache: grown,
    get table() {
      // At GPT-1's size the matrix is 125 MB, which a reader of states alone need not copy.
      return (table ??= withPlaces ? we ?? matrix() : input) as tf.Tensor2D; // (V+T, d) or (V, d)
    },
  };
}

/** Scores of the next token (rows, V): states against the token rows, specials and positions left out. */
export function tokenLogits(parameters: Parameters, h: tf.Tensor2D): tf.Tensor2D {
  const table = parameters.tokens_embed.weight;
  const logits = tf.matMul<tf.Tensor2D>(h, table, false, true); // (rows, V + 3)
  return logits.slice([0, 0], [-1, table.shape[0] - SPECIALS]); // (rows, V)
}
