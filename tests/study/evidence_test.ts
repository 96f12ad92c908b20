import { keyOf, normals } from "../../lib/engine/mod.ts";
import { clustersOf } from "../../lib/data/clusters.ts";
import { clopperPearson } from "../../lib/train/measures.ts";
import type { Measure } from "../../lib/data/mod.ts";
import { crossedMean } from "../../lib/study/crossed.ts";
import { detectable, equivalenceP, holm, intervalOf, pValue } from "../../lib/study/statistics.ts";
import { score, scoreByCluster } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import fixture from "../fixtures/statistics.json" with { type: "json" };
import { type Coverage, coverageReport, designs, faults, worthOf } from "./coverage.ts";

const close = (actual: number[], expected: number[], what: string) =>
  assertClose(actual, expected, what, { relative: 1e-6 });

Deno.test("tests, equivalence and power are SciPy's", () => {
  for (
    const { interval, p, equivalence, detectable: smallest, detectableOfTwenty, ...mean } of fixture.tests
  ) {
    close(intervalOf(mean), interval, "interval");
    close([pValue(mean)], [p], `p of ${mean.mean}`);
    close([equivalenceP(mean, 2)], [equivalence], `equivalence of ${mean.mean}`);
    close([detectable(mean)], [smallest], "detectable");
    close([detectable(mean, 0.05 / 20)], [detectableOfTwenty], "detectable, of twenty tests");
  }
});

Deno.test("a sample's interval, p-value and equivalence are statsmodels'; those of two groups are Welch's", () => {
  for (const { margin, interval, p, equivalence, ...mean } of fixture.samples) {
    close(intervalOf(mean), interval, "interval");
    close([pValue(mean), equivalenceP(mean, margin)], [p, equivalence], `p of ${mean.mean}`);
  }
  for (const { interval, p, ...mean } of fixture.welch) {
    close(intervalOf(mean), interval, "interval");
    close([pValue(mean)], [p], `p of ${mean.mean}`);
  }
});

Deno.test("corrected p-values are statsmodels', and one that is unknown does not count", () => {
  for (const { raw, corrected } of fixture.holm) close(holm(raw), corrected, "p");
  assertEquals(holm([NaN, 0.02, 0.03]), [NaN, 0.04, 0.04]);
});

Deno.test("a share's interval is that of Clopper and Pearson", () => {
  for (const { cases, of, interval } of fixture.clopperPearson) {
    close(clopperPearson(cases, of), interval, "share");
  }
});

Deno.test("a mean over seeds and clusters has the variance of statsmodels' mean squares, and Satterthwaite's interval and p-value", () => {
  for (const { scores, interval, p, ...expected } of fixture.crossed) {
    const found = crossedMean(scores);
    close([found.mean, found.error], [expected.mean, expected.error], "crossed");
    close(intervalOf(found), interval, "interval");
    close([pValue(found)], [p], "p");
  }
  // Whole scores only: Student's over seeds. One seed: nothing is known of seeds.
  assertClose([crossedMean([[1], [2], [4]]).error], [Math.sqrt(7 / 9)], "over seeds");
  assertEquals(crossedMean([[1], [2], [4]]).freedom, 2);
  const single = crossedMean([[1, 2, 3]]);
  assertEquals([single.error, pValue(single), equivalenceP(single, 2), detectable(single)], [
    NaN,
    NaN,
    NaN,
    NaN,
  ]);
  assertEquals(pValue(crossedMean([[0, 0], [0, 0]])), 1);
  assertEquals(crossedMean([[0.1], [0.1], [0.1]]).error, 0, "0.1 + 0.1 + 0.1 is above 0.3 by rounding");
  const rounding = crossedMean([[1e-15, -2e-16], [3e-16, 1e-16]], 90);
  assertEquals([rounding.mean, rounding.error], [0, 0], "differences of scores of 90");
  // Twelve seeds of four clusters that differ much: more seeds would not help.
  const alike = Array.from(
    { length: 12 },
    (_, s) => [10, 20, 40, 30].map((score, g) => score + ((s * 7 + g * 5) % 3)),
  );
  assert(crossedMean(alike).seedShare < 0.05);
  const drowned = alike.map((row, s) => row.map((score, g) => score + 60 * Math.sin(s * s + 31 * g * g)));
  assertEquals(crossedMean(drowned).seedShare, 0, "where the clusters' mean square is taken instead");
});

Deno.test("a sum of mean squares has at least the degrees of freedom of its smallest part", () => {
  const freedom = [[0.02, 2], [6, 30], [-5.02, 60]].map(([share, freedom]) => ({
    share: share!,
    freedom: freedom!,
  }));
  assertEquals(intervalOf({ mean: 1, error: 1, freedom }), intervalOf({ mean: 1, error: 1, freedom: 2 }));
});

Deno.test("an interval excludes 0 exactly if p is below 0.05", () => {
  let excluded = 0;
  for (let i = 0; i < 300; i++) {
    const draws = normals(keyOf(i, "agreement"), 3 * 12 + 3, 1);
    const scores = [0, 1, 2].map((s) =>
      Array.from({ length: 12 }, (_, g) => 0.7 + draws[s]! + draws[3 + s * 12 + g]!)
    );
    const found = crossedMean(scores), [low, high] = intervalOf(found);
    assertEquals(low > 0 || high < 0, pValue(found) < 0.05, `${[low, high]}, ${pValue(found)}`);
    if (low > 0 || high < 0) excluded++;
  }
  assert(30 < excluded && excluded < 270, `${excluded}`);
});

Deno.test("an interval stays within its measure's values", () => {
  const wide = { error: 0.4, freedom: 2 };
  for (const mean of [0.01, 0.5, 0.99]) {
    const [low, high] = intervalOf({ mean, ...wide }, "share");
    assert(0 <= low && low < mean && mean < high && high <= 1, `${[low, high]}`);
  }
  const [low, high] = intervalOf({ mean: -0.7, ...wide }, "correlation");
  assert(-1 <= low && low < -0.7 && high <= 1, `${[low, high]}`);
  assert(intervalOf({ mean: 0.3, ...wide }, "amount")[0] > 0);
});

Deno.test("a metric by clusters has the metric as its mean, and the jackknife's values", () => {
  const labels = [0, 1, 1, 0, 1, 0, 1, 1], predictions = [0, 1, 0, 0, 1, 1, 1, 0];
  const clusters = [0, 0, 1, 2, 2, 2, 3, 4];
  for (const measure of ["accuracy", "f1", "matthews", "pearson", "spearman"] as Measure[]) {
    const whole = score(measure, predictions, labels),
      found = scoreByCluster(measure, predictions, labels, clusters);
    assertEquals(found.length, 5);
    assertClose([found.reduce((a, b) => a + b) / 5], [whole], measure);
    const left = [0, 1, 2, 3, 4].map((cluster) => {
      const rest = clusters.flatMap((one, i) => one === cluster ? [] : [i]);
      return score(measure, rest.map((i) => predictions[i]!), rest.map((i) => labels[i]!));
    });
    const mean = left.reduce((a, b) => a + b) / 5;
    assertClose(Array.from(found), left.map((without) => whole + 4 * (mean - without)), measure);
  }
  assertEquals(Array.from(scoreByCluster("accuracy", [1, 0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 1])), [1, 0.5]);
});

Deno.test("examples about the same text are one cluster; a question asked of nearly all is none", () => {
  const pairs = [["a dog", "a cat"], ["a cow", "a pig"], ["Cat, a", "a hen"], ["a fox", "a hen"]];
  const similar = pairs.map(([first, second]) => ({ first: first!, second: second!, label: 0 }));
  assertEquals(Array.from(clustersOf(similar)), [0, 1, 0, 0]);
  const premises = ["it rains", "it snows", "it rains"];
  const entailed = premises.map((premise) => ({ premise, hypothesis: "it is wet", label: 0 }));
  assertEquals(Array.from(clustersOf(entailed)), [0, 1, 0], "two of three are not nearly all");
  assertEquals(Array.from(clustersOf([...entailed, { premise: "!", hypothesis: "", label: 0 }])), [
    0,
    1,
    0,
    2,
  ]);
  const asked = ["q", "q", "q"].map((context, i) => ({ context, choices: [`${i}`, "b"], label: 0 }));
  assertEquals(Array.from(clustersOf(asked)), [0, 1, 2]);
});

Deno.test("intervals of simulated studies cover the truth, and reports find what is there", () => {
  const few = [
    { noise: "seeds ≫ examples", examples: 500, perCluster: 50, seeds: 3 },
    { noise: "seeds ≈ examples", examples: 500, perCluster: 2, seeds: 5 },
    { noise: "seeds ≪ examples", examples: 500, perCluster: 50, seeds: 5 },
  ] as const;
  for (const design of few) {
    const { covered, armCovered, outside, falseReports, found } = worthOf(design, 400, 60);
    // Three standard errors of a share of 400 around the bars, and of 60 around 5 %.
    const what = JSON.stringify({ design, covered, armCovered, falseReports, found });
    assert(0.93 - 0.033 < covered && covered <= 0.99, what);
    assert(0.93 - 0.033 < armCovered && armCovered <= 0.99, what);
    assertEquals(outside, 0);
    assert(falseReports <= 0.05 + 0.085, what);
    assert(Math.abs(found - 0.8) < 0.06, what);
  }
});

Deno.test("data/studies has the simulation of all designs: each statistic is what it promises, as the page beside it says", async () => {
  const read = (name: string) => Deno.readTextFile(new URL(`../../data/studies/${name}`, import.meta.url));
  const coverage: Coverage = JSON.parse(await read("coverage.json"));
  assert(coverage.studies >= 2000 && coverage.reports >= 2000);
  assertEquals(
    coverage.cells.map(({ noise, examples, perCluster, seeds }) => ({ noise, examples, perCluster, seeds })),
    [...designs],
  );
  assertEquals(faults(coverage.cells), []);
  assertEquals(faults([{ ...coverage.cells[0]!, covered: 0.92, falseReports: NaN }]).length, 2);
  assertEquals(await read("coverage.md"), coverageReport(coverage));
});
