/**
 * Assertions: `@std/assert` where JSR can be reached, else Node's own with the same names, so that the tests
 * run on an npm-only network.
 *
 * @module
 */
import { AssertionError, deepStrictEqual } from "node:assert";
import { InputError } from "../lib/errors.ts";

/** Not a literal in the import, so that type checks do not need JSR. */
const STD = "@std/assert";
const std: { assertEquals<T>(actual: T, expected: T, message?: string): void } | null = await import(STD)
  .catch(() => null);

/** Fails unless `value` is truthy. */
export function assert(value: unknown, message?: string): asserts value {
  if (!value) throw new AssertionError({ message: message ?? `${value} should hold` });
}

/** Fails unless both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  if (std) std.assertEquals(actual, expected, message);
  else if (message) deepStrictEqual(actual, expected, message);
  else deepStrictEqual(actual, expected);
}

/** Fails unless the call, or its promise, is refused with an {@linkcode InputError} of this message. */
export async function assertRefused(call: () => unknown, message: RegExp): Promise<void> {
  const error = await (async () => await call())().then(() => undefined, (error: unknown) => error);
  assert(error instanceof InputError, `should be refused with ${message}: ${error ?? "it was accepted"}`);
  assert(message.test(error.message), `should be refused with ${message}: ${error.message}`);
  assert(!/[.\n]$/.test(error.message), `a message is one sentence without a full stop: ${error.message}`);
}

/**
 * Fails unless a call, or its promise, ends within a time in ms: once in three times, as a busy machine holds it up now
 * and then.
 */
export async function assertSoon(limit: number, what: string, call: () => unknown): Promise<void> {
  let least = Infinity;
  for (let i = 0; i < 3 && least >= limit; i++) {
    const begin = performance.now();
    await call();
    least = Math.min(least, performance.now() - begin);
  }
  assert(least < limit, `${what} took ${least} ms`);
}

/** How {@linkcode assertClose} compares. */
export interface Tolerance {
  /** Largest difference, as a share of the largest expected magnitude; 1e-5 unless given. */
  relative?: number;
  /** Elements that are zero by analysis: compared with zero, in absolute terms. */
  zero?: readonly (readonly [from: number, to: number])[];
  /** Largest magnitude of those; 1e-6 unless given. */
  absolute?: number;
}

/**
 * Fails unless two vectors agree, naming the worst element.
 *
 * @returns The worst relative difference.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  { relative = 1e-5, zero = [], absolute = 1e-6 }: Tolerance = {},
): number {
  assertEquals(actual.length, expected.length, `${what}: length`);
  const isZero = (i: number) => zero.some(([from, to]) => i >= from && i < to);
  let scale = 0;
  for (let i = 0; i < expected.length; i++) if (!isZero(i)) scale = Math.max(scale, Math.abs(expected[i]!));
  let [worst, at] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    if (isZero(i)) {
      assert(Math.abs(actual[i]!) <= absolute, `${what}[${i}] should be 0 within ${absolute}: ${actual[i]}`);
      continue;
    }
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (difference <= worst) continue;
    [worst, at] = [difference, i];
    if (Number.isNaN(difference)) break; // It must not pass for small, here or when the next one is looked at.
  }
  const ratio = scale > 0 ? worst / scale : worst;
  assert(
    ratio <= relative,
    `${what}[${at}] is ${actual[at]} where ${expected[at]} is wanted: off by ${
      ratio.toExponential(1)
    } of the ` +
      `largest, ${relative} is allowed`,
  );
  return ratio;
}
