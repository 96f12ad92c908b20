import { ColumnTable } from "../arquero.ts";
import { jupyter } from "../kernel.ts";
import { checked, or, value as values } from "../settings.ts";
import { type Figure, isFigure } from "./figure.ts";
import { tableText } from "./tables.ts";

/** Time to wait for the kernel to send the output, in ms: an output sent after the end of its cell is lost. */
const FLUSH_DELAY = 30;

const isTable = values("a table", (value): value is ColumnTable => value instanceof ColumnTable);

/**
 * Displays a figure or a table in the middle of a notebook cell; the cell's last expression is displayed without it.
 * Outside a notebook it prints the text of the figure or table.
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
  await new Promise((resume) => setTimeout(resume, FLUSH_DELAY));
}
