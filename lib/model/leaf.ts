import { keyOf, normals } from "../engine/mod.ts";

/** The specification of a parameter. */
export interface Leaf {
  /** Its shape. */
  readonly shape: readonly number[];
  /**
   * Its initial values: the standard deviation of N(0, ·), drawn from a random stream of the parameter's name; one
   * constant; or a function of the seed.
   */
  readonly init: number | { readonly fill: number } | ((seed: number) => Float32Array);
  /** Whether it is not trained. @default false */
  readonly fixed?: boolean;
}

/** Standard deviation of initial weights and embeddings (§4.1). */
export const DEVIATION = 0.02;

/** A linear layer: weight N(0, deviation²), bias 0. */
export function linearLeaves(
  name: string,
  from: number,
  to: number,
  deviation = DEVIATION,
): Record<string, Leaf> {
  return {
    [`${name}.weight`]: { shape: [from, to], init: deviation },
    [`${name}.bias`]: { shape: [to], init: { fill: 0 } },
  };
}

/** A layer norm: weight (gain) 1, bias 0. */
export function normLeaves(name: string, width: number): Record<string, Leaf> {
  return {
    [`${name}.weight`]: { shape: [width], init: { fill: 1 } },
    [`${name}.bias`]: { shape: [width], init: { fill: 0 } },
  };
}

/** A parameter's initial values. */
export function initialValues(name: string, { shape, init }: Leaf, seed: number): Float32Array {
  if (typeof init === "function") return init(seed);
  const size = sizeOf(shape);
  if (typeof init === "number") return normals(keyOf(seed, name), size, init);
  return new Float32Array(size).fill(init.fill);
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Number of elements of all parameters. */
export function totalSize(leaves: Iterable<Leaf>): number {
  return [...leaves].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
