import type { LayoutAxis } from "npm:plotly.js-dist@4.1.1";
import { oneOf, type SchemaOf, settle, value } from "../settings.ts";
import { escapeText } from "../markup.ts";
import { checkLength, checkList, checkNamed, checkSome, type Figure, figure } from "./figure.ts";
import {
  type AxisLabels,
  formatNumber,
  labelSettings,
  layout,
  SIZE,
  textWidth,
  WIDTH,
  wrapText,
} from "./style.ts";
import { downsample } from "./downsample.ts";

/** Options of {@linkcode heatmap}. */
export interface HeatmapOptions extends AxisLabels {
  /** Label of the colour bar, with its unit: `"attention, share"`. */
  readonly z: string;
  /** `sequential`: larger values are darker. `diverging`: blue below 0, white at 0, red above. */
  readonly scale: "sequential" | "diverging";
  /** Names of the columns, such as tokens. Default: indices from 0. */
  readonly columns?: readonly string[];
  /** Names of the rows. Default: indices from 0. */
  readonly rows?: readonly string[];
}

const names = value(
  "a list of texts",
  (value): value is readonly string[] =>
    Array.isArray(value) && value.every((name) => typeof name === "string"),
);

/** The settings of {@linkcode HeatmapOptions}. */
export const heatmapSettings = {
  ...labelSettings,
  z: { ...labelSettings.title, about: "label of the colour bar, with its unit" },
  scale: { ...oneOf(["sequential", "diverging"]), about: "colour scale" },
  columns: { ...names, about: "names of the columns", otherwise: "indices from 0" },
  rows: { ...names, about: "names of the rows", otherwise: "indices from 0" },
} satisfies SchemaOf<HeatmapOptions>;

/** Maximum number of rows and of columns: larger matrices are downsampled. */
const MAX_CELLS = 128;

/** ColorBrewer's scales RdBu and Blues, which are safe for colour-blind readers. */
const scales: Record<"diverging" | "sequential", [number, string][]> = {
  diverging: ["#053061", "#4393C3", "#F7F7F7", "#D6604D", "#67001F"].map((color, i) => [i / 4, color]),
  sequential: ["#F7FBFF", "#9ECAE1", "#4292C6", "#08519C", "#08306B"].map((color, i) => [i / 4, color]),
};

/**
 * A heatmap of a matrix, first row on top: attention maps, similarity of position embeddings. NaN cells are grey.
 * More than 128 rows or columns are averaged in blocks.
 *
 * @param matrix Rows of equal length
 * @param options Title, axis labels, colour scale, names of rows and columns
 * @returns The figure
 * @throws {InputError} If an option is unknown, there is no number, rows differ in length, or the number of names is wrong
 *
 * @example
 * ```ts
 * import { heatmap } from "./mod.ts";
 *
 * const labels = { title: "Head 1", x: "attended token", y: "token", z: "attention, share" };
 * const figure = heatmap([[1, NaN], [0.4, 0.6]], { ...labels, scale: "sequential", columns: ["the", "sea"] });
 * console.log(String(figure));
 * ```
 */
export function heatmap(
  matrix: readonly (readonly number[])[],
  options: HeatmapOptions,
): Figure {
  const { z, scale, columns, rows, ...labels } = settle("draw a heatmap", heatmapSettings, options);
  checkSome("rows", matrix);
  matrix.forEach((row, at) => checkList(`cells in row ${at + 1}`, row));
  const [high, wide] = [matrix.length, matrix[0]!.length];
  matrix.forEach((row, at) => checkLength(`cells in row ${at + 1}`, row, "in the first", wide));
  if (columns) checkLength("names of columns", columns, "columns", wide);
  if (rows) checkLength("names of rows", rows, "rows", high);
  const [least, most] = extremes(matrix);
  checkSome("numbers", least <= most ? [least] : []);
  const [down, across] = [Math.ceil(high / MAX_CELLS), Math.ceil(wide / MAX_CELLS)];
  const digits = Math.max(0, -Math.floor(Math.log10((most - least || Math.abs(most) || 1) / 80)));
  const cells = downsample(matrix, down, across).map((row) =>
    row.map((value) => Number.isFinite(value) ? Number(value.toFixed(digits)) : null)
  );
  const end = Math.max(-least, most) || 1;

  // Square cells where the matrix is about square.
  const square = high <= 2 * wide && wide <= 2 * high;
  const side = 560;
  const height = square ? Math.min(side, side * high / wide) : 400;
  const width = square ? Math.min(side, side * wide / high) : side;
  return figure(
    labels.title,
    [{
      type: "heatmap",
      z: cells,
      x0: (across - 1) / 2,
      dx: across,
      y0: (down - 1) / 2,
      dy: down,
      colorscale: scales[scale],
      ...(scale === "diverging" ? { zmin: -end, zmax: end } : {}),
      colorbar: bar,
    }],
    layout(labels, {
      ...averaged(high, wide),
      height: height + 110,
      left: 100,
      right: 150,
      plot_bgcolor: "#D0D0D0",
      xaxis: {
        ...axis(columns, wide, width),
        ...(square ? { constrain: "domain", constraintoward: "right" } : {}),
        range: [-0.5, wide - 0.5],
      },
      yaxis: {
        ...axis(rows, high, height, true),
        ...(square ? { scaleanchor: "x", constrain: "domain", constraintoward: "top" } : {}),
        range: [high - 0.5, -0.5],
      },
      // Not the colour bar's own title, which plotly.js draws over the tick labels.
      annotations: [{
        xref: "paper",
        yref: "paper",
        x: 1,
        y: 0.5,
        xshift: 126,
        text: wrapText(z, 50),
        textangle: -90,
        font: { size: 24 },
        showarrow: false,
      }],
    }),
    {
      header: ["", z],
      rows: [
        ["lowest", formatNumber(least)],
        ["highest", formatNumber(most)],
        ["rows × columns", `${high} × ${wide}`],
      ],
    },
  );
}

/** What a matrix of more cells than are drawn says of them. */
function averaged(high: number, wide: number): { subtitle?: string } {
  const [down, across] = [high, wide].map((count) => Math.ceil(count / MAX_CELLS));
  return down! * across! > 1 ? { subtitle: `each cell drawn is the mean of ${down} × ${across}` } : {};
}

/** The colour bar. */
const bar = { thickness: 24, outlinewidth: 0, len: 1, nticks: 6 };

/** Size of the tick labels of small multiples, in px. */
const SMALL = 14;

/** A matrix with its name. */
export interface HeatmapPanel {
  /** Its name, above it: `head 1`. */
  readonly name: string;
  /** Rows of equal length, as many in each panel. */
  readonly matrix: readonly (readonly number[])[];
}

/**
 * Heatmaps of several matrices side by side, with one colour scale: all heads of a block. NaN cells, such as those
 * that a causal mask hides, are blank.
 *
 * @param panels The matrices, all of one size
 * @param options As of {@linkcode heatmap}
 * @returns The figure
 * @throws {InputError} As {@linkcode heatmap} does
 *
 * @example
 * ```ts
 * import { heatmaps } from "./mod.ts";
 *
 * const labels = { title: "Block 1", x: "attended token", y: "token", z: "attention, share" };
 * const panels = [{ name: "head 1", matrix: [[1, NaN], [0.4, 0.6]] }, { name: "head 2", matrix: [[1, NaN], [0, 1]] }];
 * console.log(String(heatmaps(panels, { ...labels, scale: "sequential" })));
 * ```
 */
export function heatmaps(panels: readonly HeatmapPanel[], options: HeatmapOptions): Figure {
  checkNamed("panels", panels);
  const { columns, rows, title, x, y, z, scale } = settle("draw heatmaps", heatmapSettings, options);
  const single = panels.map(({ matrix }) => heatmap(matrix, options)); // Which checks each.
  const [high, wide] = [panels[0]!.matrix.length, panels[0]!.matrix[0]!.length];
  panels.forEach(({ matrix }) => {
    checkLength("rows", matrix, "in the first panel", high);
    checkLength("cells in a row", matrix[0]!, "in the first panel", wide);
  });
  const across = Math.ceil(Math.sqrt(panels.length)), down = Math.ceil(panels.length / across);
  const gap = { x: 24, y: 40 }, all = 640;
  const cell = { width: (all - gap.x * (across - 1)) / across, height: 0 };
  cell.height = cell.width * Math.min(2, Math.max(0.5, high / wide));
  const height = Math.round(down * cell.height + (down - 1) * gap.y);
  const [least, most] = extremes(panels.flatMap(({ matrix }) => matrix));
  const end = Math.max(-least, most) || 1;
  const id = (i: number) => i === 0 ? "" : i + 1; // Of a panel's axes.
  const axes = panels.flatMap((_, i) => {
    const [column, row] = [i % across, Math.floor(i / across)];
    const [from, top] = [column * (cell.width + gap.x), row * (cell.height + gap.y)];
    const isLowest = i + across >= panels.length;
    const common = { tickfont: { size: SMALL }, zeroline: false, title: { text: "" } };
    return [
      [`xaxis${id(i)}`, {
        ...axis(columns, wide, cell.width, false, SMALL),
        ...common,
        anchor: `y${id(i)}`,
        showticklabels: isLowest,
        domain: [from / all, (from + cell.width) / all],
        range: [-0.5, wide - 0.5],
      }],
      [`yaxis${id(i)}`, {
        ...axis(rows, high, cell.height, true, SMALL),
        ...common,
        anchor: `x${id(i)}`,
        showticklabels: column === 0,
        domain: [1 - (top + cell.height) / height, 1 - top / height],
        range: [high - 0.5, -0.5],
      }],
    ];
  });
  const names = panels.map(({ name }, i) => ({
    ...{ xref: `x${id(i)} domain`, yref: `y${id(i)} domain`, x: 0.5, y: 1 },
    ...{ text: escapeText(name), showarrow: false, xanchor: "center", yanchor: "bottom", font: { size: 16 } },
  }));
  const beside = (text: string, at: Record<string, unknown>) => ({
    ...{ xref: "paper", yref: "paper", text: wrapText(text, 50), showarrow: false, ...at },
  });
  const bottom = columns
    ? 20 + Math.ceil(textWidth(columns.map((name) => wrapText(name, 40))) * SMALL / SIZE)
    : 40;
  const left = rows ? 60 + Math.ceil(textWidth(rows) * SMALL / SIZE) : 90;
  const base = layout({ title, x, y }, { ...averaged(high, wide), height: 0 }), margins = base.margin!;
  return figure(
    title,
    single.map(({ data: [trace] }, i) => ({
      ...{ ...trace, name: panels[i]!.name },
      ...{ xaxis: `x${id(i)}`, yaxis: `y${id(i)}`, showscale: i === 0 },
      ...{ ...(scale === "diverging" ? { zmin: -end, zmax: end } : { zmin: least, zmax: most }) },
      colorbar: { ...bar, title: { text: wrapText(z, 50), side: "right" } },
    })),
    {
      ...base,
      height: margins.t! + 24 + height + bottom + 40,
      margin: { t: margins.t! + 24, l: left, r: WIDTH - left - all, b: bottom + 40 },
      ...Object.fromEntries(axes),
      annotations: [
        ...names,
        beside(x, { x: 0.5, y: 0, yshift: -bottom - 24 }),
        beside(y, { x: 0, y: 0.5, xshift: -left + 24, textangle: -90 }),
      ],
    } as Parameters<typeof figure>[2],
    {
      header: ["", ...panels.map(({ name }) => name)],
      rows: ["lowest", "highest"].map((name, end) => [
        name,
        ...panels.map(({ matrix }) => formatNumber(extremes(matrix)[end]!)),
      ]),
    },
  );
}

/** The lowest and the highest number of a matrix, which may be too large to spread. */
function extremes(matrix: readonly (readonly number[])[]): readonly [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  for (const row of matrix) {
    for (const value of row) {
      if (Number.isFinite(value)) [least, most] = [Math.min(least, value), Math.max(most, value)];
    }
  }
  return [least, most];
}

/** An axis with tick labels, as many as fit. */
function axis(
  names: readonly string[] | undefined,
  count: number,
  length: number,
  upright = false,
  size = SIZE,
): LayoutAxis & { ticktext?: string[] } {
  const common = { showgrid: false, showline: false, ticks: "", ticklabelstandoff: 6 } satisfies LayoutAxis;
  if (!names) return { ...common, nticks: 8 };
  const flat = upright || Math.max(...names.map((name) => name.length)) * 12.5 < length / count;
  const step = Math.ceil(count * 1.3 * size / length);
  const at = Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
  return {
    ...common,
    tickvals: at,
    ticktext: at.map((i) => wrapText(names[i]!, 40)),
    tickangle: flat ? 0 : -90,
  };
}
