import { settle } from "../settings.ts";
import { checkNamed, checkNumbers, type Figure, figure } from "./figure.ts";
import {
  bounded,
  estimated,
  INK,
  layout,
  room,
  seen,
  SIZE,
  whiskers,
  type Words,
  wordsSettings,
  wrapped,
} from "./style.ts";

/** An effect with its interval: one row of a {@linkcode forest}. */
export interface Effect {
  /** What is compared, in a few words. */
  readonly label: string;
  /** The mean difference. */
  readonly mean: number;
  /** Lower end of its interval; not a number where there is none, as of a single seed. */
  readonly low: number;
  /** Upper end. */
  readonly high: number;
  /** Number of seeds. */
  readonly n: number;
}

const { y: _, ...ownWords } = wordsSettings;

/** The words of a {@linkcode forest}. */
export const forestSettings = ownWords;

/** What an interval tells: marker, colour, width of its line, and words. */
const kinds = {
  told: { symbol: "square", color: "#0072B2", width: 5, words: "■ interval excludes 0" },
  untold: { symbol: "circle-open", color: "#767676", width: 2, words: "○ not distinguishable from 0" },
  single: { symbol: "x-thin", color: INK, width: 2, words: "× no interval" },
} as const;

/** Equal values in all seeds are no proof that chance has no part: an interval without width tells nothing. */
function kindOf(effect: Effect): keyof typeof kinds {
  const { low, high } = effect;
  if (!bounded(effect)) return "single";
  return low !== high && (low > 0 || high < 0) ? "told" : "untold";
}

/**
 * Effects with their intervals, a row each in the order given, beside a line at 0: paired differences between
 * arms. Filled squares with thick lines are intervals that 0 lies outside of.
 *
 * @param rows The effects
 * @param words Title and horizontal axis, with its unit; the rows are the vertical one
 * @returns The figure
 * @throws {InputError} If there is no row, or a mean is not a number
 *
 * @example
 * ```ts
 * import { forest } from "./mod.ts";
 *
 * const row = { label: "imdb: pre-trained − from scratch", mean: 4.27, low: 3.46, high: 5.07, n: 3 };
 * console.log(String(forest([row], { title: "What pre-training buys", x: "difference, points" })));
 * ```
 */
export function forest(rows: readonly Effect[], words: Omit<Words, "y">): Figure {
  settle("draw a forest", forestSettings, words);
  checkNamed("rows", rows, "label");
  checkNumbers("means", rows.map(({ mean }) => mean));
  const labels = rows.map(({ label }) =>
    label.split(/(?<=:) /).map((part) => wrapped(part, 28)).join("<br>")
  );
  const numbers = rows.map((row) => (row.mean > 0 ? "+" : "") + estimated(row));
  const present = (Object.keys(kinds) as (keyof typeof kinds)[]).filter((kind) =>
    rows.some((row) => kindOf(row) === kind)
  );
  const ends = rows.flatMap(({ mean, low, high }) => [mean, low, high]).filter(Number.isFinite).concat(0);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const margin = 0.06 * (most - least || 1);
  const lines = Math.max(...labels.map((label) => label.split("<br>").length));
  const seeds = [...new Set(rows.map(({ n }) => n))].sort((a, b) => a - b);
  const many = seeds.length === 1 ? `${seeds[0]}` : `${seeds[0]} to ${seeds.at(-1)}`;
  return figure(
    words.title,
    present.map((kind) => {
      const { symbol, color, width } = kinds[kind];
      const own = rows.map((row, at) => ({ ...row, at })).filter((row) => kindOf(row) === kind);
      return {
        type: "scatter",
        mode: "markers",
        name: kinds[kind].words,
        x: own.map(({ mean }) => seen(mean)),
        y: own.map(({ at }) => at),
        text: own.map(({ label, n }) => wrapped(`${label}, n = ${n}`, 40)),
        marker: { symbol, color, size: 14, line: { color, width: kind === "told" ? 0 : 3 } },
        error_x: whiskers(own, { color, thickness: width, width: kind === "told" ? 0 : 6 }),
      };
    }),
    layout({ ...words, y: "" }, {
      left: 20,
      height: rows.length * (lines * 25 + 10) + 110,
      right: room(numbers) + 24,
      subtitle: [...present.map((kind) => kinds[kind].words), `n = ${many}`].join("  ·  "),
      xaxis: {
        range: [seen(least - margin), seen(most + margin)],
        nticks: Math.max(3, Math.min(6, Math.floor((840 - room(labels) - room(numbers)) / 80))),
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
    { header: ["", words.x, "n"], rows: rows.map(({ label, n }, i) => [label, numbers[i]!, String(n)]) },
  );
}
