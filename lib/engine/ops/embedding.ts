import * as tf from "../../tfjs.ts";
import { InputError } from "../../errors.ts";
import { type Case, casesOf, drawIds } from "../cases.ts";
import { compute, differentiable, ELEMENT, type WasmContext } from "../operation.ts";

/**
 * The rows of a table that ids name (§3.1, eq. 2: `U·W_e`).
 *
 * @param table (V, d)
 * @param ids Integers, any shape.
 * @returns The ids' shape, then d.
 * @throws {InputError} If the fused implementation finds an id that the table does not have.
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  return compute({ reference: embeddingReference, fused: embeddingFused }, table, ids);
}

/**
 * The reference of {@linkcode embedding}. Backend wasm has no gradient of `gather`, and a GPU's scatter has no order:
 * there it is a matrix multiplication.
 */
export function embeddingReference(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  const flat = ids.flatten() as tf.Tensor1D;
  const rows = differentiable<tf.Tensor2D>([table], () => ({
    value: table.gather(flat),
    saved: [flat],
    backward(dy, [flat]) {
      if (tf.getBackend() !== "webgpu") return [tf.scatterND(flat!.expandDims(1), dy, table.shape)];
      const row = tf.range(0, table.shape[0], 1, "int32").expandDims(1); // (V, 1)
      return [tf.matMul(row.equal(flat!).cast("float32"), dy as tf.Tensor2D)]; // (V, d)
    },
  }));
  return rows.reshape([...ids.shape, table.shape[1]]);
}

/** {@linkcode embedding}, fused. */
export function embeddingFused(wasm: WasmContext, table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  const { own, addressOf, make } = wasm;
  const [rows, d] = table.shape;
  checkIds(ids.dataSync<"int32">(), rows);
  return differentiable([table], () => {
    const value = make([...ids.shape, d]);
    own.gather(ids.size, d, addressOf(table), addressOf(ids, "int32"), addressOf(value));
    return {
      value,
      saved: [ids],
      backward(dy, [ids]) {
        const dTable = make([rows, d]);
        scatter(wasm, ids!.size, d, addressOf(dy), addressOf(ids!, "int32"), addressOf(dTable), rows);
        return [dTable];
      },
    };
  });
}

/** Refuses ids that a table does not have: the wasm backend's memory has no walls. */
export function checkIds(ids: Int32Array, rows: number): void {
  for (const id of ids) {
    if (!(id >= 0 && id < rows)) throw new InputError(`Cannot find row ${id} in a table of ${rows} rows`);
  }
}

/** Adds `count` rows at `x` to those of a table of zeros that ids name, each thread to rows of its own. */
export function scatter(
  { divide }: WasmContext,
  count: number,
  d: number,
  x: number,
  ids: number,
  table: number,
  rows: number,
): void {
  divide(rows, 1, ELEMENT * d, (kernels, first, some) => {
    kernels.scatter(count, d, x, ids, table, first, first + some);
  });
}

/** What is compared. */
export const cases: Case[] = casesOf(
  embedding,
  embeddingReference,
  ([[5, 6], [100, 12]] as const).map(([V, d]) => ({
    shapes: [[V, d]],
    call: (embedding, table) => embedding(table as tf.Tensor2D, drawIds([3, 7], V)),
  })),
);
