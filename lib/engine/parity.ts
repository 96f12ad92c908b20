import * as tf from "../tfjs.ts";
import { InputError } from "../errors.ts";
import { evaluate } from "./cases.ts";
import cases from "./ops/mod.ts";

/** The largest difference that is let pass, as a share of the largest magnitude: a GPU's functions are not exact. */
const TOLERANCE = 1e-4;

/** Every case on a backend. */
async function measure(backend: string, which: "actual" | "expected"): Promise<Float32Array[][]> {
  await tf.setBackend(backend);
  const results = tf.tidy(() => cases.map((each) => evaluate(each, which)));
  try {
    return await Promise.all(results.map((tensors) => Promise.all(tensors.map((x) => x.data<"float32">()))));
  } finally {
    tf.dispose(results);
  }
}

/** The largest difference, as a share of the largest expected magnitude; NaN if one is. */
export function difference(actual: Float32Array, expected: Float32Array): number {
  let [worst, scale] = [0, 0];
  expected.forEach((value, i) => {
    scale = Math.max(scale, Math.abs(value));
    worst = Math.max(worst, Math.abs(actual[i]! - value)); // Which NaN stays in.
  });
  return scale > 0 ? worst / scale : worst;
}

/**
 * Compares every operation on the current backend, values and gradients, with its reference on tfjs' `cpu`: drivers
 * and the kernels for them are where a backend may be wrong without a word.
 *
 * @throws {InputError} If one differs; it names the first that does.
 *
 * @example
 * ```ts
 * import { backend } from "./backend.ts";
 * import { checkParity } from "./parity.ts";
 *
 * await backend("wasm");
 * await checkParity();
 * ```
 */
export async function checkParity(): Promise<void> {
  const name = tf.getBackend();
  try {
    const expected = await measure("cpu", "expected");
    const actual = await measure(name, "actual");
    cases.forEach(({ name: operation }, i) => {
      const off = Math.max(...actual[i]!.map((x, j) => difference(x, expected[i]![j]!)));
      if (off <= TOLERANCE) return;
      throw new InputError(
        `Cannot compute on backend "${name}" as its ${operation} is off by ${off.toExponential(1)} of the ` +
          `largest value, ${TOLERANCE} is allowed: another backend works`,
      );
    });
  } finally {
    await tf.setBackend(name);
  }
}
