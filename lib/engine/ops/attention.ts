import * as tf from "../../tfjs.ts";
import { InputError } from "../../errors.ts";
import { type Case, casesOf } from "../cases.ts";
import type { KernelCalls } from "../kernel-calls.ts";
import { AB, ABt, AtB, compute, differentiable, gemm, type WasmContext } from "../operation.ts";
import { dropoutArguments, type DropoutMask, dropoutReference, maskBytes, sampleMask } from "./dropout.ts";
import { embeddingReference } from "./embedding.ts";
import type { Tensor4D } from "../tensors.ts";

/** Keys and values of the tokens read so far, each (N, H, S, d/H). */
export interface KeyValues {
  /** Keys. */
  readonly k: Tensor4D;
  /** Values. */
  readonly v: Tensor4D;
}

/** What attention may be given beside queries, keys and values. */
export interface AttentionOptions {
  /**
   * What is added to the scaled scores (2S − 1, H): row S − 1 + j − i for query i and key j of the S tokens, as in ALiBi
   * (Press et al. 2021) and T5's relative positions (Raffel et al. 2020, §2.1). Default: nothing.
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

/** What {@linkcode attentionWithCache} gives: N sequences, T new tokens, S tokens so far, H heads. */
export interface Attended extends KeyValues {
  /** The heads' values merged (N, T, d). */
  readonly a: tf.Tensor3D;
  /** How much each new token attends to each of all (N, H, T, S), before dropout. */
  readonly weights: Tensor4D;
}

/**
 * Attention of all heads, `softmax(q·kᵀ/√(d/H) + bias, masked)·v`, a query seeing the keys up to its own position
 * (§3.1, eq. 2: masked self-attention); or, where lengths are given, all keys but padding.
 *
 * @param qkv Queries, keys and values side by side (N, T, 3d).
 * @param heads H, which share d evenly.
 * @returns The heads' values merged (N, T, d).
 * @throws {InputError} If a bias has another shape, or the fused implementation is given lengths that sequences of T
 * tokens cannot have.
 */
export function attention(qkv: tf.Tensor3D, heads: number, options: AttentionOptions = {}): tf.Tensor3D {
  return compute({ reference: attentionReference, fused: attentionFused }, qkv, heads, options);
}

/** The reference of {@linkcode attention}. */
export function attentionReference(
  qkv: tf.Tensor3D,
  heads: number,
  options: AttentionOptions = {},
): tf.Tensor3D {
  return attentionWithCacheReference(qkv, heads, options).a;
}

/**
 * {@linkcode attention} for a text that is read piece by piece, or that is looked at: the T new tokens see those in the
 * cache, too. The fused implementation has neither gradients nor dropout.
 */
export function attentionWithCache(
  qkv: tf.Tensor3D,
  heads: number,
  options: CachedAttentionOptions = {},
): Attended {
  if (options.dropout || tf.engine().isTapeOn()) return attentionWithCacheReference(qkv, heads, options);
  const implementations = { reference: attentionWithCacheReference, fused: attentionWithCacheFused };
  return compute(implementations, qkv, heads, options);
}

/** The reference of {@linkcode attentionWithCache}. */
export function attentionWithCacheReference(
  qkv: tf.Tensor3D,
  heads: number,
  { past, bias, lengths, dropout }: CachedAttentionOptions = {},
): Attended {
  const [N, T, width] = qkv.shape;
  const d = width / 3;
  const split = tf.split(qkv, 3, -1).map((x) =>
    x.reshape([N, T, heads, d / heads]).transpose<tf.Tensor4D>([0, 2, 1, 3])
  );
  const [q, k1, v1] = split as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]; // 3 × (N, H, T, d/H)
  const k = past ? tf.concat([past.k, k1], 2) : k1; // (N, H, S, d/H)
  const v = past ? tf.concat([past.v, v1], 2) : v1; // (N, H, S, d/H)
  const S = k.shape[2];
  if (bias) checkBias(bias, S, heads);
  let scores: tf.Tensor = tf.matMul(q, k, false, true).div(Math.sqrt(d / heads)); // (N, H, T, S)
  const [keys, queries] = [tf.range(0, S, 1, "int32"), tf.range(S - T, S, 1, "int32").expandDims(1)];
  if (bias) {
    const rows = keys.sub(queries).add(tf.scalar(S - 1, "int32")); // (T, S)
    scores = scores.add(embeddingReference(bias, rows).transpose([2, 0, 1])); // (H, T, S) for each sequence
  }
  // Multiply, then add −1e9, as OpenAI does: −1e4 leaks the future once scores fall below it.
  const seen = (lengths
    ? keys.less(tf.tensor(lengths, [N, 1, 1, 1], "int32")) // (N, 1, 1, S)
    : keys.lessEqual(queries)).cast("float32"); // (T, S)
  const weights = scores.mul(seen).add(seen.sub(1).mul(1e9)).softmax() as tf.Tensor4D; // (N, H, T, S)
  const mixed = tf.matMul(dropoutReference(weights, dropout) as tf.Tensor4D, v); // (N, H, T, d/H)
  return { a: mixed.transpose<tf.Tensor4D>([0, 2, 1, 3]).reshape([N, T, d]), weights, k, v };
}

/** {@linkcode attentionWithCache}, fused: generation calls it for a token at a time, in which stock operations idle. */
export function attentionWithCacheFused(
  wasm: WasmContext,
  qkv: tf.Tensor3D,
  heads: number,
  { past, bias, lengths }: CachedAttentionOptions = {},
): Attended {
  const { addressOf, make, memory, scratch } = wasm;
  const [N, T, width] = qkv.shape, before = past?.k.shape[2] ?? 0, S = before + T;
  if (lengths) checkLengths(lengths, N, S);
  if (bias) checkBias(bias, S, heads);
  const d = width / 3, size = d / heads;
  for (const { shape } of past ? [past.k, past.v] : []) { // What lies behind another one would be read.
    if (tf.util.arraysEqual(shape, [N, heads, before, size])) continue;
    throw new InputError(
      `Cannot attend to a cache of shape [${shape}]: expected [${[N, heads, before, size]}]`,
    );
  }
  const [k0, k1, threshold, kept] = dropoutArguments(undefined);
  const a = make([N, T, d]) as tf.Tensor3D, weights = make([N, heads, T, S]) as tf.Tensor4D;
  const k = make([N, heads, S, size]) as tf.Tensor4D, v = make([N, heads, S, size]) as tf.Tensor4D;
  const distances = bias ? 2 * S - 1 : 0, [perHead] = scratch(4 * heads * distances);
  if (bias) transpose(wasm, distances, heads, addressOf(bias), perHead, 1);
  const [from, to, all] = [qkv, a, weights].map((x) => addressOf(x)) as [number, number, number];
  const bytes = new Uint8Array(memory.buffer), row = 4 * size;
  const stores = ([[k, past?.k], [v, past?.v]] as const).map(([store, old]) => [
    addressOf(store),
    old ? addressOf(old) : 0,
  ]) as [[number, number], [number, number]];
  eachHead(wasm, { N, T, heads, size, lengths }, (kernels, head, inner, outer, _, keys) => {
    const q = from + inner, scores = all + 4 * head * T * S;
    const [key, value] = stores.map(([store, old], i) => {
      const at = store + row * S * head;
      bytes.copyWithin(at, old + row * before * head, old + row * before * (head + 1));
      for (let t = 0; t < T; t++) {
        const token = q + 4 * (width * t + d * (i + 1));
        bytes.copyWithin(at + row * (before + t), token, token + row);
      }
      return at;
    }) as [number, number];
    const biases = bias ? perHead + 4 * (head % heads * distances + T - 1) : 0; // Of the first token and key 0.
    gemm(kernels, ABt, [T, S, size], q, width, key, size, scores, S);
    // deno-fmt-ignore
    kernels.softmax(
      before, S, S, keys, 1 / Math.sqrt(size), biases, scores, 0, 0, k0, k1, threshold, kept, 0,
    );
    gemm(kernels, AB, [T, size, S], scores, S, value, size, to + outer, d);
  });
  return { a, weights, k, v };
}

/** Rows of scores that are computed together, so that few beyond the diagonal are. */
const BAND = 64;

/** {@linkcode attention}, fused: the scores of one head at a time, in bands of rows, never those of all. */
export function attentionFused(
  wasm: WasmContext,
  qkv: tf.Tensor3D,
  heads: number,
  options: AttentionOptions = {},
): tf.Tensor3D {
  const { threads, own, addressOf, make, scratch, floats } = wasm;
  const { bias, dropout: mask, lengths } = options;
  const [N, T, width] = qkv.shape;
  if (lengths) checkLengths(lengths, N, T);
  if (bias) checkBias(bias, T, heads);
  const d = width / 3, size = d / heads, scale = 1 / Math.sqrt(size);
  const [k0, k1, threshold, kept] = dropoutArguments(mask);
  const square = 4 * T * T, maskSize = maskBytes(T);
  const distances = bias ? 2 * T - 1 : 0;
  /** Where a head's biases of a row are, of key 0 on. */
  const biasOf = (biases: number, head: number, row: number) =>
    biases && biases + 4 * (head * distances + T - 1 - row);
  /** Columns of the scores that a band of rows up to `end` needs, zeros from the last key on. */
  const columns = (end: number) => lengths ? T : end;
  const sizes: Sizes = { N, T, heads, size, lengths };
  return differentiable([qkv, ...(bias ? [bias] : [])], (taped) => {
    const value = make([N, T, d]);
    const saved = taped ? make([N, heads, T, T]) : undefined;
    const [tiles, masks, perHead] = scratch(threads * square, threads * maskSize, 4 * heads * distances);
    if (bias) transpose(wasm, distances, heads, addressOf(bias), perHead, 1); // So that a row's are neighbours.
    const biases = bias ? perHead : 0;
    const [from, to, all] = [addressOf(qkv), addressOf(value), saved ? addressOf(saved) : 0];
    const inPlace = saved !== undefined && threshold === 0; // The probabilities are then what is multiplied.
    eachHead(wasm, sizes, (kernels, head, inner, outer, part, keys) => {
      const q = from + inner, key = q + 4 * d, v = key + 4 * d, out = to + outer;
      const scores = inPlace ? all + square * head : tiles + square * part;
      const saves = saved && !inPlace ? all + square * head : 0;
      eachBand(T, (first, end) => {
        const row = 4 * T * first, rows = end - first, band = scores + row, seen = columns(end);
        gemm(kernels, ABt, [rows, seen, size], q + 4 * width * first, width, key, width, band, T);
        // deno-fmt-ignore
        kernels.softmax(
          first, end, T, keys, scale, biasOf(biases, head % heads, first), band, saves && saves + row,
          (head * T + first) * T, k0, k1, threshold, kept, masks + part * maskSize,
        );
        gemm(kernels, AB, [rows, size, seen], band, T, v, width, out + 4 * d * first, d);
      });
    });
    return {
      value,
      saved: saved ? [qkv, saved] : [],
      backward(dy, [qkv, saved]) {
        const result = make([N, T, width]);
        const each = heads * distances;
        const bytes = [threads * square, threads * square, 4 * N * each, 4 * each] as const;
        const [tiles, mixtures, sums, total] = scratch(...bytes);
        const dBiases = bias ? sums : 0;
        if (bias) floats(dBiases, N * each).fill(0);
        const [from, to, all, d0] = [addressOf(qkv!), addressOf(result), addressOf(saved!), addressOf(dy)];
        eachHead(wasm, sizes, (kernels, head, inner, outer, part, keys) => {
          const q = from + inner, key = q + 4 * d, v = key + 4 * d, dOut = d0 + outer;
          const dq = to + inner, dKey = dq + 4 * d, dv = dKey + 4 * d;
          const p = all + square * head, tile = tiles + square * part;
          const mixed = threshold === 0 ? p : mixtures + square * part;
          eachBand(T, (first, end) => {
            const row = 4 * T * first, rows = end - first, band = tile + row, step = 4 * width * first;
            const seen = columns(end);
            gemm(kernels, ABt, [rows, seen, size], dOut + 4 * d * first, d, v, width, band, T);
            // deno-fmt-ignore
            kernels.softmaxBack(
              first, end, T, keys, scale, p + row, band, threshold && mixed + row, kept, biasOf(dBiases, head, first),
            );
            gemm(kernels, AB, [rows, size, seen], band, T, key, width, dq + step, width);
          });
          eachBand(T, (first, end) => { // Of keys, which the queries from theirs on see, or all.
            const query = lengths ? 0 : first, corner = 4 * (T * query + first), step = 4 * width * first;
            const shape = [end - first, size, T - query] as const, seeing = q + 4 * width * query;
            gemm(kernels, AtB, shape, tile + corner, T, seeing, width, dKey + step, width);
            gemm(kernels, AtB, shape, mixed + corner, T, dOut + 4 * d * query, d, dv + step, width);
          });
        });
        if (!bias) return [result];
        // First within a sequence, by one thread; then over sequences, by this one.
        own.sumRows(N, each, dBiases, total);
        const dBias = make(bias.shape);
        transpose(wasm, heads, distances, total, addressOf(dBias), 1 / scale);
        return [result, dBias];
      },
    };
  });
}

/** Sequences, tokens, heads, the width of one, and how many keys all queries see, if they do. */
interface Sizes {
  readonly N: number;
  readonly T: number;
  readonly heads: number;
  readonly size: number;
  readonly lengths: Int32Array | undefined;
}

/**
 * Visits each head of each sequence, divided among the threads: its number, where it begins in (N, T, 3d) and in
 * (N, T, d), the thread's number, and how many keys all queries see, 0 where each sees those up to its own.
 */
function eachHead(
  { divide }: WasmContext,
  { N, T, heads, size, lengths }: Sizes,
  visit: (
    kernels: KernelCalls,
    head: number,
    inner: number,
    outer: number,
    part: number,
    keys: number,
  ) => void,
): void {
  const d = heads * size;
  divide(N * heads, 1, 4 * T * T * size, (kernels, first, count, part) => {
    for (let head = first; head < first + count; head++) {
      const [n, h] = [Math.floor(head / heads), head % heads], keys = lengths?.[n] ?? 0;
      visit(kernels, head, 4 * (n * T * 3 * d + h * size), 4 * (n * T * d + h * size), part, keys);
    }
  });
}

/** Visits the bands of T rows, first to last. */
function eachBand(T: number, visit: (first: number, end: number) => void): void {
  for (let first = 0; first < T; first += BAND) visit(first, Math.min(first + BAND, T));
}

/** Refuses lengths that sequences of T tokens cannot have. */
function checkLengths(lengths: Int32Array, N: number, T: number): void {
  if (lengths.length !== N || lengths.some((length) => !(length >= 1 && length <= T))) {
    throw new InputError(
      `Cannot attend to [${lengths}] tokens as each of ${N} sequences must have from 1 to ${T} of them`,
    );
  }
}

/** Refuses a bias that is not one of S tokens' distances. */
function checkBias({ shape }: tf.Tensor2D, S: number, heads: number): void {
  if (shape[0] !== 2 * S - 1 || shape[1] !== heads) {
    throw new InputError(
      `Cannot add a bias of shape [${shape}] to the scores of ${S} tokens in ${heads} heads: expected ` +
        `[${2 * S - 1},${heads}]`,
    );
  }
}

/** Writes a matrix transposed, times a factor. */
function transpose(
  { floats }: WasmContext,
  rows: number,
  columns: number,
  from: number,
  to: number,
  factor: number,
): void {
  const [x, y] = [floats(from, rows * columns), floats(to, rows * columns)];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) y[j * rows + i] = factor * x[i * columns + j]!;
  }
}

const valuesOf = ({ a, weights, k, v }: Attended): tf.Tensor[] => [a, weights, k, v];

/** What is compared. */
export const cases: Case[] = [
  ...casesOf(attention, attentionReference, [
    ...([[2, 5, 3, 3], [1, 68, 2, 8]] as const).map(([N, T, heads, size]) => ({
      shapes: [[N, T, 3 * heads * size]],
      call: (op: typeof attention, qkv?: tf.Tensor) => op(qkv as tf.Tensor3D, heads, { dropout: sampleMask }),
    })),
    ...[undefined, Int32Array.of(7, 4)].map((lengths) => ({
      shapes: [[2, 7, 30], [13, 2]],
      call: (op: typeof attention, qkv?: tf.Tensor, bias?: tf.Tensor) =>
        op(qkv as tf.Tensor3D, 2, { bias: bias as tf.Tensor2D, dropout: sampleMask, lengths }),
    })),
  ]),
  ...casesOf(attentionWithCache, attentionWithCacheReference, [
    ...([{}, { lengths: Int32Array.of(2, 3) }] as const).map((options) => ({
      shapes: [[2, 3, 30], [5, 2]],
      call: (op: typeof attentionWithCache, qkv?: tf.Tensor, bias?: tf.Tensor) =>
        valuesOf(op(qkv as tf.Tensor3D, 2, { ...options, bias: bias as tf.Tensor2D })),
    })),
    ...[1, 3].map((T) => ({
      shapes: [[2, T, 30], [2, 2, 4, 5], [2, 2, 4, 5], [2 * (4 + T) - 1, 2]],
      call: (op: typeof attentionWithCache, ...[qkv, k, v, bias]: tf.Tensor[]) =>
        valuesOf(op(qkv as tf.Tensor3D, 2, { past: { k, v } as KeyValues, bias: bias as tf.Tensor2D })),
    })),
    {
      shapes: [[1, 1, 24], [1, 2, 70, 4], [1, 2, 70, 4]],
      call: (op, qkv, k, v) => valuesOf(op(qkv as tf.Tensor3D, 2, { past: { k, v } as KeyValues })),
    },
  ]),
];
