import type { Mean } from "./statistics.ts";

/** A mean over seeds and clusters of test examples, which are crossed: each seed is scored on each cluster. */
export interface CrossedMean extends Mean {
  /** Number of seeds. */
  readonly seeds: number;
  /** Number of clusters; 1 if scores are known as a whole only. */
  readonly clusters: number;
}

/**
 * Degrees of freedom that a seed less one may stand for. Where the variance of few seeds comes out small by chance,
 * Satterthwaite's number is far too large; with this limit intervals cover 93 to 97 % (`data/studies/coverage.md`).
 */
const FREEDOM_PER_SEED = 6;

/**
 * The mean of scores, with the noise of both seeds and examples: its variance is that of two crossed random effects,
 * (MS_seed + MS_cluster − MS_rest) / (seeds × clusters), at least that of the larger effect alone, with Satterthwaite's
 * degrees of freedom. With a single cluster it is Student's, over seeds; with a single seed there is none.
 *
 * @param scores The score of each cluster, by seed: rows of equal length, whose mean is the seed's score.
 *
 * @example
 * ```ts
 * import { crossedMean } from "./crossed.ts";
 *
 * const { mean, error, freedom } = crossedMean([[1, 2, 3, 6], [2, 3, 3, 8], [3, 1, 5, 7]]);
 * console.log(mean.toFixed(3), error.toFixed(3), freedom.toFixed(2)); // 3.667 1.190 3.09
 * ```
 */
export function crossedMean(scores: readonly ArrayLike<number>[]): CrossedMean {
  const seeds = scores.length, clusters = scores[0]!.length;
  const bySeed = new Float64Array(seeds), byCluster = new Float64Array(clusters);
  scores.forEach((row, s) => {
    for (let g = 0; g < clusters; g++) {
      bySeed[s]! += row[g]! / clusters;
      byCluster[g]! += row[g]! / seeds;
    }
  });
  const mean = bySeed.reduce((sum, value) => sum + value, 0) / seeds;
  if (seeds === 1) return { mean, error: NaN, freedom: NaN, seeds, clusters };
  const squares = (values: Float64Array) => values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const ofSeeds = clusters * squares(bySeed) / (seeds - 1);
  if (clusters === 1) return { mean, error: Math.sqrt(ofSeeds / seeds), freedom: seeds - 1, seeds, clusters };
  const ofClusters = seeds * squares(byCluster) / (clusters - 1);
  const restFreedom = (seeds - 1) * (clusters - 1);
  let rest = 0;
  scores.forEach((row, s) => {
    for (let g = 0; g < clusters; g++) rest += (row[g]! - bySeed[s]! - byCluster[g]! + mean) ** 2;
  });
  rest /= restFreedom;

  const sum = ofSeeds + ofClusters - rest, larger = Math.max(ofSeeds, ofClusters);
  const freedom = sum > larger
    ? sum ** 2 / (ofSeeds ** 2 / (seeds - 1) + ofClusters ** 2 / (clusters - 1) + rest ** 2 / restFreedom)
    : ofSeeds > ofClusters
    ? seeds - 1
    : clusters - 1;
  const square = Math.max(sum, larger), share = ofSeeds / square;
  return {
    mean,
    error: Math.sqrt(square / (seeds * clusters)),
    freedom: Math.min(freedom, FREEDOM_PER_SEED * (seeds - 1)),
    parts: [{ share, freedom: seeds - 1 }, { share: 1 - share, freedom: clusters - 1 }],
    ...{ seeds, clusters },
  };
}
