/**
 * tfjs' types, as the kit's public interfaces name them: its documentation is at https://js.tensorflow.org/api.
 *
 * @module
 */
import type * as tf from "../tfjs.ts";

/**
 * A matrix.
 *
 * @internal tfjs' own documentation has it.
 */
export type Tensor2D = tf.Tensor2D;

/**
 * A tensor of rank 3.
 *
 * @internal tfjs' own documentation has it.
 */
export type Tensor3D = tf.Tensor3D;

/**
 * A tensor of rank 4.
 *
 * @internal tfjs' own documentation has it.
 */
export type Tensor4D = tf.Tensor4D;

/**
 * A tensor whose values can be replaced.
 *
 * @internal tfjs' own documentation has it.
 */
export type Variable = tf.Variable;

/**
 * A vector whose values can be replaced.
 *
 * @internal tfjs' own documentation has it.
 */
export type Variable1D = tf.Variable<tf.Rank.R1>;

/**
 * A matrix whose values can be replaced.
 *
 * @internal tfjs' own documentation has it.
 */
export type Variable2D = tf.Variable<tf.Rank.R2>;
