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
  const n = values.length;
  if (n === 0) throw new InputError("Cannot estimate a mean of no values");
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n === 1) return { n, mean, low: NaN, high: NaN };
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1);
  const half = jstat.studentt.inv(0.975, n - 1) * Math.sqrt(variance / n);
  return { n, mean, low: mean - half, high: mean + half };
}

/**
 * Paired difference a − b: the i-th values share a seed, so that the seed's effect cancels.
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
  return estimate(a.map((value, i) => value - b[i]!));
}

/**
 * Interprets a difference: `higher` or `lower` if it is significant at 95 %. Equal differences, which a small test set can
 * produce, are not significant: their interval of width 0 is an artefact.
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
