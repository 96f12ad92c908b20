import { oneOf, type SchemaOf, settle, value } from "../settings.ts";
import { checkLength, checkList, checkSome, type Figure, figure } from "./figure.ts";
import { layout, told, type Words, wordsSettings, wrapped } from "./style.ts";
import { thinned } from "./thinned.ts";

/** What a {@linkcode heatmap} must tell in words, and how it is coloured. */
export interface HeatmapOptions extends Words {
  /** What the colours measure, with its unit: `"attention, share"`. */
  readonly z: string;
  /** `sequential`: the more, the darker. `diverging`: blue below 0, white at 0, red above. */
  readonly scale: "sequential" | "diverging";
  /** Names of the columns, such as tokens; counted from 0 unless given. */
  readonly columns?: readonly string[];
  /** Names of the rows. */
  readonly rows?: readonly string[];
}

const names = value(
  "a list of texts",
  (value): value is readonly string[] =>
    Array.isArray(value) && value.every((name) => typeof name === "string"),
);

/** The settings of {@linkcode HeatmapOptions}. */
export const heatmapSettings = {
  ...wordsSettings,
  z: { ...wordsSettings.title, about: "what the colours measure, with its unit" },
  scale: { ...oneOf(["sequential", "diverging"]), about: "how colours follow numbers" },
  columns: { ...names, about: "names of the columns", otherwise: "counted from 0" },
  rows: { ...names, about: "names of the rows", otherwise: "counted from 0" },
} satisfies SchemaOf<HeatmapOptions>;

/** Cells a side at most: of more, neighbours are averaged. */
const CELLS = 128;

/** ColorBrewer's scales RdBu and Blues, which no common colour blindness confuses. */
const scales = {
  diverging: ["#053061", "#4393C3", "#F7F7F7", "#D6604D", "#67001F"].map((color, i) => [i / 4, color]),
  sequential: ["#F7FBFF", "#9ECAE1", "#4292C6", "#08519C", "#08306B"].map((color, i) => [i / 4, color]),
};

/**
 * A matrix as colours, its first row on top: attention maps, similarity of position embeddings. Cells that are
 * not numbers are grey. Of more than 128 rows or columns neighbours are averaged.
 *
 * @param matrix Its rows
 * @param options Title, axes, scale, names of rows and columns
 * @returns The figure
 * @throws {InputError} If an option is unknown, there is no number, rows differ in length, or names are not as many as rows or columns
 *
 * @example
 * ```ts
 * import { heatmap } from "./mod.ts";
 *
 * const words = { title: "Head 1", x: "attended token", y: "token", z: "attention, share" };
 * const figure = heatmap([[1, NaN], [0.4, 0.6]], { ...words, scale: "sequential", columns: ["the", "sea"] });
 * console.log(String(figure));
 * ```
 */
export function heatmap(
  matrix: readonly (readonly number[])[],
  options: HeatmapOptions,
): Figure {
  const { z, scale, columns, rows, ...words } = settle("draw a heatmap", heatmapSettings, options);
  checkSome("rows", matrix);
  matrix.forEach((row, at) => checkList(`cells in row ${at + 1}`, row));
  const [high, wide] = [matrix.length, matrix[0]!.length];
  matrix.forEach((row, at) => checkLength(`cells in row ${at + 1}`, row, "in the first", wide));
  if (columns) checkLength("names of columns", columns, "columns", wide);
  if (rows) checkLength("names of rows", rows, "rows", high);
  let [least, most] = [Infinity, -Infinity];
  for (const value of matrix.flat()) {
    if (Number.isFinite(value)) [least, most] = [Math.min(least, value), Math.max(most, value)];
  }
  checkSome("numbers", least <= most ? [least] : []);
  const [down, across] = [Math.ceil(high / CELLS), Math.ceil(wide / CELLS)];
  const digits = Math.max(0, -Math.floor(Math.log10((most - least || Math.abs(most) || 1) / 80)));
  const cells = thinned(matrix, down, across).map((row) =>
    row.map((value) => Number.isFinite(value) ? Number(value.toFixed(digits)) : null)
  );
  const end = Math.max(-least, most) || 1;

  // Square cells where the matrix is about square.
  const square = high <= 2 * wide && wide <= 2 * high;
  const side = 560;
  const height = square ? Math.min(side, side * high / wide) : 400;
  const width = square ? Math.min(side, side * wide / high) : side;
  return figure(
    words.title,
    [{
      type: "heatmap",
      z: cells,
      x0: (across - 1) / 2,
      dx: across,
      y0: (down - 1) / 2,
      dy: down,
      colorscale: scales[scale],
      ...(scale === "diverging" ? { zmin: -end, zmax: end } : {}),
      colorbar: { thickness: 24, outlinewidth: 0, len: 1, nticks: 6 },
    }],
    layout(words, {
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
      // Not the colour bar's own title, which plotly.js lays over the bar's numbers.
      annotations: [{
        xref: "paper",
        yref: "paper",
        x: 1,
        y: 0.5,
        xshift: 126,
        text: wrapped(z, 50),
        textangle: -90,
        font: { size: 24 },
        showarrow: false,
      }],
    }),
    {
      header: ["", z],
      rows: [
        ["lowest", told(least)],
        ["highest", told(most)],
        ["rows × columns", `${high} × ${wide}`],
      ],
    },
  );
}

/** Ticks with names, as many as there is room for. */
function axis(names: readonly string[] | undefined, count: number, length: number, upright = false) {
  const common = { showgrid: false, showline: false, ticks: "", ticklabelstandoff: 6 };
  if (!names) return { ...common, nticks: 8 };
  const flat = upright || Math.max(...names.map((name) => name.length)) * 12.5 < length / count;
  const step = Math.ceil(count * 26 / length);
  const at = Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step);
  return {
    ...common,
    tickvals: at,
    ticktext: at.map((i) => wrapped(names[i]!, 40)),
    tickangle: flat ? 0 : -90,
  };
}
