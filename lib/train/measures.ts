import type { Measure, Task } from "../data/mod.ts";
import { keyOf, words } from "../engine/mod.ts";
import { InputError } from "../errors.ts";

/** A number and its 95 % interval. */
export interface Interval {
  /** What was measured. */
  readonly value: number;
  /** Lower end. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
}

/** Samples that an interval is made of. */
const RESAMPLES = 1000;

/**
 * A statistic with its 95 % interval by the percentile bootstrap (Efron 1979): items are drawn with replacement as
 * often as there are, a thousand times, and the middle 95 % of what the statistic then gives is the interval. The
 * draws are the same at each call.
 *
 * @param count Number of items, at least one.
 * @param statistic Of the items of these indices, some of which occur more than once.
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

/** Of sorted values, between neighbours in proportion. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1), below = Math.floor(at);
  return sorted[below]! + (at - below) * ((sorted[below + 1] ?? sorted[below]!) - sorted[below]!);
}

/**
 * A task's measure over predictions, −1 or 0 at worst and 1 at best: `accuracy`; `f1` of label 1; `matthews`,
 * Matthews' correlation of two labels (CoLA's); `pearson` and `spearman`, correlations of grades, ranks of equal ones
 * shared. Where a measure is not defined, as all predictions are alike, it is 0, as GLUE counts it.
 *
 * @param predictions Labels, or grades.
 * @param labels The true ones, in the same order.
 * @throws {InputError} If there are none, or not as many of one as of the other.
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
      const [hits, said, are] = counts(predictions, labels);
      return hits === 0 ? 0 : 2 * hits / (said + are);
    }
    case "matthews": {
      const [hits, said, are] = counts(predictions, labels);
      const spread = Math.sqrt(said * (n - said)) * Math.sqrt(are * (n - are));
      return spread === 0 ? 0 : bounded((hits * n - said * are) / spread);
    }
    case "pearson":
      return correlation(predictions, labels);
    case "spearman":
      return correlation(ranks(predictions), ranks(labels));
  }
}

/** A measure with its interval over the examples, by {@linkcode bootstrap}. */
export function scoreInterval(
  measure: Measure,
  predictions: readonly number[],
  labels: readonly number[],
): Interval {
  if (labels.length === 0) score(measure, predictions, labels); // Says what is wrong.
  const [said, are] = [new Float64Array(labels.length), new Float64Array(labels.length)];
  return bootstrap(labels.length, (rows) => {
    rows.forEach((row, i) => [said[i], are[i]] = [predictions[row]!, labels[row]!]);
    return score(measure, said, are);
  });
}

/**
 * The majority baseline: a task's primary measure of predicting one label for all examples, the label for which that is
 * best.
 *
 * @param task Its labels and measures.
 * @param truth Labels of the examples, or grades.
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

/** How often label 1 is predicted rightly, is predicted, and is. */
function counts(predictions: ArrayLike<number>, labels: ArrayLike<number>): [number, number, number] {
  let [hits, said, are] = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (predictions[i] === 1) said++;
    if (labels[i] === 1) are++;
    if (predictions[i] === 1 && labels[i] === 1) hits++;
  }
  return [hits, said, are];
}

/** A correlation without what rounding puts beyond its ends. */
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

/** Places in ascending order from 1; equal values share the mean of theirs. */
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
