/**
 * The operations of `ops.ts` in stock tfjs operations: the plain face, which runs on every backend and is the
 * definition.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { dropoutFactors, type Key } from "./random.ts";

/** An affine map's parameters: weight (in, out), as OpenAI and Hugging Face store it, and bias (out). */
export interface Linear {
  /** (in, out) */
  weight: tf.Variable<tf.Rank.R2>;
  /** (out) */
  bias: tf.Variable<tf.Rank.R1>;
}

/** A layer norm's parameters: gain (d) and bias (d). */
export interface Norm {
  /** Gain (d). */
  weight: tf.Variable<tf.Rank.R1>;
  /** (d) */
  bias: tf.Variable<tf.Rank.R1>;
}

/** One update's settings of OpenAI's Adam on one tensor. */
export interface AdamStep {
  /** What the gradient is multiplied by: less than 1 where it is clipped. */
  readonly factor: number;
  /** Learning rate, corrected for the moments' bias. */
  readonly rate: number;
  /** Weight decay. */
  readonly decay: number;
  /** Of the gradients' running mean. */
  readonly b1: number;
  /** Of their squares' running mean. */
  readonly b2: number;
  /** Joins √v before the bias is corrected. */
  readonly epsilon: number;
}

/** What a site drops: the same key drops the same elements. */
export interface DropoutMask {
  /** Share of elements, in [0, 1). */
  readonly rate: number;
  /** Stream that decides which. */
  readonly key: Key;
}

/** As in `ops.ts`. */
export function linear(x: tf.Tensor, { weight, bias }: Linear): tf.Tensor {
  const [width, out] = weight.shape;
  const rows = tf.matMul(x.reshape([-1, width]) as tf.Tensor2D, weight).add(bias); // (rows, out)
  return rows.reshape([...x.shape.slice(0, -1), out]);
}

/** As in `ops.ts`. */
export function linearGelu(x: tf.Tensor, p: Linear): tf.Tensor {
  const y = linear(x, p);
  const inner = y.mul(y).mul(0.044715).add(1).mul(y).mul(Math.sqrt(2 / Math.PI));
  return inner.tanh().add(1).mul(y).mul(0.5);
}

/** As in `ops.ts`. */
export function residualNorm(x: tf.Tensor, y: tf.Tensor, p: Norm, drop?: DropoutMask): tf.Tensor {
  return layerNorm(x.add(dropout(y, drop)), p);
}

/** As in `ops.ts`. */
export function layerNorm(x: tf.Tensor, { weight, bias }: Norm): tf.Tensor {
  const centred = x.sub(x.mean(-1, true));
  const variance = centred.square().mean(-1, true);
  return centred.mul(variance.add(1e-5).rsqrt()).mul(weight).add(bias);
}

/** As in `ops.ts`. */
export function dropout<T extends tf.Tensor>(x: T, drop?: DropoutMask): T {
  if (!drop || drop.rate === 0) return x;
  return x.mul(tf.tensor(dropoutFactors(drop.key, x.size, drop.rate), x.shape)) as T;
}

/** As in `ops.ts`. */
export function stackedDropout(tables: tf.Tensor2D[], drop?: DropoutMask): tf.Tensor2D {
  return dropout(tf.concat(tables), drop);
}

/** Keys and values of the tokens read so far, each (N, H, S, d/H). */
export interface KeyValues {
  /** Keys. */
  readonly k: tf.Tensor4D;
  /** Values. */
  readonly v: tf.Tensor4D;
}

/** What attention may be given beside queries, keys and values. */
export interface AttentionOptions {
  /**
   * What is added to the scores (2S − 1, H): row S − 1 + j − i for query i and key j of the S tokens. Default: nothing.
   */
  readonly bias?: tf.Tensor2D | undefined;
  /** Dropout mask of the probabilities (N, H, T, S). Default: none. */
  readonly dropout?: DropoutMask | undefined;
  /** How many keys of each sequence all its queries see (N), from 1 to T. Default: each sees those up to its own. */
  readonly lengths?: Int32Array | undefined;
}

/** What {@linkcode attentionWithCache} may be given. */
export interface CachedAttentionOptions extends AttentionOptions {
  /** Keys and values of the tokens before. Default: there are none. */
  readonly past?: KeyValues | undefined;
}

/** As in `ops.ts`. */
export function rotary(qkv: tf.Tensor3D, heads: number, turns: tf.Tensor2D): tf.Tensor3D {
  const [N, T, width] = qkv.shape;
  const d = width / 3, size = d / heads;
  const [cosine, sine] = tf.split(turns.reshape([T, 1, size / 2, 2]), 2, -1) as [tf.Tensor, tf.Tensor];
  const pairs = qkv.slice([0, 0, 0], [N, T, 2 * d]).reshape([N, T, 2 * heads, size / 2, 2]);
  const [x, y] = tf.split(pairs, 2, -1) as [tf.Tensor, tf.Tensor]; // (N, T, 2H, s/2, 1) each
  const turned = tf.concat([x.mul(cosine).sub(y.mul(sine)), x.mul(sine).add(y.mul(cosine))], -1);
  return tf.concat([turned.reshape([N, T, 2 * d]), qkv.slice([0, 0, 2 * d], [N, T, d])], -1) as tf.Tensor3D;
}

/** As in `ops.ts`. */
export function attention(qkv: tf.Tensor3D, heads: number, options: AttentionOptions = {}): tf.Tensor3D {
  return attentionWithCache(qkv, heads, options).a;
}

/**
 * `attention` for a text that is read piece by piece: the T new tokens see those in the cache, too.
 *
 * @returns The heads' values merged (N, T, d), and keys and values of all S tokens so far (N, H, S, d/H).
 */
export function attentionWithCache(
  qkv: tf.Tensor3D,
  heads: number,
  options: CachedAttentionOptions = {},
): KeyValues & { readonly a: tf.Tensor3D } {
  const [N, T, width] = qkv.shape;
  const { weights, k, v } = attentionWeights(qkv, heads, options);
  const mixed = tf.matMul(dropout(weights, options.dropout), v); // (N, H, T, d/H)
  return { a: mixed.transpose([0, 2, 1, 3]).reshape([N, T, width / 3]), k, v };
}

/**
 * How much each of the T new tokens attends to each of all S: a softmax over those that it may see.
 *
 * @returns The weights (N, H, T, S), before dropout, and keys and values of all S tokens so far (N, H, S, d/H).
 */
export function attentionWeights(
  qkv: tf.Tensor3D,
  heads: number,
  { past, bias, lengths }: CachedAttentionOptions = {},
): KeyValues & { readonly weights: tf.Tensor4D } {
  const [N, T, width] = qkv.shape;
  const d = width / 3;
  const split = tf.split(qkv, 3, -1).map((x) =>
    x.reshape([N, T, heads, d / heads]).transpose<tf.Tensor4D>([0, 2, 1, 3])
  );
  const [q, k1, v1] = split as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]; // 3 × (N, H, T, d/H)
  const k = past ? tf.concat([past.k, k1], 2) : k1; // (N, H, S, d/H)
  const v = past ? tf.concat([past.v, v1], 2) : v1; // (N, H, S, d/H)
  const S = k.shape[2];
  let scores: tf.Tensor = tf.matMul(q, k, false, true).div(Math.sqrt(d / heads)); // (N, H, T, S)
  const [keys, queries] = [tf.range(0, S, 1, "int32"), tf.range(S - T, S, 1, "int32").expandDims(1)];
  if (bias) {
    const rows = keys.sub(queries).add(tf.scalar(S - 1, "int32")); // (T, S)
    scores = scores.add(embedding(bias, rows).transpose([2, 0, 1])); // (H, T, S) for each sequence
  }
  // Multiply, then add −1e9, as OpenAI does: −1e4 leaks the future once scores fall below it.
  const seen = (lengths
    ? keys.less(tf.tensor(lengths, [N, 1, 1, 1], "int32")) // (N, 1, 1, S)
    : keys.lessEqual(queries)).cast("float32"); // (T, S)
  const masked = scores.mul(seen).add(seen.sub(1).mul(1e9));
  return { weights: masked.softmax() as tf.Tensor4D, k, v };
}

/** The state of an LSTM after the tokens read so far, each (N, u). */
export interface LstmState {
  /** Its output. */
  readonly h: tf.Tensor2D;
  /** Its cells. */
  readonly c: tf.Tensor2D;
}

/** As in `ops.ts`. */
export function lstm(x: tf.Tensor3D, p: Linear): tf.Tensor3D {
  return lstmWithState(x, p).a;
}

/**
 * `lstm` for a text that is read piece by piece: it goes on from what it remembers of the `past`.
 *
 * @returns The states (N, T, u), and what is remembered now.
 */
export function lstmWithState(
  x: tf.Tensor3D,
  { weight, bias }: Linear,
  past?: LstmState,
): LstmState & { readonly a: tf.Tensor3D } {
  const start = tf.zeros([x.shape[0], bias.size / 4]) as tf.Tensor2D;
  let { h, c }: LstmState = past ?? { h: start, c: start };
  // tfjs' gradient of `unstack` fails on a single one.
  const steps = (x.shape[1] === 1 ? [x.squeeze([1])] : tf.unstack(x, 1)) as tf.Tensor2D[]; // T × (N, d)
  const states = steps.map((x) => {
    const sums = tf.matMul(tf.concat([x, h], 1), weight).add(bias); // (N, 4u)
    const [i, f, g, o] = tf.split(sums, 4, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return h = o.sigmoid().mul(c.tanh());
  });
  return { a: tf.stack(states, 1) as tf.Tensor3D, h, c };
}

/** As in `ops.ts`; wasm has no gradient of `gather`, and a GPU's scatter has no order: there it is a product. */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  const flat = ids.flatten() as tf.Tensor1D;
  const lookup = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [rows, save] = inputs as [tf.Tensor2D, tf.GradSaveFunc];
    save([flat]); // A closure's tensors are gone by the time of the gradient.
    return {
      value: rows.gather(flat),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        if (tf.getBackend() !== "webgpu") return tf.scatterND(saved[0]!.expandDims(1), dy, table.shape);
        const row = tf.range(0, table.shape[0], 1, "int32").expandDims(1); // (V, 1)
        return tf.matMul(row.equal(saved[0]!).cast("float32"), dy); // (V, d)
      },
    };
  });
  return lookup(table).reshape([...ids.shape, table.shape[1]]);
}

/** As in `ops.ts`. */
export function tiedCrossEntropy(
  h: tf.Tensor2D,
  table: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Scalar {
  const loss = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [states, rows, save] = inputs as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const logProbabilities = tf.matMul(states, rows, false, true).logSoftmax(); // (rows, V)
    const hit = tf.oneHot(targets, rows.shape[0]).cast("float32"); // (rows, V)
    save([states, rows, logProbabilities, hit, weights]);
    return {
      value: logProbabilities.mul(hit).sum(1).mul(weights).sum().neg(),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [states, rows, logProbabilities, hit, weights] = saved as tf.Tensor2D[];
        const dLogits = logProbabilities!.exp().sub(hit!).mul(weights!.mul(dy).expandDims(1)) as tf.Tensor2D;
        return [tf.matMul(dLogits, rows!), tf.matMul(dLogits, states!, true, false)];
      },
    };
  });
  return loss(h, table) as tf.Scalar;
}

/** As in `ops.ts`; `addN` would hand a GPU more buffers than one of its programs may take. */
export function norm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => tf.stack(tensors.map((x) => x.square().sum())).sum().sqrt() as tf.Scalar);
}

/** As in `ops.ts`. */
export function adam(
  p: tf.Variable,
  gradient: tf.Tensor,
  m: tf.Variable,
  v: tf.Variable,
  { factor, rate, decay, b1, b2, epsilon }: AdamStep,
): void {
  tf.tidy(() => {
    const g = gradient.mul(factor);
    m.assign(m.mul(b1).add(g.mul(1 - b1)));
    v.assign(v.mul(b2).add(g.square().mul(1 - b2)));
    const step = m.div(v.sqrt().add(epsilon));
    p.assign(p.sub(step.add(p.mul(decay)).mul(rate)));
  });
}
