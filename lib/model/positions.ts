import * as tf from "@tensorflow/tfjs";
import { embedding, keyOf, normals } from "../engine/mod.ts";
import { architectureOf } from "./architectures.ts";
import type { Config } from "./config.ts";
import type { Leaf } from "./leaf.ts";
import type { Parameters } from "./parameters.ts";

/**
 * How a token knows its position: the arms of the ablation that the paper left out (§4.1: "we used learned position
 * embeddings instead of the sinusoidal version"), and what came later.
 *
 * | kind | where it acts | start | trained | beyond the context |
 * | --- | --- | --- | --- | --- |
 * | `learned` (GPT-1) | added to the token | random | yes | no |
 * | `sinusoidal` | added to the token | sinusoids (Vaswani et al. 2017, §3.5) | no | yes |
 * | `sinusoidal-trained` | added to the token | sinusoids | yes | no |
 * | `random-frozen` | added to the token | random | no | no |
 * | `none` | nowhere: the causal mask alone orders tokens | | | yes |
 * | `rotary` | turns queries and keys (Su et al. 2021) | | no | yes |
 * | `alibi` | bias of the scores, linear in the distance (Press et al. 2021) | | no | yes |
 * | `relative` | bias of the scores by bucket of the distance (T5: Raffel et al. 2020) | random | yes | yes |
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

/** What a kind of positions can do. */
export interface PositionRule {
  /** Rows of the table that is added to the tokens, (count, d) from position `first` on. Default: no table. */
  readonly table?: (config: Config, seed: number, first: number, count: number) => Float32Array;
  /** Whether updates change the table. Default: no. */
  readonly trained?: boolean;
  /** Whether the table's rows take part in the softmax of variant `paper`. Default: no. */
  readonly inSoftmax?: boolean;
  /** Whether a text longer than the context can be read. Default: no. */
  readonly extends?: boolean;
  /** Parameters beside the table, by name. Default: none. */
  readonly leaves?: (config: Config) => Record<string, Leaf>;
  /** Complex factors of the pairs of features of queries and keys (T, d/H). Default: they stay as they are. */
  readonly turns?: (config: Config, first: number, T: number) => tf.Tensor2D;
  /** Bias of attention's scores (2S − 1, H): row S − 1 + j − i for query i and key j of S tokens. Default: none. */
  readonly bias?: (parameters: Parameters, config: Config, S: number) => tf.Tensor2D;
  /** Why a configuration is refused. Default: it is not. */
  readonly fault?: (config: Config) => string | undefined;
}

/** N(0, 0.02), or as large as a sinusoid: the same seed gives `learned` and `random-frozen` the same table. */
const random: PositionRule["table"] = ({ context, width, positions }, seed, first, count) =>
  normals(keyOf(seed, "positions_embed.weight"), context * width, deviationOf(positions.scale))
    .subarray(first * width, (first + count) * width);

/** PE(p, 2i) = sin(p/10000^(2i/d)), PE(p, 2i + 1) = cos(the same). */
const sinusoids: PositionRule["table"] = ({ width, positions }, _, first, count) =>
  Float32Array.from({ length: count * width }, (_, i) => {
    const [position, column] = [first + Math.floor(i / width), i % width];
    const angle = position / 10000 ** ((column - column % 2) / width);
    return (column % 2 ? Math.cos(angle) : Math.sin(angle)) * deviationOf(positions.scale) * Math.SQRT2;
  });

const evenWidth: PositionRule["fault"] = ({ width }) =>
  width % 2 === 0
    ? undefined
    : `make sinusoids in pairs of sine and cosine as width must be even: current width is ${width}`;

const evenHeads: PositionRule["fault"] = ({ width, heads }) =>
  width / heads % 2 === 0
    ? undefined
    : `turn pairs of features as width over heads must be even: current ones are ${width} and ${heads}`;

/** What each kind is: to add one, add its name to {@linkcode PositionKind} and its line here. */
export const positionRules: Readonly<Record<PositionKind, PositionRule>> = {
  learned: { table: random, trained: true, inSoftmax: true },
  sinusoidal: { table: sinusoids, extends: true, fault: evenWidth },
  "sinusoidal-trained": { table: sinusoids, trained: true, inSoftmax: true, fault: evenWidth },
  "random-frozen": { table: random },
  none: { extends: true },
  rotary: { turns: rotaryTurns, extends: true, fault: evenHeads },
  alibi: { bias: alibiBias, extends: true },
  relative: { bias: relativeBias, leaves: relativeLeaves, extends: true },
};

/** Each {@linkcode PositionKind}. */
export const positionKinds: readonly PositionKind[] = Object.keys(positionRules) as PositionKind[];

/**
 * How large a table of positions is at the start. A raw sinusoid has amplitude 1 where GPT-1's token embeddings start at
 * 0.02, so it would drown them and the comparison would be one of sizes.
 *
 * - `matched`: root mean square 0.02, as the tokens'.
 * - `raw`: root mean square √½, a sinusoid's of amplitude 1.
 * - `sqrt-width`: `raw`, with token embeddings multiplied by √d at the input, as Vaswani et al. did (§3.4).
 */
export const positionScales: readonly PositionScale[] = ["matched", "raw", "sqrt-width"];

/** One of {@linkcode positionScales}. */
export type PositionScale = "matched" | "raw" | "sqrt-width";

function deviationOf(scale: PositionScale = "matched"): number {
  return scale === "matched" ? 0.02 : Math.SQRT1_2;
}

/** What a configuration's kind of positions can do. */
export function positionRule({ positions }: Pick<Config, "positions">): PositionRule {
  return positionRules[positions.kind];
}

/**
 * The rows of the table for T tokens from position `first` on (T, d); of a fixed formula also those beyond the
 * context, as long as one row of the table.
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
function rotaryTurns({ width, heads }: Config, first: number, T: number): tf.Tensor2D {
  const size = width / heads;
  const values = Float32Array.from({ length: T * size }, (_, i) => {
    const [position, column] = [first + Math.floor(i / size), i % size];
    const angle = position / 10000 ** ((column - column % 2) / size);
    return column % 2 ? Math.sin(angle) : Math.cos(angle);
  });
  return tf.tensor2d(values, [T, size]);
}

/** −slope·|i − j|, which a causal model needs for j ≤ i alone (Press et al. 2021, §3). */
function alibiBias(_: Parameters, { heads }: Config, S: number): tf.Tensor2D {
  const slopes = alibiSlopes(heads);
  const values = Float32Array.from(
    { length: (2 * S - 1) * heads },
    (_, i) => -slopes[i % heads]! * Math.abs(Math.floor(i / heads) - (S - 1)),
  );
  return tf.tensor2d(values, [2 * S - 1, heads]);
}

/** 2^(−8/H), 2^(−16/H), …; where H is no power of 2, those of the one below it, then every other one of twice that. */
export function alibiSlopes(heads: number): number[] {
  const below = 2 ** Math.floor(Math.log2(heads));
  const slopes = (count: number) => Array.from({ length: count }, (_, h) => 2 ** (-8 * (h + 1) / count));
  return [...slopes(below), ...slopes(2 * below).filter((_, h) => h % 2 === 0)].slice(0, heads);
}

/** T5's number of buckets, and the distance from which on all are in the last one (Raffel et al. 2020, §2.1). */
const BUCKETS = 32, FARTHEST = 128;

/** One table for all blocks, as T5 has it, which starts as GPT-1's embeddings do. */
function relativeLeaves({ heads }: Config): Record<string, Leaf> {
  return { "relative_attention_bias.weight": { shape: [BUCKETS, heads], start: 0.02 } };
}

function relativeBias({ relative_attention_bias }: Parameters, config: Config, S: number): tf.Tensor2D {
  const { causal } = architectureOf(config);
  const buckets = Int32Array.from({ length: 2 * S - 1 }, (_, row) => relativeBucket(row - (S - 1), causal));
  return embedding(relative_attention_bias!.weight, tf.tensor1d(buckets, "int32")) as tf.Tensor2D;
}

/**
 * The bucket of a key's position minus its query's: of a causal model the first 16 distances have their own, larger ones
 * share the others by their logarithm; where a query sees both sides, each side has half as many.
 */
export function relativeBucket(offset: number, causal: boolean): number {
  const buckets = causal ? BUCKETS : BUCKETS / 2, exact = buckets / 2;
  const side = !causal && offset > 0 ? buckets : 0;
  const distance = causal ? Math.max(0, -offset) : Math.abs(offset);
  if (distance < exact) return side + distance;
  const steps = Math.log2(distance / exact) / Math.log2(FARTHEST / exact) * (buckets - exact);
  return side + Math.min(buckets - 1, exact + Math.floor(steps));
}
