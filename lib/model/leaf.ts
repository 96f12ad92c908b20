import { keyOf, normals } from "../engine/mod.ts";

/** What a parameter is before it is made. */
export interface Leaf {
  /** Its shape. */
  readonly shape: readonly number[];
  /**
   * Its values at the start: the standard deviation of N(0, ·), drawn from a stream of the leaf's own name; one value for
   * all; or a function of the seed.
   */
  readonly start: number | { readonly fill: number } | ((seed: number) => Float32Array);
  /** Whether updates leave it as it is. Default: no. */
  readonly fixed?: boolean;
}

/** Standard deviation of kernels and embeddings at the start (§4.1). */
export const DEVIATION = 0.02;

/** An affine map: weight N(0, deviation²), bias 0. */
export function linearLeaves(
  name: string,
  from: number,
  to: number,
  deviation = DEVIATION,
): Record<string, Leaf> {
  return {
    [`${name}.weight`]: { shape: [from, to], start: deviation },
    [`${name}.bias`]: { shape: [to], start: { fill: 0 } },
  };
}

/** A layer norm: gain 1, bias 0. */
export function normLeaves(name: string, width: number): Record<string, Leaf> {
  return {
    [`${name}.weight`]: { shape: [width], start: { fill: 1 } },
    [`${name}.bias`]: { shape: [width], start: { fill: 0 } },
  };
}

/** A leaf's values at the start. */
export function startOf(name: string, { shape, start }: Leaf, seed: number): Float32Array {
  if (typeof start === "function") return start(seed);
  const size = sizeOf(shape);
  if (typeof start === "number") return normals(keyOf(seed, name), size, start);
  return new Float32Array(size).fill(start.fill);
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
