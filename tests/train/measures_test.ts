import { bootstrap, score, scoreByCluster, scoreInterval } from "../../lib/train/mod.ts";
import { meanInterval } from "../../lib/train/measures.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

// SciPy 1.17.1 gave the values that are not worked out beside them: stats.pearsonr, spearmanr, bootstrap.
const said = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1];
const are = [1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1];
const grades = [3.2, 1.0, 4.4, 2.5, 2.5, 0.0, 5.0, 3.9, 1.7, 2.5];
const truth = [3.0, 0.6, 4.8, 2.0, 3.2, 0.0, 4.2, 4.2, 2.0, 1.4];
const near = (actual: number, expected: number, what: string, relative = 1e-12) =>
  assertClose([actual], [expected], what, { relative });

Deno.test("measures of labels are those of a hand computation and of SciPy", () => {
  near(score("accuracy", said, are), 9 / 12, "accuracy");
  near(score("f1", said, are), 2 * 5 / (7 + 6), "f1: five hits, seven said, six are");
  near(score("matthews", said, are), 0.5070925528371101, "matthews is the correlation of 0 and 1");
  near(score("matthews", [1, 0, 0], [0, 1, 1]), -1, "all wrong");
});

Deno.test("correlations of grades are SciPy's, ranks of equal ones shared", () => {
  near(score("pearson", grades, truth), 0.9346427641909993, "pearson");
  near(score("spearman", grades, truth), 0.9074246958036138, "spearman");
  near(score("spearman", [1, 2, 3, 4], [10, 100, 1000, 1e4]), 1, "any rising curve");
});

Deno.test("a measure that is not defined is 0, as GLUE counts it", () => {
  assertEquals(score("matthews", [1, 1, 1], [1, 0, 1]), 0);
  assertEquals(score("f1", [0, 0], [0, 1]), 0);
  assertEquals(score("pearson", [2, 2, 2], [1, 2, 3]), 0);
  assertEquals(score("spearman", [1, 2, 3], [4, 4, 4]), 0);
});

Deno.test("predictions that do not fit the labels are refused", async () => {
  await assertRefused(() => score("f1", [1], [1, 0]), /^Cannot score 1 predictions of 2 labels as /);
  await assertRefused(() => scoreInterval("accuracy", [], []), /^Cannot score 0 predictions of 0 labels/);
});

Deno.test("bootstrap intervals are SciPy's within the noise of resampling", () => {
  const x = Array.from({ length: 200 }, (_, i) => (i * 37) % 101 / 10);
  const y = x.map((value, i) => value + (i * 53) % 29 / 3);
  const mean = bootstrap(200, (rows) => rows.reduce((sum, row) => sum + x[row]!, 0) / rows.length);
  near(mean.value, 5.0045, "mean");
  assertClose([mean.low, mean.high], [4.596, 5.4135], "of a mean", { relative: 0.01 });
  const pearson = scoreInterval("pearson", x, y);
  near(pearson.value, 0.7168647085773525, "pearson");
  assertClose([pearson.low, pearson.high], [0.6575711997, 0.7691963163], "of Pearson's", { relative: 0.015 });
  const spearman = scoreInterval("spearman", x, y);
  near(spearman.value, 0.709157610571417, "spearman");
  assertClose([spearman.low, spearman.high], [0.6396314465, 0.7644747673], "of Spearman's", {
    relative: 0.015,
  });
});

Deno.test("the interval of an accuracy covers the true one about as often as it says, and is the same each time", () => {
  let covered = 0;
  for (let trial = 0; trial < 200; trial++) {
    // Right with probability 0.7: a sample of 150 by a multiplicative generator, of its own for each trial.
    let state = trial * 2654435761 + 12345;
    const next = () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
    const right = Array.from({ length: 150 }, () => Number(next() < 0.7));
    const { low, high } = scoreInterval("accuracy", right, right.map(() => 1));
    if (low <= 0.7 && 0.7 <= high) covered++;
  }
  assert(covered >= 180 && covered <= 199, `${covered} of 200`);
  assertEquals(scoreInterval("f1", said, are), scoreInterval("f1", said, are));
});

Deno.test("an interval of few answers or clusters is exact, or Student's, or has all values", () => {
  const right = Array(10).fill(1),
    groups = (...sizes: number[]) => sizes.flatMap((size, i) => Array(size).fill(i));
  // Clopper and Pearson by hand: 0.025^(1/10) of ten right ones; SciPy's binomtest(9, 10).
  const whole = scoreInterval("accuracy", right, right);
  assertClose([whole.low, whole.high], [0.025 ** 0.1, 1], "all right", { relative: 1e-9 });
  const most = scoreInterval("accuracy", [0, ...right.slice(1)], right);
  assertClose([most.low, most.high], [0.5549839, 0.9974714], "nine right", { relative: 1e-6 });
  for (const [measure, least] of [["accuracy", 0], ["f1", 0], ["matthews", -1], ["pearson", -1]] as const) {
    const { low, high } = scoreInterval(measure, said, are, groups(12));
    assertEquals([low, high], [least, 1], "one cluster");
  }
  const parts = scoreByCluster("pearson", said, are, groups(4, 4, 4)), mean = score("pearson", said, are);
  const deviation = Math.sqrt(
    parts.reduce((sum, part) => sum + (part - parts.reduce((a, b) => a + b) / 3) ** 2, 0) / 2,
  );
  const { low, high } = scoreInterval("pearson", said, are, groups(4, 4, 4)),
    half = 4.302652730 * deviation / Math.sqrt(3);
  assertClose([low, high], [Math.max(-1, mean - half), Math.min(1, mean + half)], "t(2)", { relative: 1e-6 });
  let state = 7, covered = 0;
  const next = () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
  for (let trial = 0; trial < 300; trial++) {
    const found = Array.from({ length: 20 }, () => Number(next() < 0.95));
    const { low, high } = scoreInterval("accuracy", found, found.map(() => 1));
    if (low <= 0.95 && 0.95 <= high) covered++;
  }
  assert(covered >= 285, `${covered} of 300`);
});

Deno.test("a perfect score of few examples has an interval, of f1 and Matthews by the errors that accuracy leaves", () => {
  const labels = Array.from({ length: 30 }, (_, i) => i % 2);
  const least = 0.025 ** (1 / 30), errors = 1 - least; // Of 30 right ones, by hand.
  const f1 = scoreInterval("f1", labels, labels);
  const positives = 0.5 - errors; // All errors on label 1, which costs more.
  assertClose([f1.low, f1.high], [2 * positives / (2 * positives + errors), 1], "f1", { relative: 1e-9 });
  const { value, low, high } = scoreInterval("matthews", labels, labels);
  assertClose([value, low, high], [1, positives / Math.sqrt(positives * (1 - positives)), 1], "Matthews", {
    relative: 1e-9,
  });
  const one = labels.map((label, i) => i === 0 ? 1 - label : label);
  for (const measure of ["f1", "matthews"] as const) {
    const { value, low, high } = scoreInterval(measure, one, labels);
    assert(low < value && value < high && high < 1, measure);
  }
  const grades = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (const count of [9, 20]) {
    const many = Array.from({ length: count }, (_, i) => grades[i % 9]!);
    const pearson = scoreInterval("pearson", many, many);
    assertEquals([pearson.value, pearson.low, pearson.high], [1, -1, 1]);
  }
  let state = 4242;
  const next = () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
  const truth = { f1: 0.97, matthews: 0.94 }, covered = { f1: 0, matthews: 0 };
  for (let trial = 0; trial < 200; trial++) {
    const are = Array.from({ length: 60 }, () => Number(next() < 0.5));
    const said = are.map((label) => next() < 0.03 ? 1 - label : label);
    for (const measure of ["f1", "matthews"] as const) {
      const { low, high } = scoreInterval(measure, said, are);
      if (low <= truth[measure] && truth[measure] <= high) covered[measure]++;
    }
  }
  assert(covered.f1 >= 190 && covered.matthews >= 190, JSON.stringify(covered));
});

Deno.test("the mean of few values has Student's interval", () => {
  const { value, low, high } = meanInterval([3, 5, 4]);
  assertClose(
    [value, low, high],
    [4, 4 - 4.302652730 / Math.sqrt(3), 4 + 4.302652730 / Math.sqrt(3)],
    "t(2)",
    {
      relative: 1e-9,
    },
  );
  assertEquals(meanInterval([7]), { value: 7, low: 7, high: 7 });
  const many = Array.from({ length: 12 }, (_, i) => i);
  const mean = (rows: Uint32Array) => rows.reduce((sum, i) => sum + i, 0) / 12;
  assertEquals(meanInterval(many), bootstrap(12, mean));
});

Deno.test("equal grades have no correlation, whatever their rounding", () => {
  for (const grade of [3.3, 0.1, 1e9 + 0.1]) {
    assertEquals(score("pearson", Array(10).fill(grade), Array(10).fill(grade)), 0);
    assertEquals(score("pearson", Array(10).fill(grade), Array.from({ length: 10 }, (_, i) => i)), 0);
  }
});

Deno.test("of a thousand resamples 25 lie below an interval and 25 above it", () => {
  const values = Array.from({ length: 97 }, (_, i) => Math.sqrt((i * 37) % 97));
  const found: number[] = [];
  const { low, high } = bootstrap(97, (rows) => {
    found.push(rows.reduce((sum, row) => sum + values[row]!, 0));
    return found.at(-1)!;
  });
  const resamples = found.slice(1); // The first is of the values themselves.
  assertEquals(resamples.length, 1000);
  assertEquals(resamples.filter((value) => value < low).length, 25);
  assertEquals(resamples.filter((value) => value > high).length, 25);
});

Deno.test("no correlation is beyond its ends by rounding", () => {
  for (let n = 2; n < 60; n++) {
    for (let ones = 1; ones < n; ones++) {
      const labels = Array.from({ length: n }, (_, i) => Number(i < ones));
      for (const measure of ["matthews", "pearson", "spearman"] as const) {
        const [best, worst] = [
          score(measure, labels, labels),
          score(measure, labels.map((x) => 1 - x), labels),
        ];
        assert(
          best <= 1 && worst >= -1 && best > 0.999 && worst < -0.999,
          `${measure} of ${ones} in ${n}: ${best}`,
        );
      }
    }
  }
});
