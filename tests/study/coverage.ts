/**
 * Simulates studies whose truth is known, to see what their statistics are worth: how often intervals cover the truth,
 * how often a report finds a difference where there is none, and how often it finds the one that it says it would.
 * Writes data/studies/coverage.json and coverage.md; some twenty minutes.
 *
 *     deno run --allow-write=data/studies tests/study/coverage.ts
 *
 * @module
 */
import jstat from "npm:jstat@1.9.6";
import { keyOf, normals } from "../../lib/engine/mod.ts";
import { crossedMean } from "../../lib/study/crossed.ts";
import { detectable, holm, intervalOf, type Mean, pValue } from "../../lib/study/statistics.ts";

/** A design: how many seeds, examples and examples that share a premise, and where the noise comes from. */
export interface Design {
  readonly noise: keyof typeof noises;
  readonly examples: number;
  readonly perCluster: number;
  readonly seeds: number;
}

/** Standard deviations of what a seed, and a premise, do to the difference of two arms, on the probit scale. */
const noises = {
  "seeds ≫ examples": { seed: 0.25, cluster: 0.1 },
  "seeds ≈ examples": { seed: 0.1, cluster: 0.5 },
  "seeds ≪ examples": { seed: 0.02, cluster: 1 },
};

/** What an example, a premise and a seed do to both arms. */
const COMMON = { example: 0.7, cluster: 0.7, seed: 0.1 };

/** The probit of arm 0; about 56 % are right. */
const BASE = 0.25;

export const designs: readonly Design[] = (Object.keys(noises) as Design["noise"][]).flatMap((noise) =>
  [500, 2000].flatMap((examples) =>
    [2, 50].flatMap((perCluster) => [3, 5, 10].map((seeds) => ({ noise, examples, perCluster, seeds })))
  )
);

/** How the probits of a design's arms vary in all. */
function spread({ noise }: Design): number {
  const { seed, cluster } = noises[noise];
  return Math.hypot(1, seed, cluster, COMMON.example, COMMON.cluster, COMMON.seed);
}

/** The probit of arm 1 that makes it better by this much. */
function probitFor(design: Design, difference: number): number {
  const base = jstat.normal.cdf(BASE / spread(design), 0, 1);
  return spread(design) * jstat.normal.inv(base + difference, 0, 1);
}

/** The accuracies of two arms in one study, by seed and cluster. */
function study(design: Design, difference: number, number: number): [Float64Array[], Float64Array[]] {
  const { noise, examples, perCluster, seeds } = design, { seed, cluster } = noises[noise];
  const clusters = examples / perCluster, probits = [BASE, probitFor(design, difference)];
  const key = keyOf(number, noise, examples, perCluster, seeds);
  const noiseOf = (name: string, count: number, deviation: number) =>
    normals(keyOf(key[0], name), count, deviation);
  const bySeed = noiseOf("seed", seeds, COMMON.seed),
    byExample = noiseOf("example", examples, COMMON.example);
  const byCluster = noiseOf("cluster", clusters, COMMON.cluster);
  return probits.map((probit, arm) => {
    const ofSeed = noiseOf(`seed ${arm}`, seeds, seed),
      ofCluster = noiseOf(`cluster ${arm}`, clusters, cluster);
    const rest = noiseOf(`rest ${arm}`, seeds * examples, 1);
    return Array.from({ length: seeds }, (_, s) => {
      const right = new Float64Array(clusters);
      for (let i = 0; i < examples; i++) {
        const g = Math.floor(i / perCluster);
        const level = probit + bySeed[s]! + ofSeed[s]! + byCluster[g]! + ofCluster[g]! + byExample[i]!;
        if (level + rest[s * examples + i]! > 0) right[g]! += 1 / perCluster;
      }
      return right;
    });
  }) as [Float64Array[], Float64Array[]];
}

const differences = ([a, b]: readonly [Float64Array[], Float64Array[]]) =>
  b.map((row, s) => row.map((score, g) => score - a[s]![g]!));

/** Differences in a simulated report. */
const CONTRASTS = 10;

/** What a design's statistics are worth, as shares. */
export interface Worth {
  /** Intervals of a difference that cover it; by Student's t over seeds alone, for comparison. */
  readonly covered: number;
  readonly coveredBySeedsAlone: number;
  /** Intervals of an arm's accuracy that cover it, and that leave 0 to 100 %. */
  readonly armCovered: number;
  readonly outside: number;
  /** Reports of ten differences of 0 that find any. */
  readonly falseReports: number;
  /** The difference that is found with 80 % power, given the true components of variance, and how often it is found. */
  readonly detectable: number;
  readonly found: number;
}

/** Simulates a design: `count` studies for coverage and as many for power, and reports of ten differences of 0. */
export function worthOf(design: Design, count: number, reports = count): Worth {
  const truth = 0.03, base = jstat.normal.cdf(BASE / spread(design), 0, 1);
  const covers = ([low, high]: readonly [number, number], value: number) => low <= value && value <= high;
  let [covered, coveredBySeedsAlone, armCovered, outside] = [0, 0, 0, 0];
  for (let number = 0; number < count; number++) {
    const arms = study(design, truth, number), rows = differences(arms);
    if (covers(intervalOf(crossedMean(rows)), truth)) covered++;
    const bySeed = rows.map((row) => [row.reduce((a, b) => a + b, 0) / row.length]);
    if (covers(intervalOf(crossedMean(bySeed)), truth)) coveredBySeedsAlone++;
    const interval = intervalOf(crossedMean(arms[0]), "share");
    if (covers(interval, base)) armCovered++;
    if (!(interval[0] >= 0 && interval[1] <= 1)) outside++;
  }
  // The smallest difference to be found changes its own variance: three rounds are enough.
  let smallest = truth;
  for (let round = 0; round < 3; round++) {
    smallest = Math.min(0.4, detectable(trueMean(design, smallest, count)));
  }
  let found = 0, falseReports = 0;
  for (let number = 0; number < count; number++) {
    if (pValue(crossedMean(differences(study(design, smallest, count + number)))) < 0.05) found++;
  }
  for (let number = 0; number < reports; number++) {
    const values = Array.from({ length: CONTRASTS }, (_, i) => {
      const rows = differences(study(design, 0, 2 * count + CONTRASTS * number + i));
      return pValue(crossedMean(rows));
    });
    if (holm(values).some((p) => p < 0.05)) falseReports++;
  }
  return {
    covered: covered / count,
    coveredBySeedsAlone: coveredBySeedsAlone / count,
    armCovered: armCovered / count,
    outside: outside / count,
    falseReports: falseReports / reports,
    detectable: smallest,
    found: found / count,
  };
}

/** The standard error and its parts, of the components of variance averaged over studies. */
function trueMean(design: Design, difference: number, count: number): Omit<Mean, "mean"> {
  let [square, ofSeeds] = [0, 0];
  for (let number = 0; number < count; number++) {
    const found = crossedMean(differences(study(design, difference, number)));
    square += found.error ** 2 / count;
    ofSeeds += found.parts![0]!.share * found.error ** 2 / count;
  }
  const share = ofSeeds / square, [few, many] = [design.seeds - 1, design.examples / design.perCluster - 1];
  return {
    error: Math.sqrt(square),
    freedom: 1 / (share ** 2 / few + (1 - share) ** 2 / many),
    parts: [{ share, freedom: few }, { share: 1 - share, freedom: many }],
  };
}

if (import.meta.main) {
  for (const d of designs) {
    console.log(JSON.stringify(d), JSON.stringify(worthOf(d, Number(Deno.args[0]), Number(Deno.args[1]))));
  }
}
