import jstat from "npm:jstat@1.9.6";
import type { Measure, Task } from "../data/mod.ts";
import { keyOf, words } from "../engine/mod.ts";
import { InputError } from "../errors.ts";

/** An estimate with its 95 % confidence interval. */
export interface Interval {
  /** The estimate. */
  readonly value: number;
  /** Lower bound. */
  readonly low: number;
  /** Upper bound. */
  readonly high: number;
}

/** Number of bootstrap samples. */
const RESAMPLES = 1000;

/**
 * A statistic with its 95 % confidence interval by the percentile bootstrap (Efron 1979), with 1,000 samples. The samples
 * are the same at each call.
 *
 * @param count Number of items, at least one.
 * @param statistic The statistic of the items at these indices, which may repeat.
 *
 * @example
 * ```ts
 * import { bootstrap } from "./mod.ts";
 *
 * const values = [1, 2, 3, 4, 5, 6, 7, 8];
 * const { value, low, high } = bootstrap(8, (rows) => rows.reduce((sum, i) => sum + values[i]!, 0) / 8);
 * console.log(value, low < 4 && high > 5); // 4.5 true
 * ```
 */
export function bootstrap(count: number, statistic: (rows: Uint32Array) => number): Interval {
  const value = statistic(Uint32Array.from({ length: count }, (_, i) => i));
  const found = Float64Array.from({ length: RESAMPLES }, (_, sample) => {
    const rows = words(keyOf(0, "bootstrap", sample), count).subarray(0, count);
    for (let i = 0; i < count; i++) rows[i] = Math.floor(rows[i]! / 2 ** 32 * count);
    return statistic(rows);
  }).sort();
  return { value, low: quantile(found, 0.025), high: quantile(found, 0.975) };
}

/** Quantile of sorted values, with linear interpolation. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1), below = Math.floor(at);
  return sorted[below]! + (at - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
}

/**
 * An evaluation metric, at most 1: `accuracy`; `f1` of label 1; `matthews`, the Matthews correlation coefficient of two
 * labels (CoLA); `pearson` and `spearman`, correlations of grades, with mean ranks for ties. A metric that is undefined,
 * as all predictions are equal, is 0, as in GLUE.
 *
 * @param predictions Predicted labels, or grades.
 * @param labels True labels, or grades, in the same order.
 * @throws {InputError} If there are none, or their numbers differ.
 *
 * @example
 * ```ts
 * import { score } from "./mod.ts";
 *
 * console.log(score("accuracy", [1, 0, 1, 1], [1, 0, 0, 1])); // 0.75
 * console.log(score("f1", [1, 0, 1, 1], [1, 0, 0, 1])); // 0.8
 * ```
 */
export function score(measure: Measure, predictions: ArrayLike<number>, labels: ArrayLike<number>): number {
  const n = labels.length;
  if (n === 0 || predictions.length !== n) {
    throw new InputError(
      `Cannot score ${predictions.length} predictions of ${n} labels as there must be one for each, and at least one`,
    );
  }
  switch (measure) {
    case "accuracy": {
      let right = 0;
      for (let i = 0; i < n; i++) if (predictions[i] === labels[i]) right++;
      return right / n;
    }
    case "f1":
      return f1(...counts(predictions, labels));
    case "matthews":
      return matthews(...counts(predictions, labels), n);
    case "pearson":
      return correlation(predictions, labels);
    case "spearman":
      return correlation(ranks(predictions), ranks(labels));
  }
}

/** Fewest right answers, and wrong ones, of which resamples tell the interval of a metric of labels. */
const FEWEST_ANSWERS = 10;
/** Fewest clusters, or values, of which resamples tell another interval. */
const FEWEST_CLUSTERS = 10;

/** The mean of values with its 95 % confidence interval: by {@linkcode bootstrap}, of fewer than ten by Student's t. */
export function meanInterval(values: readonly number[]): Interval {
  const n = values.length;
  if (n >= FEWEST_CLUSTERS || n === 1) {
    return bootstrap(n, (rows) => rows.reduce((sum, row) => sum + values[row]!, 0) / n);
  }
  const value = values.reduce((sum, one) => sum + one, 0) / n, half = halfOf(values);
  return { value, low: value - half, high: value + half };
}

/** Half of the 95 % interval of a mean by Student's t. */
function halfOf(values: readonly number[]): number {
  const n = values.length;
  return jstat.studentt.inv(0.975, n - 1) * jstat.stdev([...values], true) / Math.sqrt(n);
}

/**
 * A metric with its 95 % confidence interval over the examples, by {@linkcode bootstrap}. Of labels with fewer than ten
 * right or wrong clusters it is {@linkcode clopperPearson}'s of the accuracy, and of another metric what it has at these
 * bounds; of a correlation with fewer than ten clusters Student's t of {@linkcode scoreByCluster}. Of a single cluster, or
 * a perfect correlation, nothing is known: it has all of the metric's values.
 *
 * @param clusters The cluster of each example, from 0: what is drawn are clusters. Default: each example is one.
 */
export function scoreInterval(
  measure: Measure,
  predictions: readonly number[],
  labels: readonly number[],
  clusters: ArrayLike<number> = labels.map((_, i) => i),
): Interval {
  const value = score(measure, predictions, labels); // Exact: a resample is summed in another order.
  const members = Object.values(Object.groupBy(labels.keys(), (i) => clusters[i]!)) as number[][];
  const count = members.length, least = measure === "accuracy" || measure === "f1" ? 0 : -1;
  if (count === 1) return { value, low: least, high: 1 };
  const isOfLabels = measure === "accuracy" || measure === "f1" || measure === "matthews";
  const right = isOfLabels ? score("accuracy", predictions, labels) : NaN;
  if (count * Math.min(right, 1 - right) < FEWEST_ANSWERS) {
    const [low, high] = clopperPearson(right * count, count);
    return {
      value,
      ...measure === "accuracy" ? { low, high } : carried(measure, predictions, labels, low, high),
    };
  }
  if (!isOfLabels && count < FEWEST_CLUSTERS) {
    const half = halfOf([...scoreByCluster(measure, predictions, labels, clusters)]);
    if (half > 1e-9) return { value, low: Math.max(least, value - half), high: Math.min(1, value + half) };
    return { value, low: least, high: 1 };
  }
  const { low, high } = bootstrap(members.length, (drawn) => {
    const rows = Array.from(drawn, (cluster) => members[cluster]!).flat();
    return score(measure, rows.map((row) => predictions[row]!), rows.map((row) => labels[row]!));
  });
  return low === high && Math.abs(value) === 1 ? { value, low: least, high: 1 } : { value, low, high };
}

/**
 * A metric of two labels where so many answers are right: at the lower bound with the other errors on the label where they
 * cost more, at the upper bound with fewer of each kind.
 */
function carried(
  measure: Measure,
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  low: number,
  high: number,
): { low: number; high: number } {
  const n = labels.length, [both, predicted, actual] = counts(predictions, labels).map((count) => count / n);
  const valueAt = (truePositives: number, falsePositives: number, falseNegatives: number) =>
    (measure === "f1" ? f1 : matthews)(
      truePositives,
      truePositives + falsePositives,
      truePositives + falseNegatives,
      1,
    );
  const [fp, fn] = [predicted! - both!, actual! - both!], tn = 1 - both! - fp - fn;
  const more = Math.max(0, 1 - low - fp - fn), less = fp + fn === 0 ? 1 : Math.min(1, (1 - high) / (fp + fn));
  const ofPositives = Math.min(more, both!), ofNegatives = Math.min(more, tn);
  return {
    low: Math.min(
      valueAt(both! - ofPositives, fp + more - ofPositives, fn + ofPositives),
      valueAt(both! - (more - ofNegatives), fp + ofNegatives, fn + more - ofNegatives),
    ),
    high: valueAt(both! + (1 - less) * fn, less * fp, less * fn),
  };
}

/**
 * The exact 95 % confidence interval of a share of independent cases (Clopper and Pearson 1934).
 *
 * @example
 * ```ts
 * import { clopperPearson } from "./measures.ts";
 *
 * console.log(clopperPearson(2, 10).map((bound) => bound.toFixed(3))); // ["0.025", "0.556"]
 * ```
 */
export function clopperPearson(cases: number, of: number): [low: number, high: number] {
  return [
    cases === 0 ? 0 : jstat.beta.inv(0.025, cases, of - cases + 1),
    cases === of ? 1 : jstat.beta.inv(0.975, cases + 1, of - cases),
  ];
}

/**
 * A metric by clusters of examples: jackknife pseudo-values (Tukey 1958), of which the mean is the metric, and the
 * spread over clusters its uncertainty. For accuracy and clusters of equal size they are the clusters' accuracies.
 *
 * @param clusters The cluster of each example, from 0.
 *
 * @example
 * ```ts
 * import { scoreByCluster } from "./measures.ts";
 *
 * console.log(Array.from(scoreByCluster("accuracy", [1, 0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 1]))); // [1, 0.5]
 * ```
 */
export function scoreByCluster(
  measure: Measure,
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  clusters: ArrayLike<number>,
): Float64Array {
  const whole = score(measure, predictions, labels);
  const count = 1 + Array.from(clusters).reduce((most, cluster) => Math.max(most, cluster), 0);
  if (count === 1) return Float64Array.of(whole);
  const { terms, value } = sumsOf(measure, predictions, labels);
  const width = terms(0).length, sums = new Float64Array(width), ofCluster = new Float64Array(width * count);
  for (let i = 0; i < labels.length; i++) {
    terms(i).forEach((term, j) => {
      sums[j]! += term;
      ofCluster[width * clusters[i]! + j]! += term;
    });
  }
  const without = Float64Array.from(
    { length: count },
    (_, cluster) => value(sums.map((sum, j) => sum - ofCluster[width * cluster + j]!)),
  );
  const mean = without.reduce((sum, score) => sum + score, 0) / count;
  return without.map((score) => whole + (count - 1) * (mean - score));
}

/** What a metric is computed from: sums of an example's terms, and their value. Ranks are those of all examples. */
function sumsOf(
  measure: Measure,
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
): { terms(i: number): readonly number[]; value(sums: ArrayLike<number>): number } {
  if (measure === "accuracy") {
    return { terms: (i) => [Number(predictions[i] === labels[i]), 1], value: (sums) => sums[0]! / sums[1]! };
  }
  if (measure === "f1" || measure === "matthews") {
    return {
      terms: (i) => [
        Number(predictions[i] === 1 && labels[i] === 1),
        Number(predictions[i] === 1),
        Number(labels[i] === 1),
        1,
      ],
      value: (sums) => (measure === "f1" ? f1 : matthews)(sums[0]!, sums[1]!, sums[2]!, sums[3]!),
    };
  }
  const [x, y] = [predictions, labels].map((values) =>
    centred(measure === "spearman" ? ranks(values) : values) // Else sums of squares lose digits.
  ) as [Float64Array, Float64Array];
  return {
    terms: (i) => [1, x[i]!, y[i]!, x[i]! ** 2, y[i]! ** 2, x[i]! * y[i]!],
    value: ({ 0: n, 1: sx, 2: sy, 3: sxx, 4: syy, 5: sxy }) => {
      const [xx, yy] = [sxx! - sx! ** 2 / n!, syy! - sy! ** 2 / n!];
      return xx <= 0 || yy <= 0 ? 0 : bounded((sxy! - sx! * sy! / n!) / Math.sqrt(xx * yy));
    },
  };
}

function f1(truePositives: number, predicted: number, actual: number): number {
  return truePositives === 0 ? 0 : 2 * truePositives / (predicted + actual);
}

function matthews(truePositives: number, predicted: number, actual: number, n: number): number {
  const spread = Math.sqrt(predicted * (n - predicted)) * Math.sqrt(actual * (n - actual));
  return spread === 0 ? 0 : bounded((truePositives * n - predicted * actual) / spread);
}

/**
 * The majority baseline: the best primary metric of a constant prediction.
 *
 * @param task The task's labels and metrics.
 * @param truth True labels of the examples, or grades.
 *
 * @example
 * ```ts
 * import { majorityBaseline } from "./mod.ts";
 *
 * console.log(majorityBaseline({ labels: ["bad", "good"], measures: ["accuracy"] }, [0, 0, 1, 1, 1])); // 0.6
 * ```
 */
export function majorityBaseline(
  { labels, measures }: Pick<Task, "labels" | "measures">,
  truth: readonly number[],
): number {
  return Math.max(...labels.map((_, label) => score(measures[0]!, truth.map(() => label), truth)));
}

/** True positives, predicted positives and actual positives of label 1. */
function counts(predictions: ArrayLike<number>, labels: ArrayLike<number>): [number, number, number] {
  let [truePositives, predicted, actual] = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (predictions[i] === 1) predicted++;
    if (labels[i] === 1) actual++;
    if (predictions[i] === 1 && labels[i] === 1) truePositives++;
  }
  return [truePositives, predicted, actual];
}

/** A correlation from −1 to 1, which it is where rounding alone is left. */
function bounded(value: number): number {
  return Math.abs(value) > 1 - 1e-12 ? Math.sign(value) : value;
}

/** Values less their mean: 0 where nothing but rounding is left. */
function centred(values: ArrayLike<number>): Float64Array {
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += values[i]! / values.length;
  return Float64Array.from(
    values,
    (value) => Math.abs(value - mean) <= 1e-12 * Math.abs(mean) ? 0 : value - mean,
  );
}

function correlation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const [dx, dy] = [centred(x), centred(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < dx.length; i++) xy += dx[i]! * dy[i]!, xx += dx[i]! ** 2, yy += dy[i]! ** 2;
  return xx === 0 || yy === 0 ? 0 : bounded(xy / Math.sqrt(xx * yy));
}

/** Ranks in ascending order from 1; ties have their mean rank. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort((a, b) =>
    values[a]! - values[b]!
  );
  const found = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) found[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return found;
}
