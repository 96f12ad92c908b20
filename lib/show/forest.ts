import type { Data } from "npm:plotly.js-dist@4.1.1";
import { settle } from "../settings.ts";
import { checkNamed, checkNumbers, type Figure, figure } from "./figure.ts";
import {
  type AxisLabels,
  checkIntervals,
  errorBars,
  formatEstimate,
  hasInterval,
  INK,
  labelSettings,
  layout,
  roundTo,
  SIZE,
  textWidth,
  wrapText,
} from "./style.ts";

/** An effect with its confidence interval: one row of a {@linkcode forest}. */
export interface Effect {
  /** What is compared. */
  readonly label: string;
  /** The mean difference. */
  readonly mean: number;
  /** Lower bound of its interval; NaN if there is none, as for a single seed. */
  readonly low: number;
  /** Upper bound of its interval. */
  readonly high: number;
  /** Number of seeds. */
  readonly n: number;
  /** Its p-value, corrected for the number of tests, as an effect of a study has it. Default: its interval decides. */
  readonly p?: number;
}

const { y: _, ...ownLabels } = labelSettings;

/** The settings of a {@linkcode forest}'s labels. */
export const forestSettings = ownLabels;

/** Marker, colour, line width and legends of each outcome: where p-values are known, and where they are not. */
const kinds = {
  significant: {
    symbol: "square",
    color: "#0072B2",
    width: 5,
    legends: ["■ significant after correction", "■ interval excludes 0"],
  },
  notSignificant: {
    symbol: "circle-open",
    color: "#767676",
    width: 2,
    legends: ["○ not significant after correction", "○ not distinguishable from 0"],
  },
  noInterval: { symbol: "x-thin", color: INK, width: 2, legends: ["× no interval", "× no interval"] },
} as const;

/** An interval of zero width is not significant: seeds may give equal values by chance. */
function kindOf(effect: Effect, isCorrected: boolean): keyof typeof kinds {
  const { low, high, p } = effect;
  if (!hasInterval(effect)) return "noInterval";
  const differs = isCorrected ? typeof p === "number" && p < 0.05 : low > 0 || high < 0; // JSON has null for no p-value.
  return low !== high && differs ? "significant" : "notSignificant";
}

/**
 * A forest plot: effects with their confidence intervals, one row each, and a line at 0. Filled squares with thick
 * lines are significant effects: by their corrected p-values where all have one, else by their intervals, which are not
 * corrected.
 *
 * @param rows The effects, from top to bottom
 * @param text Title and label of the horizontal axis, with its unit
 * @returns The figure
 * @throws {InputError} If there is no row, or a mean is not a number
 *
 * @example
 * ```ts
 * import { forest } from "./mod.ts";
 *
 * const row = { label: "imdb: pre-trained − from scratch", mean: 4.27, low: 3.46, high: 5.07, n: 3, p: 0.01 };
 * console.log(String(forest([row], { title: "What pre-training buys", x: "difference, points" })));
 * ```
 */
export function forest(rows: readonly Effect[], text: Omit<AxisLabels, "y">): Figure {
  settle("draw a forest", forestSettings, text);
  checkNamed("rows", rows, "label");
  checkNumbers("means", rows.map(({ mean }) => mean));
  checkIntervals("rows", rows);
  const isCorrected = rows.every(({ p }) => p !== undefined);
  const kindsOf = rows.map((row) => kindOf(row, isCorrected));
  const legendOf = (kind: keyof typeof kinds) => kinds[kind].legends[isCorrected ? 0 : 1];
  const labels = rows.map(({ label }) =>
    label.split(/(?<=:) /).map((part) => wrapText(part, 28)).join("<br>")
  );
  const numbers = rows.map((row) => (row.mean > 0 ? "+" : "") + formatEstimate(row));
  const present = (Object.keys(kinds) as (keyof typeof kinds)[]).filter((kind) => kindsOf.includes(kind));
  const ends = rows.flatMap(({ mean, low, high }) => [mean, low, high]).filter(Number.isFinite).concat(0);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const margin = 0.06 * (most - least || 1);
  const lines = Math.max(...labels.map((label) => label.split("<br>").length));
  const seeds = [...new Set(rows.map(({ n }) => n))].sort((a, b) => a - b);
  const seedCount = seeds.length === 1 ? `${seeds[0]}` : `${seeds[0]} to ${seeds.at(-1)}`;
  return figure(
    text.title,
    present.map((kind): Data => {
      const { symbol, color, width } = kinds[kind];
      const own = rows.map((row, at) => ({ ...row, at })).filter((_, i) => kindsOf[i] === kind);
      return {
        type: "scatter",
        mode: "markers",
        name: legendOf(kind),
        x: own.map(({ mean }) => roundTo(mean)),
        y: own.map(({ at }) => at),
        text: own.map(({ label, n }) => wrapText(`${label}, n = ${n}`, 40)),
        marker: { symbol, color, size: 14, line: { color, width: kind === "significant" ? 0 : 3 } },
        error_x: errorBars(own, { color, thickness: width, width: kind === "significant" ? 0 : 6 }),
      };
    }),
    layout({ ...text, y: "" }, {
      left: 20,
      height: rows.length * (lines * 25 + 10) + 110,
      right: textWidth(numbers) + 24,
      subtitle: [...present.map(legendOf), `n = ${seedCount}`].join("  ·  "),
      xaxis: {
        range: [roundTo(least - margin), roundTo(most + margin)],
        nticks: Math.max(3, Math.min(6, Math.floor((840 - textWidth(labels) - textWidth(numbers)) / 80))),
      },
      yaxis: {
        range: [rows.length - 0.5, -0.5],
        tickvals: rows.map((_, at) => at),
        ticktext: labels,
        showgrid: false,
        showline: false,
        ticks: "",
        ticklabelstandoff: 8,
      },
      shapes: [{
        type: "line",
        x0: 0,
        x1: 0,
        yref: "paper",
        y0: 0,
        y1: 1,
        layer: "below",
        line: { color: INK, width: 2 },
      }],
      annotations: numbers.map((text, at) => ({
        xref: "paper",
        x: 1,
        y: at,
        xanchor: "left",
        xshift: 12,
        text,
        font: { size: SIZE - 1 },
        showarrow: false,
      })),
    }),
    { header: ["", text.x, "n"], rows: rows.map(({ label, n }, i) => [label, numbers[i]!, String(n)]) },
  );
}
