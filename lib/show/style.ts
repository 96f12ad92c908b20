import type { Layout, LayoutAxis } from "npm:plotly.js-dist@4.1.1";
import { InputError } from "../errors.ts";
import { fnv1a } from "../fnv1a.ts";
import { escapeText } from "../markup.ts";
import { withInterval, withMinusSign } from "../numbers.ts";
import { type SchemaOf, value } from "../settings.ts";

/** Font of the figures; viewers that lack it use one of the same width. */
export const FONT = "DejaVu Sans";

/** Size of all text but the title, in px at a width of 900: readable at half size. */
export const SIZE = 20;

/** Width of a figure, in px. */
export const WIDTH = 900;

/** Colour of lines and text that belong to no arm. */
export const INK = "#333333";

/** Style of an arm in all figures: colour, and dash, marker and hatching for black-and-white print. */
export interface ArmStyle {
  /** Colour of lines, markers and bars, as `#rrggbb`. */
  readonly color: string;
  /** The same colour, dark enough for text on white. */
  readonly ink: string;
  /** Plotly's name of the line dash. */
  readonly dash: "solid" | "dash" | "dot" | "dashdot" | "longdash" | "longdashdot";
  /** Plotly's name of the marker. */
  readonly symbol: "circle" | "square" | "diamond" | "triangle-up" | "cross" | "triangle-down";
  /** Plotly's name of the hatching; empty for a solid bar. */
  readonly pattern: "" | "/" | "." | "x" | "-" | "\\";
}

/** The colour-blind-safe palette of Okabe and Ito, without its yellow, which has too little contrast on white. */
const palette = {
  blue: "#0072B2",
  vermillion: "#D55E00",
  orange: "#E69F00",
  sky: "#56B4E9",
  green: "#009E73",
  purple: "#CC79A7",
  black: "#222222",
} as const;

/** Combinations of dash, marker and hatching. */
const shapes = [
  ["solid", "circle", ""],
  ["dash", "square", "/"],
  ["dot", "diamond", "."],
  ["dashdot", "triangle-up", "x"],
  ["longdash", "cross", "-"],
  ["longdashdot", "triangle-down", "\\"],
] as const;

/** Levels of factors with a look of their own: the paper's choice is blue and solid, alike position kinds have like hues. */
const known: Readonly<Record<string, Readonly<Record<string, readonly [color: string, shape: number]>>>> = {
  positions: {
    learned: [palette.blue, 0],
    sinusoidal: [palette.vermillion, 1],
    "sinusoidal-trained": [palette.orange, 2],
    "random-frozen": [palette.sky, 3],
    none: [palette.black, 4],
    rotary: [palette.green, 0],
    alibi: [palette.purple, 5],
    relative: ["#7A4B1E", 1], // The palette has seven colours.
  },
  model: {
    gpt1: [palette.blue, 0],
    gpt2: [palette.green, 1],
    bert: [palette.purple, 2],
    lstm: [palette.orange, 3],
    "lstm-2048": [palette.vermillion, 4],
  },
  transfer: {
    all: [palette.blue, 0],
    "-1": [palette.orange, 1],
    0: [palette.sky, 2],
    "zero-shot": [palette.green, 3],
  },
};

/** Names with a look of their own, for series that are no arm of a study. */
const named: Readonly<Record<string, readonly [color: string, shape: number]>> = {
  ...known["positions"],
  ...known["model"],
  "pre-trained": [palette.blue, 0],
  "from scratch": [palette.orange, 1],
  model: [palette.blue, 0],
  loss: [palette.black, 0],
  "learning rate": [palette.black, 0],
  norm: [palette.black, 0],
  "unigram baseline": ["#999999", 2],
  "bigram baseline": ["#777777", 3],
  "Kneser–Ney baseline": ["#555555", 4],
};

/** The value of a factor that is in the middle of its colour scale; of others it is 4. */
const middles: Readonly<Record<string, number>> = {
  lambda: 0.5,
  trainExamples: 1000,
  "pretrain.updates": 4000,
};

/** Levels of a study's factors, in their order, which determine an arm's look. */
export type ArmLevels = Readonly<Record<string, string | number | boolean | null>>;

/** What a figure draws for an arm. */
export interface Arm {
  /** Its label. */
  readonly name: string;
  /** The levels in which it differs from others, such as a study's results have. Default: the name determines the look. */
  readonly levels?: ArmLevels;
}

/**
 * The style of an arm, which is the same in every figure. The level of its first factor determines the colour, and that
 * of its last the shape; numbers have a sequential colour scale. An arm without levels has the style of its name; an
 * unknown name, or level, one that is derived from its hash.
 *
 * @param arm Its name, and its levels if it has any
 * @returns Its colour, dash, marker and hatching
 *
 * @example
 * ```ts
 * import { armStyle } from "./style.ts";
 *
 * console.log(armStyle({ name: "learned" }).color); // "#0072B2"
 * console.log(armStyle({ name: "λ = 0.5", levels: { lambda: 0.5 } }).color); // "#21918c"
 * ```
 */
export function armStyle(arm: Arm): ArmStyle {
  return styleOf(lookOfArm(arm));
}

/**
 * The styles of a figure's arms: each its {@linkcode armStyle}, and another one where two would look the same, as numbers
 * far from the middle of their scale do.
 */
export function armStyles(arms: readonly Arm[]): ArmStyle[] {
  const colors = Object.values(palette), taken = new Set<string>(), ranked = rankedLooks(arms);
  const byTurn = [...arms].sort((a, b) => Number(isKnown(b)) - Number(isKnown(a))); // What has a look of its own keeps it.
  const found = new Map(byTurn.map((arm) => {
    const [color, shape] = ranked(arm) ?? lookOfArm(arm);
    const looks = [color, ...colors].flatMap((color) =>
      shapes.map((_, i): Look => [color, (shape + i) % shapes.length])
    );
    const look = looks.find((look) => !taken.has(`${look}`)) ?? [color, shape];
    taken.add(`${look}`);
    return [arm, styleOf(look)];
  }));
  return arms.map((arm) => found.get(arm)!);
}

/** Whether an arm's look is the same in every figure by its name, or by names of its levels. */
function isKnown(arm: Arm): boolean {
  const own = ownLevels(arm), { name } = arm;
  return own.length > 0
    ? own.every(([factor, level]) => known[factor]?.[`${level}`])
    : Object.hasOwn(named, name);
}

/** The levels that an arm has. */
function ownLevels({ levels = {} }: Arm): [factor: string, level: string | number | boolean][] {
  return Object.entries(levels).filter((entry): entry is [string, string | number | boolean] =>
    entry[1] !== null
  );
}

/** Looks by rank, if the numbers of the first factor are too near each other on its scale. */
function rankedLooks(arms: readonly Arm[]): (arm: Arm) => Look | undefined {
  const firsts = arms.map((arm) => ownLevels(arm)[0]), factor = firsts[0]?.[0];
  const isScale = firsts.every((one) =>
    one?.[0] === factor && typeof one?.[1] === "number" && !known[factor!]
  );
  const numbers = isScale ? [...new Set(firsts.map((one) => one![1] as number))].sort((a, b) => a - b) : [];
  const shares = numbers.map((level) => Math.min(END, shareOf(factor!, level)));
  if (shares.every((share, i) => i === 0 || share - shares[i - 1]! >= 0.1)) return () => undefined;
  return (arm) => {
    const rank = numbers.indexOf(ownLevels(arm)[0]![1] as number);
    const shape = ownLevels(arm).length === 1 ? rank % shapes.length : lookOfArm(arm)[1];
    return [viridis(END * rank / (numbers.length - 1)), shape];
  };
}

/** Where a number is on its factor's scale, from 0 to 1. */
const shareOf = (factor: string, level: number): number =>
  level === Infinity ? 1 : level / (level + (middles[factor] ?? 4));

/** End of the colour scale: what follows is too light on white. */
const END = 0.85;

/** A colour and a combination of dash, marker and hatching. */
type Look = readonly [color: string, shape: number];

function styleOf([color, shape]: Look): ArmStyle {
  const [dash, symbol, pattern] = shapes[shape]!;
  return { color, ink: darken(color), dash, symbol, pattern };
}

function lookOfArm(arm: Arm): Look {
  const own = ownLevels(arm), { name } = arm;
  const looks = own.length > 0
    ? own.map(([factor, level]) => lookOf(factor, level))
    : [Object.hasOwn(named, name) ? named[name]! : lookOf("", name)];
  return [looks[0]![0], looks.at(-1)![1]];
}

function lookOf(factor: string, level: string | number | boolean): Look {
  const own = known[factor]?.[`${level}`];
  if (own) return own;
  if (typeof level === "number") {
    const share = shareOf(factor, level);
    return [viridis(share), [0, 0.3, 0.45, 0.6, 0.75].filter((step) => share > step).length];
  }
  const hash = fnv1a(new TextEncoder().encode(`${level}`));
  const colors = Object.values(palette);
  return [colors[hash % colors.length]!, (hash >>> 8) % shapes.length];
}

/** Viridis, from its dark end: its lightness increases, so that the order is visible in grey, too. */
function viridis(share: number): string {
  const stops = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"].map(channels);
  const at = Math.min(share, END) * (stops.length - 1);
  const [from, to] = [stops[Math.floor(at)]!, stops[Math.ceil(at)]!];
  return hex(from.map((value, i) => value + (to[i]! - value) * (at % 1)));
}

const channels = (color: string) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
const hex = (rgb: number[]) =>
  "#" + rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("");

/** Darkens a colour until its contrast with white is 4.5, as WCAG requires for text. */
function darken(color: string): string {
  const linear = (value: number) => value <= 10 ? value / 3295 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  for (let rgb = channels(color);; rgb = rgb.map((value) => value * 0.95)) {
    const [red, green, blue] = rgb.map(linear);
    if (1.05 / (0.2126 * red! + 0.7152 * green! + 0.0722 * blue! + 0.05) >= 4.5) return hex(rgb);
  }
}

/** The same colour, with an opacity of 20 %. */
export const translucent = (color: string) => `rgba(${channels(color).join(",")},0.2)`;

/** Title and axis labels of a figure. */
export interface AxisLabels {
  /** Title of the figure. */
  readonly title: string;
  /** Label of the horizontal axis, with its unit: `"position in the window, tokens"`. */
  readonly x: string;
  /** Label of the vertical axis, with its unit: `"loss, nats"`. */
  readonly y: string;
}

const string = value("a text", (value): value is string => typeof value === "string");

/** The settings of {@linkcode AxisLabels}. */
export const labelSettings = {
  title: { ...string, about: "title of the figure" },
  x: { ...string, about: "label of the horizontal axis, with its unit" },
  y: { ...string, about: "label of the vertical axis, with its unit" },
} satisfies SchemaOf<AxisLabels>;

/** The layout that all figures share; a figure's own axis options override it. */
export function layout(
  labels: AxisLabels,
  {
    height = 470,
    subtitle = "",
    above = subtitle ? 36 : 0,
    left = 124,
    right = 30,
    xaxis = {},
    yaxis = {},
    ...rest
  }: Omit<Layout, "xaxis"> & {
    readonly subtitle?: string;
    readonly above?: number;
    readonly left?: number;
    readonly right?: number;
    readonly xaxis?: LayoutAxis & { readonly ticktext?: string[] };
  },
): Layout & { width: number; height: number } {
  const title = wrapText(labels.title, 54), bottom = 84;
  const lines = title.split("<br>").length;
  const top = 28 + 32 * lines + above;
  const axis = (text: string, characters: number): LayoutAxis => ({
    title: { text: wrapText(text, characters), standoff: 14 },
    automargin: true,
    showline: true,
    linecolor: INK,
    ticks: "outside",
    tickcolor: INK,
    gridcolor: "#E5E5E5",
    zeroline: false,
  });
  return {
    width: WIDTH,
    height: height + top + (xaxis.tickangle && !xaxis.constrain ? textWidth(xaxis.ticktext ?? []) : 0),
    font: { family: `${FONT}, Verdana, sans-serif`, size: SIZE, color: INK },
    title: {
      text: title,
      font: { size: 24 },
      x: 0,
      xref: "container",
      xanchor: "left",
      pad: { l: 20, t: lines > 1 ? 33 : 16 }, // plotly.js aligns a single line at its top, several at a baseline.
      y: 1,
      yref: "container",
      yanchor: "top",
      ...(subtitle ? { subtitle: { text: subtitle, font: { size: SIZE - 2, color: "#595959" } } } : {}),
    },
    margin: { l: left, r: right, t: top, b: bottom },
    paper_bgcolor: "white",
    plot_bgcolor: "white",
    showlegend: false,
    hovermode: "closest",
    xaxis: { ...axis(labels.x, 60), ...xaxis },
    yaxis: { ...axis(labels.y, Math.floor((height - bottom) / (0.53 * SIZE))), ...yaxis }, // No longer than the axis.
    ...rest,
  };
}

/** A categorical axis: a name at each of 0, 1, 2 …, such as tasks or arms; vertical labels if they do not fit. */
export function categoryAxis(names: readonly string[]): LayoutAxis & { ticktext: string[] } {
  const flat = names.map((name) => wrapText(name, Math.floor(65 / names.length)));
  const upright = textWidth(flat) > 760 / names.length;
  return {
    range: [-0.55, names.length - 0.45],
    tickvals: names.map((_, at) => at),
    ticktext: upright ? names.map((name) => wrapText(name, 20)) : flat,
    tickangle: upright ? -90 : 0,
    showgrid: false,
    ticks: "",
  };
}

/** Height of a legend above the plot, in px: plotly.js arranges several rows in columns. */
export function legendHeight(names: readonly string[]): number {
  const widths = names.map((name) => textWidth([name]) + 45);
  const columns = Math.max(1, Math.floor(760 / Math.max(...widths)));
  const rows = widths.reduce((a, b) => a + b, 0) <= 760 ? 1 : Math.ceil(names.length / columns);
  return 27 * rows + 9;
}

/** A mean with its confidence interval, if there is one. */
export interface PointEstimate {
  /** The mean. */
  readonly mean: number;
  /** Lower bound of its interval; absent or NaN if there is none. */
  readonly low?: number;
  /** Upper bound of its interval. */
  readonly high?: number;
}

/** Whether a mean has a confidence interval. */
export const hasInterval = ({ low = NaN, high = NaN }: PointEstimate): boolean => Number.isFinite(low + high);

/** Throws if an interval does not contain its mean, as where half-widths are given for bounds. */
export function checkIntervals(what: string, means: readonly PointEstimate[]): void {
  const at = means.findIndex((one) => {
    const slack = 1e-9 * Math.abs(one.mean);
    return hasInterval(one) && (one.low! > one.mean + slack || one.high! < one.mean - slack);
  });
  if (at < 0) return;
  const { mean, low, high } = means[at]!;
  throw new InputError(
    `Cannot draw ${what} as an interval must contain its mean: number ${
      at + 1
    } is ${mean}, from ${low} to ${high}`,
  );
}

/** Plotly's error bars. Means without an interval must follow those with one. */
export function errorBars(
  means: readonly PointEstimate[],
  style: { color: string; thickness: number; width: number },
) {
  const withIntervals = means.filter(hasInterval); // plotly.js draws null as 0.
  return {
    type: "data" as const,
    symmetric: false,
    array: withIntervals.map(({ mean, high }) => roundTo(high! - mean)),
    arrayminus: withIntervals.map(({ mean, low }) => roundTo(mean - low!)),
    ...style,
  };
}

/** Escapes a text for plotly.js and breaks it into lines of at most so many characters, where possible. */
export function wrapText(text: string, characters: number): string {
  const lines = [""];
  // A sign stays with its number; a word is broken at its hyphens only if it does not fit on a line.
  for (const word of text.match(/(?:λ = |− )?\S+\s*/g) ?? []) {
    for (const piece of word.trim().length > characters ? word.split(/(?<=-)/) : [word]) {
      if (lines.at(-1) && (lines.at(-1)! + piece).trim().length > characters) lines.push("");
      lines[lines.length - 1] += piece;
    }
  }
  return lines.map((line) => escapeText(line.trim())).join("<br>");
}

/** Estimated width of the widest of some texts, in px. */
export function textWidth(texts: readonly string[]): number {
  const widthOf = (character: string) =>
    /[mwMW−+%]/.test(character) ? 0.9 : /[-iljtfr.,:;'| ()[\]]/.test(character) ? 0.39 : 0.63;
  const widths = texts.flatMap((text) => text.split("<br>"))
    .map((line) => [...line].reduce((sum, character) => sum + widthOf(character), 0));
  return Math.ceil(SIZE * Math.max(0, ...widths));
}

/** A number rounded to so many significant digits. */
export function roundTo(value: number, digits = 5): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : null;
}

/** A number as text, with four significant digits. */
export const formatNumber = (value: number): string => withMinusSign(String(roundTo(value, 4)));

/** An estimate as text, rounded to two digits of its interval's half width: `71.3 [69.6, 73.0]`. */
export function formatEstimate({ mean, low = NaN, high = NaN }: PointEstimate): string {
  if (!(high >= low)) return withMinusSign(String(roundTo(mean, 3)));
  return withInterval(mean, low, high);
}
