import { InputError, quoted } from "../errors.ts";
import { flag, type SchemaOf, settle } from "../settings.ts";
import {
  checkLength,
  checkList,
  checkNamed,
  checkNumbers,
  checkSome,
  type Figure,
  figure,
} from "./figure.ts";
import {
  armStyle,
  bounded,
  faint,
  layout,
  type Mean,
  room,
  seen,
  SIZE,
  told,
  type Words,
  wordsSettings,
  wrapped,
} from "./style.ts";
import { thinned } from "./thinned.ts";

/** One line of a {@linkcode curve}. */
export interface Line {
  /** The arm, which gives the line its look and its label. */
  readonly name: string;
  /** Where along the horizontal axis, ascending. */
  readonly x: readonly number[];
  /** How high there: a number, or a mean, whose interval becomes a band. What is not a number leaves a gap. */
  readonly y: readonly (number | Mean)[];
}

/** What a {@linkcode curve} must tell in words, and its horizontal axis. */
export interface CurveOptions extends Words {
  /** Whether the horizontal axis is logarithmic, as for updates 1, 2, 4, …; it is not unless given. */
  readonly log?: boolean;
}

/** The settings of {@linkcode CurveOptions}. */
export const curveSettings = {
  ...wordsSettings,
  log: { ...flag, about: "whether the horizontal axis is logarithmic", default: false },
} satisfies SchemaOf<CurveOptions>;

/** Points that a line is drawn with at most: of more, neighbours are averaged. */
const POINTS = 300;

/**
 * Lines over x, each with its name at its end: loss against updates, bits per character against the position in
 * the window. Of more than 300 points as many neighbours are averaged as leave 300.
 *
 * @param lines The lines
 * @param options Title and axes, with units
 * @returns The figure
 * @throws {InputError} If an option is unknown, there is no line, a line has no number, or its lists differ in length
 *
 * @example
 * ```ts
 * import { curve } from "./mod.ts";
 *
 * const line = { name: "learned", x: [0, 100, 200], y: [8.3, 6.1, 5.2] };
 * console.log(String(curve([line], { title: "Pre-training", x: "updates", y: "loss, nats" })));
 * ```
 */
export function curve(lines: readonly Line[], options: CurveOptions): Figure {
  const { log, ...words } = settle("draw a curve", curveSettings, options);
  checkNamed("lines", lines);
  for (const { name, x, y } of lines) {
    checkList(`x of "${name}"`, x);
    checkList(`y of "${name}"`, y);
    const at = y.findIndex((at) =>
      typeof at !== "number" && typeof (at as Partial<Mean> | null)?.mean !== "number"
    );
    if (at >= 0) throw new InputError(`Cannot draw y of "${name}" as number ${at + 1} is ${quoted(y[at])}`);
  }
  const whole = lines.map(({ name, x, y }) => ({ name, x, y, means: y.map(meanOf) }));
  for (const { name, x, means } of whole) {
    checkSome(`points of "${name}"`, means.filter(Number.isFinite));
    checkNumbers(`x of "${name}"`, x);
    checkLength(`y of "${name}"`, means, "x", x.length);
  }
  const drawn = whole.map(({ name, x, y, means }) => {
    const points = y.filter((at) => typeof at !== "number").some(bounded) ? y : []; // Else there is no band.
    const few = (values: readonly number[]) => thinned([values], 1, Math.ceil(values.length / POINTS))[0]!;
    const ends = (end: "low" | "high") =>
      few(points.map((at) => typeof at === "number" ? NaN : at[end] ?? NaN));
    return {
      name,
      x: few(x),
      y: few(means),
      low: ends("low"),
      high: ends("high"),
      style: armStyle(name),
    };
  });
  const height = 470;
  const all = drawn.flatMap(({ y, low, high }) => [...y, ...low, ...high]).filter(Number.isFinite);
  const [bottom, top] = [Math.min(...all), Math.max(...all)];
  const margin = 0.05 * (top - bottom || Math.abs(top) || 1);
  const range = [bottom - margin, top + margin] as const;

  // A label stands at its line's end, or as near as the others leave it: one line of text from each of them.
  const labels = drawn.map(({ name, y, style }) => {
    const end = y.findLast(Number.isFinite)!;
    return { text: wrapped(name, 20), ink: style.ink, at: (end - range[0]) / (range[1] - range[0]) };
  }).sort((a, b) => a.at - b.at);
  const lineHeight = 1.3 * SIZE / (height - 80);
  const half = ({ text }: { text: string }) => text.split("<br>").length * lineHeight / 2;
  const push = (a: typeof labels[number], b: typeof labels[number]) => {
    const lack = half(a) + half(b) - (b.at - a.at);
    if (lack > 0) [a.at, b.at] = [a.at - lack / 2, b.at + lack / 2];
  };
  for (let round = 0; round < 50; round++) labels.slice(1).forEach((label, i) => push(labels[i]!, label));

  return figure(
    words.title,
    [
      ...drawn.filter(({ low }) => low.length > 0).map(({ name, x, low, high, style }) => ({
        type: "scatter",
        mode: "lines",
        name: `${name}, band`,
        ...outline(x, low, high),
        fill: "toself",
        fillcolor: faint(style.color),
        line: { width: 0 },
        hoverinfo: "skip",
      })),
      ...drawn.map(({ name, x, y, style }) => ({
        type: "scatter",
        name,
        x: x.map((value) => seen(value)),
        y: y.map((value) => seen(value)),
        line: { color: style.color, dash: style.dash, width: 3 },
        ...(x.length > 30 ? { mode: "lines" } : {
          mode: "lines+markers",
          marker: { color: style.color, symbol: style.symbol, size: 10 },
        }),
      })),
    ],
    layout(words, {
      height,
      right: room(labels.map(({ text }) => text)) + 24,
      ...log && { xaxis: { type: "log", dtick: 1, exponentformat: "none", separatethousands: true } },
      yaxis: { range: range.map((value) => seen(value)) },
      annotations: labels.map(({ text, ink, at }) => ({
        xref: "paper",
        yref: "paper",
        x: 1,
        y: seen(at),
        xanchor: "left",
        yanchor: "middle",
        xshift: 8,
        align: "left",
        text,
        font: { color: ink },
        showarrow: false,
      })),
    }),
    {
      header: ["", `first ${words.y}`, "last", "lowest", "points"],
      rows: whole.map(({ name, means }) => {
        const real = means.filter(Number.isFinite);
        return [
          name,
          ...[real[0]!, real.at(-1)!, real.reduce((a, b) => Math.min(a, b))].map(told),
          String(real.length),
        ];
      }),
    },
  );
}

const meanOf = (at: number | Mean): number => typeof at === "number" ? at : at.mean;

/** The band's edge: along the upper side and back along the lower one, a ring for each stretch without a gap. */
function outline(x: number[], low: number[], high: number[]) {
  const rings: number[][] = [[]];
  x.forEach((_, i) => {
    if (Number.isFinite(low[i]! + high[i]!)) rings.at(-1)!.push(i);
    else if (rings.at(-1)!.length) rings.push([]);
  });
  const points = rings.filter(({ length }) => length).flatMap((ring) => [
    ...ring.map((i) => [seen(x[i]!), seen(high[i]!)]),
    ...ring.toReversed().map((i) => [seen(x[i]!), seen(low[i]!)]),
    [null, null],
  ]).slice(0, -1);
  return { x: points.map(([x]) => x!), y: points.map(([, y]) => y!) };
}
