import { ColumnTable } from "../arquero.ts";
import { DISPLAY } from "../kernel.ts";
import { escapeText } from "../markup.ts";
import { withMinusSign } from "../numbers.ts";

/** Maximum number of displayed rows. */
const MAX_ROWS = 30;

/** A table's cells as text, and which columns are right-aligned. */
interface Cells {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly right: readonly boolean[];
  /** A note on omitted rows; empty if there are none. */
  readonly more: string;
}

/** A number, or an estimate with its confidence interval. */
const numeric = /^[+−-]?\d[\d.]*( ?%)?(e[+−-]?\d+)?( \[.*\])?$/;

/**
 * The first rows of a table, with the numbers of each column rounded. Texts such as `81.23 [80.39, 82.08]` are
 * unchanged.
 */
function cellsOf(table: ColumnTable): Cells {
  const header = table.columnNames();
  const count = Math.min(table.numRows(), MAX_ROWS);
  const columns = header.map((name) =>
    formatColumn(Array.from({ length: count }, (_, row) => table.get(name, row)))
  );
  return {
    header,
    rows: Array.from({ length: count }, (_, row) => columns.map((column) => column[row]!)),
    right: columns.map((column) => column.every((text) => text === ABSENT || numeric.test(text))),
    more: table.numRows() > count ? `… and ${table.numRows() - count} more rows` : "",
  };
}

const ABSENT = "–";

/**
 * A column as text: its numbers have as many decimals as give the largest one four digits, and those that are too small
 * for these two digits.
 */
function formatColumn(values: readonly unknown[]): string[] {
  const numbers = values.filter((value) => typeof value === "number").filter(Number.isFinite);
  const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const whole = numbers.every(Number.isInteger);
  const decimals = whole || largest === 0 ? 0 : Math.min(8, Math.max(0, 3 - Math.floor(Math.log10(largest))));
  return values.map((value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return ABSENT;
    if (value instanceof Date) return value.toISOString();
    if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const isSmall = value !== 0 && Math.abs(value) < 9.5 * 10 ** -decimals && !Number.isInteger(value);
    return withMinusSign(isSmall ? String(Number(value.toPrecision(2))) : value.toFixed(decimals));
  });
}

/** Aligns rows in columns, for a terminal. */
export function aligned(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[] = header.map((_, i) =>
    rows.every((row) => row[i] === "" || numeric.test(row[i]!))
  ),
): string {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)).join("  ")
      .trimEnd();
  return [header, ...rows].map(line).join("\n");
}

/** A table as text, for viewers without HTML. */
export function tableText(table: ColumnTable): string {
  const { header, rows, right, more } = cellsOf(table);
  return [aligned(header, rows, right), ...(more ? [more] : [])].join("\n");
}

function tableMarkdown(table: ColumnTable): string {
  const { header, rows, right, more } = cellsOf(table);
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => escaped(cell).replace(/[|\\`*_\[\]~$]/g, "\\$&")).join(" | ")} |`;
  const rule = `| ${right.map((right) => right ? "---:" : ":---").join(" | ")} |`;
  return [line(header), rule, ...rows.map(line), ...(more ? ["", more] : [])].join("\n");
}

/** GitHub removes styles and keeps `align`; JupyterLab's own styles are overridden only by a style. */
function tableHtml(table: ColumnTable): string {
  const { header, rows, right, more } = cellsOf(table);
  const row = (tag: string, cells: readonly string[]) =>
    `<tr>${
      cells.map((cell, i) => {
        const side = right[i] ? "right" : "left";
        return `<${tag} align="${side}" style="text-align: ${side}">${escaped(cell)}</${tag}>`;
      }).join("")
    }</tr>`;
  return [
    `<table style="font-variant-numeric: tabular-nums">`,
    `<thead>${row("th", header)}</thead>`,
    `<tbody>`,
    ...rows.map((cells) => row("td", cells)),
    `</tbody>`,
    `</table>`,
    ...(more ? [`<p>${more}</p>`] : []),
  ].join("\n");
}

/** A cell's text on one line. */
const escaped = (text: string): string => escapeText(text).replace(/\s*\n\s*/g, " ");

/**
 * Makes notebooks display arquero's tables: the first 30 rows as HTML, Markdown and text, numbers right-aligned and
 * rounded to four digits of the column's largest. Called when `lib/show/mod.ts` is imported, as a study's tables are
 * plain arquero tables.
 */
export function showTables(): void {
  Object.defineProperty(ColumnTable.prototype, DISPLAY, {
    configurable: true,
    value(this: ColumnTable) {
      return {
        "text/html": tableHtml(this),
        "text/markdown": tableMarkdown(this),
        "text/plain": tableText(this),
      };
    },
  });
}
