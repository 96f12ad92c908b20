/**
 * Simulates studies whose truth is known, to see what their statistics are worth: how often intervals cover the truth,
 * how often a report finds a difference where there is none, and how often it finds the one that it says it would.
 * Writes data/studies/coverage.json and coverage.md, always the same; 25 minutes of a processor, and all are used.
 *
 *     deno run --allow-read --allow-write=data/studies tests/study/coverage.ts
 *
 * @module
 */
import jstat from "npm:jstat@1.9.6";
import { keyOf, normals, words } from "../../lib/engine/mod.ts";
import { percent } from "../../lib/numbers.ts";
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

/** The true difference of which intervals are made. */
const TRUTH = 0.03;

/** Differences in a simulated report. */
const CONTRASTS = 10;

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

/** The true accuracy of arm 0. */
const accuracyOf = (design: Design): number => jstat.normal.cdf(BASE / spread(design), 0, 1);

/** The normal distribution function between −12 and 12, at steps of 1/64. */
const cumulative = Float64Array.from({ length: 24 * 64 + 2 }, (_, i) => jstat.normal.cdf(i / 64 - 12, 0, 1));

/** The accuracies of two arms in one study, by seed and cluster. */
function study(design: Design, difference: number, number: number): [Float64Array[], Float64Array[]] {
  const { noise, examples, perCluster, seeds } = design, { seed, cluster } = noises[noise];
  const clusters = examples / perCluster;
  const probits = [BASE, spread(design) * jstat.normal.inv(accuracyOf(design) + difference, 0, 1)];
  const key = (name: string) => keyOf(number, noise, examples, perCluster, seeds, name);
  const bySeed = normals(key("seed"), seeds, COMMON.seed);
  const byExample = normals(key("example"), examples, COMMON.example);
  const byCluster = normals(key("cluster"), clusters, COMMON.cluster);
  const draws = words(key("rest"), seeds * examples);
  return probits.map((probit, arm) => {
    const ofSeed = normals(key(`seed ${arm}`), seeds, seed);
    const ofCluster = normals(key(`cluster ${arm}`), clusters, cluster);
    return Array.from({ length: seeds }, (_, s) => {
      const right = new Float64Array(clusters), level = probit + bySeed[s]! + ofSeed[s]!;
      for (let g = 0, i = 0; g < clusters; g++) {
        const shared = level + byCluster[g]! + ofCluster[g]!;
        let count = 0;
        for (const end = i + perCluster; i < end; i++) {
          // With noise of deviation 1, a probit is above 0 as often as a uniform draw (16 bits an arm, of one word) is below
          // the probability of that; its table is linear between steps, exact to 10⁻⁵.
          const place = Math.max(0, Math.min(24 * 64, (shared + byExample[i]! + 12) * 64)), at = place | 0;
          const chance = cumulative[at]! + (place - at) * (cumulative[at + 1]! - cumulative[at]!);
          if (((draws[s * examples + i]! >>> (16 * arm)) & 0xffff) + 0.5 < chance * 65536) count++;
        }
        right[g] = count / perCluster;
      }
      return right;
    });
  }) as [Float64Array[], Float64Array[]];
}

/** The differences of two arms in one study, by seed and cluster. */
function differences(design: Design, difference: number, number: number): Float64Array[] {
  const [a, b] = study(design, difference, number);
  return b.map((row, s) => row.map((score, g) => score - a[s]![g]!));
}

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
export function worthOf(design: Design, count: number, reports: number): Worth {
  const accuracy = accuracyOf(design);
  const covers = ([low, high]: readonly [number, number], value: number) => low <= value && value <= high;
  let [covered, coveredBySeedsAlone, armCovered, outside] = [0, 0, 0, 0];
  for (let number = 0; number < count; number++) {
    const arms = study(design, TRUTH, number);
    const rows = arms[1].map((row, s) => row.map((score, g) => score - arms[0][s]![g]!));
    if (covers(intervalOf(crossedMean(rows)), TRUTH)) covered++;
    const bySeed = rows.map((row) => [row.reduce((a, b) => a + b, 0) / row.length]);
    if (covers(intervalOf(crossedMean(bySeed)), TRUTH)) coveredBySeedsAlone++;
    arms.forEach((arm, i) => {
      const interval = intervalOf(crossedMean(arm), "share");
      if (covers(interval, accuracy + i * TRUTH)) armCovered++;
      if (!(interval[0] >= 0 && interval[1] <= 1)) outside++;
    });
  }
  // The smallest difference to be found changes its own variance: three rounds are enough.
  let smallest = TRUTH;
  for (let round = 0; round < 3; round++) {
    smallest = Math.min(0.4, detectable(trueMean(design, smallest, count)));
  }
  let found = 0, falseReports = 0;
  for (let number = 0; number < count; number++) {
    if (pValue(crossedMean(differences(design, smallest, count + number))) < 0.05) found++;
  }
  // Each difference has arms of its own: those that share an arm are wrong together, which is less often.
  for (let number = 0; number < reports; number++) {
    const values = Array.from(
      { length: CONTRASTS },
      (_, i) => pValue(crossedMean(differences(design, 0, 2 * count + CONTRASTS * number + i))),
    );
    if (holm(values).some((p) => p < 0.05)) falseReports++;
  }
  return {
    covered: covered / count,
    coveredBySeedsAlone: coveredBySeedsAlone / count,
    armCovered: armCovered / (2 * count),
    outside: outside / (2 * count),
    falseReports: falseReports / reports,
    detectable: smallest,
    found: found / count,
  };
}

/** The standard error and its parts, of the components of variance averaged over studies. */
function trueMean(design: Design, difference: number, count: number): Omit<Mean, "mean"> {
  const { seeds, examples, perCluster } = design, clusters = examples / perCluster;
  const freedoms = [seeds - 1, clusters - 1, (seeds - 1) * (clusters - 1)], squares = freedoms.map(() => 0);
  let whole = 0;
  for (let number = 0; number < count; number++) {
    const { error, freedom } = crossedMean(differences(design, difference, number));
    whole += error ** 2;
    const parts = typeof freedom === "number" ? [{ share: 1, freedom }] : freedom;
    parts.forEach(({ share, freedom }) => squares[freedoms.indexOf(freedom)]! += share * error ** 2);
  }
  return {
    error: Math.sqrt(whole / count),
    freedom: freedoms.map((freedom, i) => ({ share: squares[i]! / whole, freedom })),
  };
}

/** What all designs are worth, and of how many simulations each. */
export interface Coverage {
  readonly studies: number;
  readonly reports: number;
  readonly cells: readonly (Design & Worth)[];
}

/** The shares between which a design's statistics must be. */
export const bars = {
  covered: [0.93, 0.975],
  armCovered: [0.93, 0.975],
  outside: [0, 0],
  falseReports: [0, 0.06],
  found: [0.75, 0.85],
} as const;

/** The designs and statistics that are not what they promise. */
export const faults = (cells: Coverage["cells"]): string[] =>
  cells.flatMap((cell) =>
    (Object.keys(bars) as (keyof typeof bars)[]).filter((name) =>
      !(bars[name][0] <= cell[name] && cell[name] <= bars[name][1])
    ).map((name) => `${name} ${cell[name]}: ${JSON.stringify(cell)}`)
  );

/** What each statistic promises, in words. */
const promises: Readonly<Record<keyof typeof bars, readonly [string, string]>> = {
  covered: [`95 % intervals of a difference of ${100 * TRUTH} points that cover it`, "95 %"],
  armCovered: ["95 % intervals of an arm's accuracy that cover it", "95 %"],
  outside: ["those of them that leave 0 to 100 %", "none"],
  falseReports: [`reports of ${CONTRASTS} differences of 0 that find any`, "at most 5 %"],
  found: ["studies that find the difference that is said to be found with 80 % power", "80 %"],
};

/** The simulations as Markdown. */
export function coverageReport({ studies, reports, cells }: Coverage): string {
  const between = (values: readonly number[]) =>
    [Math.min(...values), Math.max(...values)].map(percent).join(" to ");
  const row = (values: readonly unknown[]) => `| ${values.join(" | ")} |\n`;
  const statistics = (Object.keys(bars) as (keyof typeof bars)[]).map((name) =>
    row([...promises[name], between(bars[name]), between(cells.map((cell) => cell[name]))])
  );
  const byDesign = cells.map((cell) =>
    row([
      ...[cell.noise, cell.examples, cell.perCluster, cell.seeds],
      ...[cell.covered, cell.armCovered, cell.outside, cell.falseReports].map(percent),
      ...[(100 * cell.detectable).toFixed(1), percent(cell.found), percent(cell.coveredBySeedsAlone)],
    ])
  );
  return `# What the statistics of studies are worth

${cells.length} designs; of each ${
    studies.toLocaleString("en")
  } studies are simulated for intervals, as many for power, and ${reports.toLocaleString("en")} reports.
In each study two arms answer the same examples, which are in clusters, as those about one text are. Whether an
answer is right depends on the example, its cluster, the seed and chance; about 56 % are. Written by

    deno run --allow-read --allow-write=data/studies tests/study/coverage.ts

| statistic | promise | each design must have | designs have |
| --- | --- | --- | --- |
${statistics.join("")}
Each design; the difference with 80 % power is in points of accuracy. The last column is for comparison: what
intervals of a difference cover if they are over seeds alone, by Student's t.

| noise | examples | in a cluster | seeds | difference covered | arm covered | outside | false reports | 80 % power at | found | seeds alone |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
${byDesign.join("")}`;
}

/** Simulates all designs, each on a thread of its own, as many at a time as there are processors. */
async function simulate(studies: number, reports: number): Promise<Coverage> {
  const cells: (Design & Worth)[] = [], waiting = designs.entries();
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, async () => {
    const worker = new Worker(new URL("./coverage_worker.ts", import.meta.url), { type: "module" });
    for (const [i, design] of waiting) {
      const { promise, resolve } = Promise.withResolvers<Worth>();
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage([design, studies, reports]);
      cells[i] = { ...design, ...await promise };
      console.log(JSON.stringify(cells[i]));
    }
    worker.terminate();
  }));
  return { studies, reports, cells };
}

if (import.meta.main) {
  const coverage = await simulate(4000, 4000);
  const write = (name: string, text: string) =>
    Deno.writeTextFile(new URL(`../../data/studies/${name}`, import.meta.url), text);
  await write("coverage.json", JSON.stringify(coverage, null, 1) + "\n");
  await write("coverage.md", coverageReport(coverage));
  faults(coverage.cells).forEach((fault) => console.log(fault));
}
