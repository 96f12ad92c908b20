/**
 * Averages a matrix in blocks. NaN cells are ignored; a block without a number becomes NaN.
 *
 * @param matrix Rows of equal length; a series is one row
 * @param down Rows per block
 * @param across Columns per block
 * @returns The mean of each block
 *
 * @example
 * ```ts
 * import { downsample } from "./downsample.ts";
 *
 * console.log(downsample([[1, 3, NaN, 5]], 1, 2)); // [ [ 2, 5 ] ]
 * ```
 */
export function downsample(matrix: readonly (readonly number[])[], down: number, across: number): number[][] {
  const blocks = (length: number, size: number) =>
    Array.from({ length: Math.ceil(length / size) || 0 }, (_, i) => i * size);
  return blocks(matrix.length, down).map((row) =>
    blocks(matrix[0]!.length, across).map((column) => {
      const block = matrix.slice(row, row + down).flatMap((cells) => cells.slice(column, column + across));
      const finite = block.filter(Number.isFinite);
      return finite.reduce((a, b) => a + b, 0) / finite.length;
    })
  );
}
