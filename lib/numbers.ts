/**
 * A number with as many digits as its interval supports: two of the interval's half width, at most four
 * after the point.
 *
 * @example
 * ```ts
 * import { rounded } from "./numbers.ts";
 *
 * console.log(rounded(71.28391, 1.7)); // "71.3"
 * ```
 */
export function rounded(value: number, half: number): string {
  const digits = Number.isFinite(half) && half > 0 ? 1 - Math.floor(Math.log10(half)) : 2;
  return value.toFixed(Math.min(4, Math.max(0, digits))).replace(/^-(?=[0.]+$)/, ""); // No minus before zero.
}
