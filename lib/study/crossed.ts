import { type Mean, ROUNDING } from "./statistics.ts";

/** A mean over seeds and clusters of test examples, which are crossed: each seed is scored on each cluster. */
export interface CrossedMean extends Mean {
  /** Number of seeds. */
  readonly seeds: number;
  /** Number of clusters; 1 if scores are known as a whole only. */
  readonly clusters: number;
  /** Share of the variance that is of seeds: more of them reduce it. */
  readonly seedShare: number;
}

/**
 * The mean of scores, with the noise of both seeds and examples: its variance is that of two crossed random effects,
 * (MS_seed + MS_cluster − MS_rest) / (seeds × clusters), and at least that of the effect of which there are fewer. With a
 * single cluster it is Student's, over seeds; with a single seed there is none. What intervals and p-values of simulated
 * studies are worth is in `data/studies/coverage.md`.
 *
 * @param scores The score of each cluster, by seed: rows of equal length, whose mean is the seed's score.
 * @param size The largest of what they are differences of, to tell rounding from noise. Default: that of the scores.
 *
 * @example
 * ```ts
 * import { crossedMean } from "./crossed.ts";
 * import { intervalOf } from "./statistics.ts";
 *
 * const found = crossedMean([[1, 2, 3, 6], [2, 3, 3, 8], [3, 1, 5, 7]]);
 * console.log(found.mean.toFixed(3), found.error.toFixed(3)); // 3.667 1.190
 * console.log(intervalOf(found).map((bound) => bound.toFixed(2))); // ["0.21", "7.13"]
 * ```
 */
export function crossedMean(scores: readonly ArrayLike<number>[], size = largest(scores)): CrossedMean {
  const seeds = scores.length, clusters = scores[0]!.length;
  const bySeed = new Float64Array(seeds), byCluster = new Float64Array(clusters);
  scores.forEach((row, s) => {
    for (let g = 0; g < clusters; g++) {
      bySeed[s]! += row[g]! / clusters;
      byCluster[g]! += row[g]! / seeds;
    }
  });
  const mean = bySeed.reduce((sum, value) => sum + value, 0) / seeds;
  const exact = (value: number) => Math.abs(value) < ROUNDING * size ? 0 : value;
  const found = (square: number, freedom: CrossedMean["freedom"], seedShare: number): CrossedMean => {
    const error = exact(Math.sqrt(square / (seeds * clusters)));
    return { mean: exact(mean), error, freedom, seeds, clusters, seedShare };
  };
  if (seeds === 1) return found(NaN, NaN, NaN);
  const squares = (values: Float64Array) => values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const ofSeeds = clusters * squares(bySeed) / (seeds - 1);
  if (clusters === 1) return found(ofSeeds, seeds - 1, 1);
  const ofClusters = seeds * squares(byCluster) / (clusters - 1);
  const restFreedom = (seeds - 1) * (clusters - 1);
  let rest = 0;
  scores.forEach((row, s) => {
    for (let g = 0; g < clusters; g++) rest += (row[g]! - bySeed[s]! - byCluster[g]! + mean) ** 2;
  });
  rest /= restFreedom;

  const square = ofSeeds + ofClusters - rest, fewer = seeds <= clusters ? ofSeeds : ofClusters;
  if (square <= fewer) return found(fewer, Math.min(seeds, clusters) - 1, seeds <= clusters ? 1 : 0);
  const parts = [
    { share: ofSeeds / square, freedom: seeds - 1 },
    { share: ofClusters / square, freedom: clusters - 1 },
    { share: -rest / square, freedom: restFreedom },
  ];
  return found(square, parts, ofSeeds / square);
}

/** The largest score, without its sign. */
function largest(scores: readonly ArrayLike<number>[]): number {
  let most = 0;
  for (const row of scores) for (let g = 0; g < row.length; g++) most = Math.max(most, Math.abs(row[g]!));
  return most;
}
