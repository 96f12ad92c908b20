import { clustersOf } from "../../lib/data/clusters.ts";
import type { Measure } from "../../lib/data/mod.ts";
import { crossedMean } from "../../lib/study/crossed.ts";
import {
  clopperPearson,
  detectable,
  equivalenceP,
  holm,
  intervalOf,
  pValue,
} from "../../lib/study/statistics.ts";
import { score, scoreByCluster } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import fixture from "../fixtures/statistics.json" with { type: "json" };
import { worthOf } from "./coverage.ts";

const close = (actual: number[], expected: number[], what: string) =>
  assertClose(actual, expected, what, { relative: 1e-6 });

Deno.test("tests, equivalence and power are SciPy's", () => {
  for (const { interval, p, equivalence, detectable: smallest, ...mean } of fixture.tests) {
    close(intervalOf(mean), interval, "interval");
    close([pValue(mean)], [p], `p of ${mean.mean}`);
    close([equivalenceP(mean, 2)], [equivalence], `equivalence of ${mean.mean}`);
    close([detectable(mean)], [smallest], "detectable");
  }
});

Deno.test("p-values of a mean of two parts have the root of the squares of their quantiles", () => {
  for (const { share, freedoms: [few, many], t, p } of fixture.parts) {
    const parts = [{ share, freedom: few! }, { share: 1 - share, freedom: many! }];
    close([pValue({ mean: -t, error: 1, freedom: NaN, parts })], [p], "p");
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

Deno.test("a mean over seeds and clusters has the variance of statsmodels' mean squares", () => {
  for (const { scores, ...expected } of fixture.crossed) {
    const { mean, error, freedom } = crossedMean(scores);
    assertClose([mean, error, freedom], [expected.mean, expected.error, expected.freedom], "crossed");
  }
  // Whole scores only: Student's over seeds. One seed: nothing is known of seeds.
  assertClose([crossedMean([[1], [2], [4]]).error], [Math.sqrt(7 / 9)], "over seeds");
  assertEquals(crossedMean([[1], [2], [4]]).freedom, 2);
  assertEquals(crossedMean([[1, 2, 3]]).error, NaN);
  assertEquals(pValue(crossedMean([[0, 0], [0, 0]])), 1);
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

Deno.test("examples about the same text are one cluster; a question asked of most is none", () => {
  const pairs = [["a dog", "a cat"], ["a cow", "a pig"], ["Cat, a", "a hen"], ["a fox", "a hen"]];
  const similar = pairs.map(([first, second]) => ({ first: first!, second: second!, label: 0 }));
  assertEquals(Array.from(clustersOf(similar)), [0, 1, 0, 0]);
  const premises = ["it rains", "it snows", "it rains"];
  const entailed = premises.map((premise) => ({ premise, hypothesis: "it is wet", label: 0 }));
  assertEquals(Array.from(clustersOf(entailed)), [0, 1, 2], "two of three are most");
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
  const design = { noise: "seeds ≈ examples", examples: 500, perCluster: 2, seeds: 5 } as const;
  const { covered, armCovered, outside, falseReports, found } = worthOf(design, 400, 40);
  // Three standard errors of a share of 400 around 95 %, of 40 around 5 %, and of 400 around 80 %.
  assert(Math.abs(covered - 0.95) < 0.033, `${covered}`);
  assert(Math.abs(armCovered - 0.95) < 0.033, `${armCovered}`);
  assertEquals(outside, 0);
  assert(falseReports <= 0.15, `${falseReports}`);
  assert(Math.abs(found - 0.8) < 0.06, `${found}`);
});
