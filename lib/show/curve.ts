import type { Data } from "npm:plotly.js-dist@4.1.1";
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
  type Arm,
  armStyles,
  type AxisLabels,
  checkIntervals,
  formatNumber,
  hasInterval,
  INK,
  labelSettings,
  layout,
  type PointEstimate,
  roundTo,
  SIZE,
  textWidth,
  translucent,
  wrapText,
} from "./style.ts";
import { downsample } from "./downsample.ts";

/** One line in a {@linkcode curve}; its arm determines its style and label. */
export interface Series extends Arm {
  /** Horizontal coordinates, ascending. */
  readonly x: readonly number[];
  /** Values: numbers, or means, whose intervals become a band. NaN leaves a gap. */
  readonly y: readonly (number | PointEstimate)[];
}

/** Options of {@linkcode curve}. */
export interface CurveOptions extends AxisLabels {
  /**
   * Whether the horizontal axis is logarithmic, as for updates 1, 2, 4, ….
   *
   * @default false
   */
  readonly log?: boolean;
}

/** The settings of {@linkcode CurveOptions}. */
export const curveSettings = {
  ...labelSettings,
  log: { ...flag, about: "whether the horizontal axis is logarithmic", default: false },
} satisfies SchemaOf<CurveOptions>;

/** Maximum number of points per line: longer series are downsampled. */
const MAX_POINTS = 300;

/**
 * A line chart with a label at the end of each line: loss against updates, bits per character against the position
 * in the window. More than 300 points are averaged in blocks.
 *
 * @param lines The series
 * @param options Title and axis labels, with units
 * @returns The figure
 * @throws {InputError} If an option is unknown, there is no series, a series has no number, or its lists differ in length
 *
 * @example
 * ```ts
 * import { curve } from "./mod.ts";
 *
 * const line = { name: "learned", x: [0, 100, 200], y: [8.3, 6.1, 5.2] };
 * console.log(String(curve([line], { title: "Pre-training", x: "updates", y: "loss, nats" })));
 * ```
 */
export function curve(lines: readonly Series[], options: CurveOptions): Figure {
  const { log: asked, ...text } = settle("draw a curve", curveSettings, options);
  checkNamed("lines", lines);
  for (const { name, x, y } of lines) {
    checkList(`x of "${name}"`, x);
    checkList(`y of "${name}"`, y);
    const at = y.findIndex((at) =>
      typeof at !== "number" && typeof (at as Partial<PointEstimate> | null)?.mean !== "number"
    );
    if (at >= 0) throw new InputError(`Cannot draw y of "${name}" as number ${at + 1} is ${quoted(y[at])}`);
  }
  for (const { name, x, y } of lines) {
    checkNumbers(`x of "${name}"`, x);
    checkLength(`y of "${name}"`, y, "x", x.length);
    checkIntervals(`y of "${name}"`, y.filter((at) => typeof at !== "number"));
  }
  const log = asked && lines.some(({ x }) => x.some((at) => at > 0)); // Nothing else has a logarithm.
  const isOnAxis = (at: number) => !log || at > 0;
  const left = lines.some(({ x }) => !x.every(isOnAxis));
  const full = lines.map((arm) => {
    const { x, y } = arm;
    const order = [...x.keys()].filter((i) => isOnAxis(x[i]!)).sort((a, b) => x[a]! - x[b]!); // Else a line goes back.
    const points = order.map((i) => y[i]!);
    return { ...arm, arm, x: order.map((i) => x[i]!), y: points, means: points.map(meanOf) };
  });
  for (const { name, means } of full) checkSome(`points of "${name}"`, means.filter(Number.isFinite));
  const styles = armStyles(full.map(({ arm }) => arm));
  const drawn = full.map(({ name, x, y, means }, i) => {
    const points = y.filter((at) => typeof at !== "number").some(hasInterval) ? y : []; // Without intervals there is no band.
    const reduce = (values: readonly number[]) => downsample([values], 1, blockOf(values))[0]!;
    const all = reduce(x);
    const ends = (end: "low" | "high") =>
      reduce(points.map((at) => typeof at === "number" ? NaN : at[end] ?? NaN));
    return {
      name,
      x: reduce(x.map((at, i) => Number.isFinite(means[i]) ? at : NaN)).map((at, i) =>
        Number.isFinite(at) ? at : all[i]!
      ), // Of the points that are averaged.
      y: reduce(means),
      low: ends("low"),
      high: ends("high"),
      style: styles[i]!,
    };
  });
  const blocks = full.map(({ x }) => blockOf(x)), most = Math.max(...blocks);
  const notes = [
    ...left ? ["without what is at 0, which a logarithmic axis does not have"] : [],
    ...most > 1
      ? [`each point is the mean of ${blocks.every((size) => size === most) ? "" : "up to "}${most}`]
      : [],
  ];
  const height = 470;
  const all = drawn.flatMap(({ y, low, high }) => [...y, ...low, ...high]).filter(Number.isFinite);
  const [bottom, top] = [Math.min(...all), Math.max(...all)];
  const margin = 0.05 * (top - bottom || Math.abs(top) || 1);
  const range = [bottom - margin, top + margin] as const;

  // A label is placed at the end of its line, or as near as possible without overlapping other labels.
  const labels = drawn.map(({ name, y, style }) => {
    const end = y.findLast(Number.isFinite)!;
    return { text: wrapText(name, 20), ink: style.ink, at: (end - range[0]) / (range[1] - range[0]) };
  }).sort((a, b) => a.at - b.at);
  const lineHeight = 1.3 * SIZE / (height - 80);
  const half = ({ text }: { text: string }) => text.split("<br>").length * lineHeight / 2;
  const push = (a: typeof labels[number], b: typeof labels[number]) => {
    const overlap = half(a) + half(b) - (b.at - a.at);
    if (overlap > 0) [a.at, b.at] = [a.at - overlap / 2, b.at + overlap / 2];
  };
  for (let round = 0; round < 50; round++) labels.slice(1).forEach((label, i) => push(labels[i]!, label));

  return figure(
    text.title,
    [
      ...drawn.filter(({ low }) => low.length > 0).map(({ name, x, low, high, style }): Data => ({
        type: "scatter",
        mode: "lines",
        name: `${name}, band`,
        ...outline(x, low, high),
        fill: "toself",
        fillcolor: translucent(style.color),
        line: { width: 0 },
        hoverinfo: "skip",
      })),
      ...drawn.map(({ name, x, y, style }): Data => ({
        type: "scatter",
        name,
        x,
        y: y.map((value) => roundTo(value)),
        line: { color: style.color, dash: style.dash, width: 3 },
        ...(x.length > 30 ? { mode: "lines" } : {
          mode: "lines+markers",
          marker: { color: style.color, symbol: style.symbol, size: 10 },
        }),
      })),
    ],
    layout(text, {
      height,
      right: textWidth(labels.map(({ text }) => text)) + 24,
      ...notes.length > 0 && { subtitle: notes.join("; ") },
      ...log && { xaxis: { type: "log", ...logTicks(drawn.flatMap(({ x }) => x)), separatethousands: true } },
      yaxis: {
        range: [roundTo(range[0]), roundTo(range[1])],
        ...bottom < 0 && top > 0 && { zeroline: true, zerolinecolor: INK, zerolinewidth: 1 },
      },
      annotations: labels.map(({ text, ink, at }) => ({
        xref: "paper",
        yref: "paper",
        x: 1,
        y: roundTo(at),
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
      header: ["", `first ${text.y}`, "last", "lowest", "points"],
      rows: full.map(({ name, means }) => {
        const finite = means.filter(Number.isFinite);
        return [
          name,
          ...[finite[0]!, finite.at(-1)!, finite.reduce((a, b) => Math.min(a, b))].map(formatNumber),
          String(finite.length),
        ];
      }),
    },
  );
}

/** Most ticks on a logarithmic axis that fit beside each other. */
const MAX_TICKS = 10;

/** Ticks of a logarithmic axis: where the points are, or of many points at powers of ten. Rates read as in code. */
function logTicks(
  x: readonly number[],
): { tickvals?: number[]; ticktext?: string[]; dtick?: number; exponentformat?: "none" } {
  const places = [...new Set(x.filter((at) => at > 0))].sort((a, b) => a - b);
  if (places.length > MAX_TICKS) return { dtick: 1, exponentformat: "none" };
  if (places.length === 0 || places.at(-1)! >= 0.1) return { tickvals: places };
  return { tickvals: places, ticktext: places.map((at) => at.toExponential()) };
}

/** Number of points of a series that are drawn as one. */
const blockOf = ({ length }: readonly number[]): number => Math.ceil(length / MAX_POINTS);

const meanOf = (at: number | PointEstimate): number => typeof at === "number" ? at : at.mean;

/** Outline of a band: along the upper bound and back along the lower one, one ring per segment without a gap. */
function outline(x: number[], low: number[], high: number[]) {
  const rings: number[][] = [[]];
  x.forEach((_, i) => {
    if (Number.isFinite(low[i]! + high[i]!)) rings.at(-1)!.push(i);
    else if (rings.at(-1)!.length) rings.push([]);
  });
  const points = rings.filter(({ length }) => length).flatMap((ring) => [
    ...ring.map((i) => [roundTo(x[i]!), roundTo(high[i]!)]),
    ...ring.toReversed().map((i) => [roundTo(x[i]!), roundTo(low[i]!)]),
    [null, null],
  ]).slice(0, -1);
  return { x: points.map(([x]) => x!), y: points.map(([, y]) => y!) };
}
