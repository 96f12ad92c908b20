/**
 * Calls of the operations that are compared: a fused implementation with the reference, and another backend with
 * tfjs' `cpu`. Each operation has them in its file, and `ops/mod.ts` lists them all.
 *
 * @module
 */
import * as tf from "../tfjs.ts";
import { keyOf, normals, words } from "./random.ts";

/** A call on some inputs; gradients of the inputs are compared where it gives one tensor and not several. */
type Call = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** What is compared. */
export interface Case {
  /** The operation. */
  readonly name: string;
  /** Shapes of the inputs. */
  readonly shapes: readonly (readonly number[])[];
  /** Standard deviation of the inputs. Default: 1. */
  readonly deviation?: number | undefined;
  /** By the implementation that the current backend has. */
  readonly actual: Call;
  /** By the reference. */
  readonly expected: Call;
}

/**
 * The cases of an operation.
 *
 * @param operation As models call it.
 * @param reference Its definition.
 * @param list Shapes of inputs, and how either is called on them.
 */
export function casesOf<Operation extends (...args: never[]) => unknown>(
  operation: Operation,
  reference: NoInfer<Operation>,
  list: readonly (Pick<Case, "shapes" | "deviation"> & {
    readonly call: (operation: NoInfer<Operation>, ...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
  })[],
): Case[] {
  return list.map(({ shapes, deviation, call }) => ({
    name: operation.name,
    shapes,
    deviation,
    actual: (...inputs) => call(operation, ...inputs),
    expected: (...inputs) => call(reference, ...inputs),
  }));
}

/** Normal random numbers of a shape; the same name gives the same numbers. */
export function draw<T extends tf.Tensor>(name: string, shape: readonly number[], deviation = 1): T {
  return tf.tensor(normals(keyOf(1, name), tf.util.sizeFromShape([...shape]), deviation), [...shape]) as T;
}

/** Random ids of a shape. */
export function drawIds<T extends tf.Tensor>(shape: number[], below: number): T {
  const drawn = words(keyOf(1, "ids"), tf.util.sizeFromShape(shape));
  return tf.tensor(Int32Array.from(drawn, (word) => word % below), shape, "int32") as T;
}

/** The values of a case, with and without a tape, and the gradients of its inputs for a random one of the value. */
export function evaluate(
  { shapes, deviation, ...calls }: Case,
  which: "actual" | "expected",
): tf.Tensor[] {
  const inputs = shapes.map((shape, i) => draw(`input ${i}`, shape, deviation)), call = calls[which];
  const bare = call(...inputs);
  if (Array.isArray(bare)) return bare;
  const { value, grads } = tf.valueAndGrads(call as (...inputs: tf.Tensor[]) => tf.Tensor)(
    inputs,
    draw("dy", bare.shape),
  );
  return [bare, value, ...grads];
}
