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
    case "f1": {
      const [truePositives, predicted, actual] = counts(predictions, labels);
      return truePositives === 0 ? 0 : 2 * truePositives / (predicted + actual);
    }
    case "matthews": {
      const [truePositives, predicted, actual] = counts(predictions, labels);
      const spread = Math.sqrt(predicted * (n - predicted)) * Math.sqrt(actual * (n - actual));
      return spread === 0 ? 0 : bounded((truePositives * n - predicted * actual) / spread);
    }
    case "pearson":
      return correlation(predictions, labels);
    case "spearman":
      return correlation(ranks(predictions), ranks(labels));
  }
}

/** A metric with its confidence interval over the examples, by {@linkcode bootstrap}. */
export function scoreInterval(
  measure: Measure,
  predictions: readonly number[],
  labels: readonly number[],
): Interval {
  if (labels.length === 0) score(measure, predictions, labels); // Throws.
  const [predicted, actual] = [new Float64Array(labels.length), new Float64Array(labels.length)];
  return bootstrap(labels.length, (rows) => {
    rows.forEach((row, i) => [predicted[i], actual[i]] = [predictions[row]!, labels[row]!]);
    return score(measure, predicted, actual);
  });
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

/** A correlation, clamped to [−1, 1] against rounding errors. */
function bounded(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

function correlation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = x.length;
  let [mx, my] = [0, 0];
  for (let i = 0; i < n; i++) mx += x[i]! / n, my += y[i]! / n;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [dx, dy] = [x[i]! - mx, y[i]! - my];
    xy += dx * dy, xx += dx * dx, yy += dy * dy;
  }
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
