/**
 * Rounds a number to the precision of its interval: two significant digits of the interval's half width, at most four
 * decimals.
 *
 * @example
 * ```ts
 * import { rounded } from "./numbers.ts";
 *
 * console.log(rounded(71.28391, 1.7)); // "71.3"
 * ```
 */
export function rounded(value: number, halfWidth: number): string {
  const digits = Number.isFinite(halfWidth) && halfWidth > 0 ? 1 - Math.floor(Math.log10(halfWidth)) : 2;
  return withMinusSign(value.toFixed(Math.min(4, Math.max(0, digits))));
}

/**
 * A number's text with a true minus sign, and none before zero.
 *
 * @example
 * ```ts
 * import { withMinusSign } from "./numbers.ts";
 *
 * console.log(withMinusSign("-1.5"), withMinusSign("-0.0")); // −1.5 0.0
 * ```
 */
export function withMinusSign(text: string): string {
  return text.replace(/^-(?=[0.]+$)/, "").replace(/^-/, "−");
}

/**
 * A number and the bounds of its interval, each {@linkcode rounded}.
 *
 * @example
 * ```ts
 * import { withInterval } from "./numbers.ts";
 *
 * console.log(withInterval(71.28, 69.61, 72.95)); // "71.3 [69.6, 73.0]"
 * ```
 */
export function withInterval(value: number, low: number, high: number): string {
  const [middle, from, to] = [value, low, high].map((number) => rounded(number, (high - low) / 2));
  return `${middle} [${from}, ${to}]`;
}

/**
 * A fraction as a percentage.
 *
 * @example
 * ```ts
 * import { percent } from "./numbers.ts";
 *
 * console.log(percent(0.1234)); // "12.3 %"
 * ```
 */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}
