import jstat from "npm:jstat@1.9.6";
import { InputError } from "../errors.ts";
import { checked, value } from "../settings.ts";
import { rounded, withInterval } from "../numbers.ts";

const numbers = value(
  "a list of finite numbers",
  (value): value is readonly number[] => Array.isArray(value) && value.every(Number.isFinite),
);

const interval = value(
  "a mean with its interval, as estimate returns it",
  (value): value is Estimate => typeof (value as Partial<Estimate> | null)?.low === "number",
);

/** Values that differ by this share of their size are equal: the rest is rounding. */
export const ROUNDING = 1e-9;

/** A mean with its 95 % confidence interval. */
export interface Estimate {
  /** Number of values. */
  readonly n: number;
  /** Their mean. */
  readonly mean: number;
  /** Lower bound of the 95 % confidence interval (Student's t); NaN if n = 1. */
  readonly low: number;
  /** Upper bound. */
  readonly high: number;
}

/** A mean with its standard error. */
export interface Mean {
  readonly mean: number;
  /** Its standard error; NaN if it is unknown, 0 if nothing varies. */
  readonly error: number;
  /** Degrees of freedom of the standard error, or of each part of its square. */
  readonly freedom: number | readonly Part[];
}

/** A part of the square of a standard error: an independent mean square. */
export interface Part {
  /** Its share of the whole, below 0 if it is subtracted; all sum to 1. */
  readonly share: number;
  readonly freedom: number;
}

/** The values that a measure can have, by which its intervals are bounded. */
export type Scale = "share" | "correlation" | "amount";

/** For each scale: a function without bounds, its derivative and its inverse. */
const scales: Readonly<
  Record<Scale, readonly [(x: number) => number, (x: number) => number, (y: number) => number]>
> = {
  share: [(x) => Math.log(x / (1 - x)), (x) => 1 / (x * (1 - x)), (y) => 1 / (1 + Math.exp(-y))],
  correlation: [Math.atanh, (x) => 1 / (1 - x * x), Math.tanh],
  amount: [Math.log, (x) => 1 / x, Math.exp],
};

/** Two-sided level of tests and intervals. */
const LEVEL = 0.05;
/** Power of {@linkcode detectable}. */
const POWER = 0.8;

/**
 * The 95 % confidence interval of a mean, by Student's t: without a scale it excludes 0 if {@linkcode pValue} is below 0.05.
 *
 * @param scale Its measure's values: the interval is made where these have no bounds (logit, Fisher's z, logarithm), so
 * that it does not leave them. At a bound itself nothing is known: the interval is NaN. Default: it may be any number.
 *
 * @example
 * ```ts
 * import { intervalOf } from "./statistics.ts";
 *
 * const [low, high] = intervalOf({ mean: 0.95, error: 0.03, freedom: 4 }, "share");
 * console.log(low.toFixed(3), high.toFixed(3)); // 0.767 0.991
 * ```
 */
export function intervalOf({ mean, error, freedom }: Mean, scale?: Scale): [low: number, high: number] {
  const half = error === 0 ? 0 : criticalOf(freedom, LEVEL / 2) * error;
  if (scale === undefined) return [mean - half, mean + half];
  const [free, slope, back] = scales[scale];
  const [middle, reach] = [free(mean), half * slope(mean)]; // At a bound NaN.
  if (reach === 0) return [mean, mean];
  return [back(middle - reach), back(middle + reach)];
}

/** What Student's t exceeds with this probability. */
const quantile = (probability: number, freedom: number): number => -jstat.studentt.inv(probability, freedom);

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/**
 * Degrees of freedom of a sum of mean squares (Satterthwaite 1946), for quantiles at this one-sided probability: each part
 * counts with its share times the square of its own quantile, as the part with few degrees of freedom decides far in the
 * tail. With shares alone, up to 1 report in 4 of ten differences between arms of three seeds finds one by chance.
 */
function freedomAt(freedom: Mean["freedom"], probability: number): number {
  if (typeof freedom === "number") return freedom;
  const squares = freedom.map((part) => part.share * quantile(probability, part.freedom) ** 2);
  const parts = total(squares.map((square, i) => square ** 2 / freedom[i]!.freedom));
  return Math.max(total(squares) ** 2 / parts, Math.min(...freedom.map((part) => part.freedom)));
}

/** How many standard errors a mean that is 0 in truth exceeds with this probability. */
const criticalOf = (freedom: Mean["freedom"], probability: number): number =>
  quantile(probability, freedomAt(freedom, probability));

/** The one-sided p-value of a mean that is this many standard errors above 0: the inverse of {@linkcode criticalOf}. */
function tailOf(freedom: Mean["freedom"], errors: number): number {
  if (Number.isNaN(errors)) return NaN;
  if (errors <= 0) return errors === 0 ? 0.5 : 1 - tailOf(freedom, -errors);
  let [low, high] = [Math.log(1e-12), Math.log(0.5)];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (criticalOf(freedom, Math.exp(middle)) > errors) low = middle;
    else high = middle;
  }
  return Math.exp(high);
}

/**
 * The two-sided p-value of a mean that may be 0. If nothing varies, a mean of 0 has p = 1 and any other NaN; NaN,
 * too, if its error is unknown.
 *
 * @example
 * ```ts
 * import { pValue } from "./statistics.ts";
 *
 * console.log(pValue({ mean: 2, error: 1, freedom: 10 }).toFixed(4)); // 0.0734
 * ```
 */
export function pValue(mean: Mean): number {
  if (mean.error === 0) return mean.mean === 0 ? 1 : NaN;
  return 2 * tailOf(mean.freedom, Math.abs(mean.mean) / mean.error);
}

/**
 * The p-value of the hypothesis that a mean is at least a margin away from 0, by two one-sided tests (TOST, Schuirmann
 * 1987): if it is small, the mean is equal to 0 within ± the margin.
 *
 * @example
 * ```ts
 * import { equivalenceP } from "./statistics.ts";
 *
 * console.log(equivalenceP({ mean: 0.5, error: 0.6, freedom: 20 }, 2).toFixed(4)); // 0.0106
 * ```
 */
export function equivalenceP(mean: Mean, margin: number): number {
  const within = margin - Math.abs(mean.mean);
  if (mean.error === 0) return within > 0 ? 0 : 1;
  return tailOf(mean.freedom, within / mean.error);
}

/**
 * p-values corrected for their number (Holm 1979), in the order in which they are given: all those below 0.05 are
 * significant, with a probability of at most 5 % that any of them is by chance. NaN stays and does not count.
 *
 * @example
 * ```ts
 * import { holm } from "./statistics.ts";
 *
 * console.log(holm([0.01, 0.04, 0.03])); // [0.03, 0.06, 0.06]
 * ```
 */
export function holm(values: readonly number[]): number[] {
  const order = [...values.keys()].filter((i) => !Number.isNaN(values[i])).sort((a, b) =>
    values[a]! - values[b]!
  );
  const found = values.map(() => NaN);
  let most = 0;
  order.forEach((i, rank) =>
    found[i] = most = Math.max(most, Math.min(1, (order.length - rank) * values[i]!))
  );
  return found;
}

/**
 * The smallest true mean that a test would find with 80 % power, given its standard error.
 *
 * @param level The test's level, less than 5 % if it is one of many.
 *
 * @example
 * ```ts
 * import { detectable } from "./statistics.ts";
 *
 * console.log(detectable({ error: 1, freedom: 10 }).toFixed(3)); // 3.110
 * ```
 */
export function detectable({ error, freedom }: Omit<Mean, "mean">, level = LEVEL): number {
  if (!(error > 0)) return error;
  const whole = freedomAt(freedom, level / 2), critical = quantile(level / 2, whole);
  let [low, high] = [0, 20 * critical];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (1 - jstat.noncentralt.cdf(critical, whole, middle) < POWER) low = middle;
    else high = middle;
  }
  return high * error;
}

/**
 * Mean and 95 % confidence interval by Student's t, for a small number of values.
 *
 * @throws {InputError} If there are no values, or one is not a finite number.
 *
 * @example
 * ```ts
 * import { estimate } from "./statistics.ts";
 *
 * const { mean, low, high } = estimate([1, 2, 3]);
 * console.log(mean, low.toFixed(3), high.toFixed(3)); // 2 "-0.484" "4.484"
 * ```
 */
export function estimate(values: readonly number[]): Estimate {
  checked("estimate a mean", "values", numbers, values);
  return estimateOf(values, values);
}

/** {@linkcode estimate} of differences of some values, whose size tells rounding from noise. */
function estimateOf(values: readonly number[], of: readonly number[]): Estimate {
  const n = values.length, least = ROUNDING * of.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const exact = (value: number) => Math.abs(value) < least ? 0 : value;
  if (n === 0) throw new InputError("Cannot estimate a mean of no values");
  const mean = exact(values.reduce((a, b) => a + b, 0) / n);
  if (n === 1) return { n, mean, low: NaN, high: NaN };
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1);
  const [low, high] = intervalOf({ mean, error: exact(Math.sqrt(variance / n)), freedom: n - 1 });
  return { n, mean, low, high };
}

/**
 * Paired difference a − b: the i-th values share a seed, or a test example, so that its effect cancels. Pairs of examples
 * of one run per arm tell how these two models differ, not what other seeds would give: those may move an accuracy by
 * several points. `ablate` has intervals over both.
 *
 * @throws {InputError} If the numbers of values differ, or one is not a finite number.
 *
 * @example
 * ```ts
 * import { difference } from "./statistics.ts";
 *
 * console.log(difference([3, 5, 7], [2, 4, 6]).mean); // 1
 * ```
 */
export function difference(a: readonly number[], b: readonly number[]): Estimate {
  checked("compare arms", "a", numbers, a);
  checked("compare arms", "b", numbers, b);
  if (a.length !== b.length) {
    throw new InputError(`Cannot pair ${a.length} values with ${b.length} as each seed must be in both arms`);
  }
  return estimateOf(a.map((value, i) => value - b[i]!), [...a, ...b]);
}

/**
 * Interprets a difference: `higher` or `lower` if its 95 % interval, which is not corrected for other comparisons,
 * excludes 0; of what it is depends on the values, seeds or examples ({@linkcode difference}). Equal differences, which a
 * small test set can produce, are not significant: their interval of width 0 is an artefact.
 *
 * @example
 * ```ts
 * import { difference, verdict } from "./mod.ts";
 *
 * console.log(verdict(difference([3, 5, 8], [2, 4, 6]))); // "not distinguishable"
 * ```
 */
export function verdict(estimate: Estimate): string {
  const { n, low, high } = checked("interpret a difference", "estimate", interval, estimate);
  if (n === 1) return "one seed cannot tell";
  if (low === high) return "not distinguishable";
  return low > 0 ? "higher" : high < 0 ? "lower" : "not distinguishable";
}

/**
 * Formats an estimate as text, with its interval if it has one.
 *
 * @example
 * ```ts
 * import { formatEstimate } from "./statistics.ts";
 *
 * console.log(formatEstimate({ mean: 71.28, low: 69.61, high: 72.95 })); // "71.3 [69.6, 73.0]"
 * ```
 */
export function formatEstimate(estimate: Omit<Estimate, "n">): string {
  const { mean, low, high } = checked("format an estimate", "estimate", interval, estimate);
  return Number.isNaN(high - low) ? rounded(mean, NaN) : withInterval(mean, low, high);
}
