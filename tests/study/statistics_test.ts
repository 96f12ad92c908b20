import { difference, estimate, formatEstimate, verdict } from "../../lib/study/mod.ts";
import { assertClose, assertEquals, assertRefused } from "../assert.ts";

Deno.test("the interval is Student's: quantiles are SciPy's", () => {
  // scipy.stats.t.ppf(0.975, [1, 2, 4, 9])
  const quantiles = [12.706204736174694, 4.302652729749462, 2.7764451051977934, 2.2621571628540993];
  [1, 2, 4, 9].forEach((freedom, i) => {
    const values = Array.from({ length: freedom + 1 }, (_, j) => j);
    const { n, mean, low, high } = estimate(values);
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / freedom);
    assertClose([(high - low) / 2], [quantiles[i]! * deviation / Math.sqrt(n)], "half width", {
      relative: 1e-7,
    });
    assertClose([(high + low) / 2], [mean], "middle", { relative: 1e-12 });
  });
});

Deno.test("pairs cancel what a seed does to both arms", async () => {
  const { mean, low, high } = difference([71, 80, 62], [70, 79, 61]);
  assertEquals([mean, low, high], [1, 1, 1]);
  await assertRefused(() => difference([1], [1, 2]), /^Cannot pair 1 values with 2 /);
  await assertRefused(() => estimate([]), /^Cannot estimate a mean of no values$/);
});

Deno.test("a verdict follows from the interval, and one seed gives none", () => {
  assertEquals(verdict(estimate([1, 1.1, 0.9])), "higher");
  assertEquals(verdict(estimate([-1, -1.1, -0.9])), "lower");
  assertEquals(verdict(estimate([-1, 1, 0.3])), "not distinguishable");
  assertEquals(verdict(estimate([2, 2])), "not distinguishable", "equal values are no proof");
  assertEquals(verdict(estimate([5])), "one seed cannot tell");
});

Deno.test("an estimate shows the digits that its interval supports", () => {
  assertEquals(formatEstimate({ mean: 71.28, low: 69.61, high: 72.95 }), "71.3 [69.6, 73.0]");
  assertEquals(formatEstimate(estimate([5])), "5.00");
});
