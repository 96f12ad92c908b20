import * as tf from "../tfjs.ts";
import { embedding, keyOf, normals } from "../engine/mod.ts";
import { architectureOf } from "./architectures.ts";
import type { Config } from "./config.ts";
import { DEVIATION, type Leaf } from "./leaf.ts";
import type { Parameters } from "./parameters.ts";

/**
 * Position encodings: those of the ablation that the paper leaves out (§4.1: "we used learned position embeddings
 * instead of the sinusoidal version"), and later ones.
 *
 * | kind | acts on | initial values | trained | extrapolates beyond the context |
 * | --- | --- | --- | --- | --- |
 * | `learned` (GPT-1) | added to token embeddings | random | yes | no |
 * | `sinusoidal` | added to token embeddings | sinusoids (Vaswani et al. 2017, §3.5) | no | yes |
 * | `sinusoidal-trained` | added to token embeddings | sinusoids | yes | no |
 * | `random-frozen` | added to token embeddings | random | no | no |
 * | `none` | nothing: the causal mask is the only order information | | | yes |
 * | `rotary` | rotates queries and keys (Su et al. 2021) | | no | yes |
 * | `alibi` | attention bias, linear in the distance (Press et al. 2021) | | no | yes |
 * | `relative` | attention bias by bucket of the distance (T5: Raffel et al. 2020) | random | yes | yes |
 */
export type PositionKind =
  | "learned"
  | "sinusoidal"
  | "sinusoidal-trained"
  | "random-frozen"
  | "none"
  | "rotary"
  | "alibi"
  | "relative";

/** The definition of a position encoding. */
export interface PositionRule {
  /** Initial position embeddings (count, d), from position `first` on, added to the token embeddings. Default: none. */
  readonly table?: (config: Config, seed: number, first: number, count: number) => Float32Array;
  /** Whether the table is trained. @default false */
  readonly trained?: boolean;
  /** Whether the softmax of variant `paper` includes the table. @default false */
  readonly inSoftmax?: boolean;
  /** Whether it works on sequences longer than the context in training. @default false */
  readonly extrapolates?: boolean;
  /** Other parameters than the table, by name. Default: none. */
  readonly leaves?: (config: Config) => Record<string, Leaf>;
  /** Rotations of the pairs of features of queries and keys, as complex numbers (T, d/H). Default: none. */
  readonly rotations?: (config: Config, first: number, T: number) => tf.Tensor2D;
  /** Bias of attention scores (2S − 1, H): row S − 1 + j − i for query i and key j of S tokens. Default: none. */
  readonly bias?: (parameters: Parameters, config: Config, S: number) => tf.Tensor2D;
  /** What is wrong with a configuration, if anything. Default: nothing. */
  readonly fault?: (config: Config) => string | undefined;
}

/** N(0, σ²), σ by {@linkcode initialDeviation}. The same seed gives `learned` and `random-frozen` the same table. */
const random: PositionRule["table"] = ({ context, width, positions }, seed, first, count) =>
  normals(keyOf(seed, "positions_embed.weight"), context * width, initialDeviation(positions.scale))
    .subarray(first * width, (first + count) * width);

/** PE(p, 2i) = sin(p/10000^(2i/d)), PE(p, 2i + 1) = cos(the same). */
const sinusoids: PositionRule["table"] = ({ width, positions }, _, first, count) =>
  Float32Array.from({ length: count * width }, (_, i) => {
    const [position, column] = [first + Math.floor(i / width), i % width];
    const angle = angleOf(position, column, width);
    return (column % 2 ? Math.cos(angle) : Math.sin(angle)) * initialDeviation(positions.scale) * Math.SQRT2;
  });

/** p/10000^(2i/d), of the pair i that a column of d is in (Vaswani et al. 2017, §3.5; Su et al. 2021, §3.2.2). */
function angleOf(position: number, column: number, columns: number): number {
  return position / 10000 ** ((column - column % 2) / columns);
}

const evenWidth: PositionRule["fault"] = ({ width }) =>
  width % 2 === 0
    ? undefined
    : `use sinusoids in pairs of sine and cosine as width must be even: current width is ${width}`;

const evenHeads: PositionRule["fault"] = ({ width, heads }) =>
  width / heads % 2 === 0
    ? undefined
    : `rotate pairs of features as width / heads must be even: current ones are ${width} and ${heads}`;

/** All position encodings. To add one, add its name to {@linkcode PositionKind} and an entry here. */
export const positionRules: Readonly<Record<PositionKind, PositionRule>> = {
  learned: { table: random, trained: true, inSoftmax: true },
  sinusoidal: { table: sinusoids, extrapolates: true, fault: evenWidth },
  "sinusoidal-trained": { table: sinusoids, trained: true, inSoftmax: true, fault: evenWidth },
  "random-frozen": { table: random },
  none: { extrapolates: true },
  rotary: { rotations: rotaryFactors, extrapolates: true, fault: evenHeads },
  alibi: { bias: alibiBias, extrapolates: true },
  relative: { bias: relativeBias, leaves: relativeLeaves, extrapolates: true },
};

/** All names of position encodings. */
export const positionKinds: readonly PositionKind[] = Object.keys(positionRules) as PositionKind[];

/** All initial scales of the position table. */
export const positionScales: readonly PositionScale[] = ["matched", "raw", "sqrt-width"];

/**
 * Initial scale of the position table. A sinusoid of amplitude 1 is much larger than GPT-1's initial token embeddings,
 * 0.02, so that a comparison with learned positions would be one of scales.
 *
 * - `matched`: root mean square 0.02, as of token embeddings.
 * - `raw`: root mean square √½, as of a sinusoid of amplitude 1.
 * - `sqrt-width`: `raw`, with input token embeddings multiplied by √d (Vaswani et al. 2017, §3.4).
 */
export type PositionScale = "matched" | "raw" | "sqrt-width";

function initialDeviation(scale: PositionScale = "matched"): number {
  return scale === "matched" ? DEVIATION : Math.SQRT1_2;
}

/** The position encoding of a configuration. */
export function positionRule({ positions }: Pick<Config, "positions">): PositionRule {
  return positionRules[positions.kind];
}

/**
 * Position embeddings of T tokens from position `first` on (T, d). A fixed formula also gives those beyond the context.
 */
export function positionRows(
  { positions_embed }: Parameters,
  config: Config,
  first: number,
  T: number,
): tf.Tensor2D | undefined {
  if (!positions_embed) return undefined;
  const { weight } = positions_embed, { width } = config;
  const kept = Math.max(0, Math.min(T, weight.shape[0] - first));
  if (kept === T) return weight.slice([first, 0], [T, width]);
  const more = positionRule(config).table!(config, 0, first + kept, T - kept);
  const rows = tf.tensor2d(more, [T - kept, width]);
  return kept === 0 ? rows : tf.concat([weight.slice([first, 0], [kept, width]), rows]);
}

/** e^(i·p·10000^(−2k/s)) for position p and pair k of a head's s = d/H features (Su et al. 2021, §3.2.2). */
function rotaryFactors({ width, heads }: Config, first: number, T: number): tf.Tensor2D {
  const size = width / heads;
  const values = Float32Array.from({ length: T * size }, (_, i) => {
    const [position, column] = [first + Math.floor(i / size), i % size];
    const angle = angleOf(position, column, size);
    return column % 2 ? Math.sin(angle) : Math.cos(angle);
  });
  return tf.tensor2d(values, [T, size]);
}

/** −slope·|i − j| (Press et al. 2021, §3); a causal model uses j ≤ i only. */
function alibiBias(_: Parameters, { heads }: Config, S: number): tf.Tensor2D {
  const slopes = alibiSlopes(heads);
  const values = Float32Array.from(
    { length: (2 * S - 1) * heads },
    (_, i) => -slopes[i % heads]! * Math.abs(Math.floor(i / heads) - (S - 1)),
  );
  return tf.tensor2d(values, [2 * S - 1, heads]);
}

/** 2^(−8/H), 2^(−16/H), …; if H is not a power of 2, the slopes of the next lower one, then every other of the next higher. */
export function alibiSlopes(heads: number): number[] {
  const powerOfTwo = 2 ** Math.floor(Math.log2(heads));
  const slopes = (count: number) => Array.from({ length: count }, (_, h) => 2 ** (-8 * (h + 1) / count));
  return [...slopes(powerOfTwo), ...slopes(2 * powerOfTwo).filter((_, h) => h % 2 === 0)].slice(0, heads);
}

/** T5's number of buckets, and the distance from which on all share the last bucket (Raffel et al. 2020, §2.1). */
const BUCKETS = 32, FARTHEST = 128;

/** One table for all blocks, as in T5, initialised as GPT-1's embeddings. */
function relativeLeaves({ heads }: Config): Record<string, Leaf> {
  return { "relative_attention_bias.weight": { shape: [BUCKETS, heads], init: DEVIATION } };
}

function relativeBias({ relative_attention_bias }: Parameters, config: Config, S: number): tf.Tensor2D {
  const { causal } = architectureOf(config);
  const buckets = Int32Array.from({ length: 2 * S - 1 }, (_, row) => relativeBucket(row - (S - 1), causal));
  return embedding(relative_attention_bias!.weight, tf.tensor1d(buckets, "int32")) as tf.Tensor2D;
}

/**
 * The bucket of the offset key position − query position. In a causal model the first 16 distances have a bucket each,
 * larger ones share logarithmic buckets; with bidirectional attention each direction has half the buckets.
 */
export function relativeBucket(offset: number, causal: boolean): number {
  const buckets = causal ? BUCKETS : BUCKETS / 2, exact = buckets / 2;
  const side = !causal && offset > 0 ? buckets : 0;
  const distance = causal ? Math.max(0, -offset) : Math.abs(offset);
  if (distance < exact) return side + distance;
  const steps = Math.log2(distance / exact) / Math.log2(FARTHEST / exact) * (buckets - exact);
  return side + Math.min(buckets - 1, exact + Math.floor(steps));
}
