import * as tf from "../tfjs.ts";
import { started } from "./backend.ts";

/** Size of the matrices: large enough for the full rate of a core. */
const SIZE = 512;

/**
 * The rate at which the current backend multiplies large matrices, measured within some 50 ms.
 *
 * @returns Floating-point operations a second.
 *
 * @example
 * ```ts
 * import { matmulRate } from "./mod.ts";
 *
 * console.log(await matmulRate() > 1e8); // true
 * ```
 */
export async function matmulRate(): Promise<number> {
  await started();
  const matrix = tf.ones([SIZE, SIZE]);
  let shortest = Infinity;
  for (let i = 0; i < 5; i++) {
    const begin = performance.now(), product = tf.matMul(matrix, matrix);
    await product.data();
    shortest = Math.min(shortest, performance.now() - begin);
    product.dispose();
  }
  matrix.dispose();
  return 2 * SIZE ** 3 / shortest * 1e3;
}
