/**
 * Means of neighbours: as many as leave no more points or cells than are seen. A block without a number has none.
 *
 * @param matrix Its rows; of a curve one
 * @param down Rows of a block
 * @param across Columns of a block
 * @returns A row for each block of rows, a number for each block
 *
 * @example
 * ```ts
 * import { thinned } from "./thinned.ts";
 *
 * console.log(thinned([[1, 3, NaN, 5]], 1, 2)); // [ [ 2, 5 ] ]
 * ```
 */
export function thinned(matrix: readonly (readonly number[])[], down: number, across: number): number[][] {
  const blocks = (length: number, size: number) =>
    Array.from({ length: Math.ceil(length / size) || 0 }, (_, i) => i * size);
  return blocks(matrix.length, down).map((row) =>
    blocks(matrix[0]!.length, across).map((column) => {
      const block = matrix.slice(row, row + down).flatMap((cells) => cells.slice(column, column + across));
      const real = block.filter(Number.isFinite);
      return real.reduce((a, b) => a + b, 0) / real.length;
    })
  );
}
