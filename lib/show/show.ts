import { ColumnTable } from "arquero";
import { jupyter } from "../kernel.ts";
import { checked, or, value as values } from "../settings.ts";
import { type Figure, isFigure } from "./figure.ts";
import { tableText } from "./tables.ts";

/** A kernel may send an output after it has said that the cell is done, and then it is lost: this long it takes, in ms. */
const PATIENCE = 30;

const isTable = values("a table", (value): value is ColumnTable => value instanceof ColumnTable);

/**
 * Shows a figure or a table in the middle of a notebook's cell; a cell's last expression shows itself. Outside a
 * notebook it prints the figure's or the table's text.
 *
 * @param value A figure or an arquero table
 *
 * @example
 * ```ts
 * import { table } from "arquero";
 * import { show } from "./mod.ts";
 *
 * await show(table({ task: ["imdb", "kind"], "accuracy, %": [81.2345, 51] }));
 * ```
 */
export async function show(value: Figure | ColumnTable): Promise<void> {
  checked("show", "value", or(isFigure, isTable), value);
  const kernel = jupyter();
  if (!kernel) return console.log(value instanceof ColumnTable ? tableText(value) : String(value));
  await kernel.display(value);
  await new Promise((resume) => setTimeout(resume, PATIENCE));
}
