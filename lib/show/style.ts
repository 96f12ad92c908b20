import { fnv1a } from "../fnv1a.ts";
import { escapeText } from "../markup.ts";
import { withInterval } from "../numbers.ts";
import { type SchemaOf, value } from "../settings.ts";

/** The font of pictures; a notebook's reader who lacks it gets one as wide. */
export const FONT = "DejaVu Sans";

/** Size of all text but the title, in px of a picture 900 wide: at half size it is still read. */
export const SIZE = 20;

/** Width of a picture, in px. */
export const WIDTH = 900;

/** Colour of lines and words that belong to no arm. */
export const INK = "#333333";

/** How an arm is drawn, in every figure alike: colour, and for black-and-white print dash, marker and hatching. */
export interface ArmStyle {
  /** Colour of lines, markers and bars, as `#rrggbb`. */
  readonly color: string;
  /** The same, dark enough to be read as text on white. */
  readonly ink: string;
  /** Plotly's name of the line's dashes. */
  readonly dash: string;
  /** Plotly's name of the marker. */
  readonly symbol: string;
  /** Plotly's name of the bar's hatching; empty for a plain bar. */
  readonly pattern: string;
}

/** Okabe and Ito's palette, made for every kind of colour vision, less its yellow, which white paper swallows. */
const palette = {
  blue: "#0072B2",
  vermillion: "#D55E00",
  orange: "#E69F00",
  sky: "#56B4E9",
  green: "#009E73",
  purple: "#CC79A7",
  black: "#222222",
} as const;

/** Dash, marker and hatching go together. */
const shapes = [
  ["solid", "circle", ""],
  ["dash", "square", "/"],
  ["dot", "diamond", "."],
  ["dashdot", "triangle-up", "x"],
  ["longdash", "cross", "-"],
  ["longdashdot", "triangle-down", "\\"],
] as const;

/** Blue and solid is what the paper does; position kinds of one hue begin alike, and only one of them is trained. */
const known: Readonly<Record<string, readonly [color: string, shape: number]>> = {
  learned: [palette.blue, 0],
  sinusoidal: [palette.vermillion, 1],
  "sinusoidal-trained": [palette.orange, 2],
  "random-frozen": [palette.sky, 3],
  none: [palette.black, 4],
  gpt1: [palette.blue, 0],
  gpt2: [palette.green, 1],
  bert: [palette.purple, 2],
  lstm: [palette.orange, 3],
  "lstm-2048": [palette.vermillion, 4],
  "pre-trained": [palette.blue, 0],
  "from scratch": [palette.orange, 1],
  "embeddings alone": [palette.sky, 2],
  "without fine-tuning": [palette.green, 3],
  model: [palette.blue, 0],
  loss: [palette.black, 0],
  "learning rate": [palette.black, 0],
  norm: [palette.black, 0],
  "unigram baseline": ["#999999", 2],
  "bigram baseline": ["#777777", 3],
  "Kneser–Ney baseline": ["#555555", 4],
};

/**
 * How an arm is drawn: a function of its name alone, so that it looks the same in every figure, whatever stands
 * beside it. λ has an ordered scale, and `1000 examples`; of a name in parts, `learned, λ = 0.5`, the first gives
 * the colour and the last the shape; a name that is not known gets a stable style.
 *
 * @param name The arm's name
 * @returns Its colour, dash, marker and hatching
 *
 * @example
 * ```ts
 * import { armStyle } from "./style.ts";
 *
 * console.log(armStyle("learned").color, armStyle("sinusoidal").dash); // "#0072B2" "dash"
 * ```
 */
export function armStyle(name: string): ArmStyle {
  const parts = name.split(", ");
  const [color] = looks(parts[0]!);
  const [dash, symbol, pattern] = shapes[looks(parts.at(-1)!)[1]]!;
  return { color, ink: darkened(color), dash, symbol, pattern };
}

function looks(part: string): readonly [color: string, shape: number] {
  const lambda = part.match(/^λ\s*=?\s*([\d.]+)$/)?.[1];
  if (lambda !== undefined) {
    const value = Number(lambda);
    return [ramp(value / (value + 0.5)), [0, 0.25, 0.5, 1].filter((step) => value > step).length];
  }
  const examples = part.match(/^(\d+) examples$/)?.[1];
  if (examples !== undefined) {
    const share = Math.max(0, Math.min(1, Math.log10(Number(examples)) / 2 - 1)); // From 100 to 10,000.
    return [ramp(share), Math.round(4 * share)];
  }
  if (Object.hasOwn(known, part)) return known[part]!;
  const hash = fnv1a(new TextEncoder().encode(part));
  const colors = Object.values(palette);
  return [colors[hash % colors.length]!, (hash >>> 8) % shapes.length];
}

/** Viridis, from its dark end: it grows lighter all the way, so that the order shows in grey, too. */
function ramp(share: number): string {
  const stops = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"].map(channels);
  const at = Math.min(share, 0.85) * (stops.length - 1);
  const [from, to] = [stops[Math.floor(at)]!, stops[Math.ceil(at)]!];
  return hex(from.map((value, i) => value + (to[i]! - value) * (at % 1)));
}

const channels = (color: string) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
const hex = (rgb: number[]) =>
  "#" + rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("");

/** Made darker until its contrast with white is 4.5, what WCAG asks of text. */
function darkened(color: string): string {
  const linear = (value: number) => value <= 10 ? value / 3295 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  for (let rgb = channels(color);; rgb = rgb.map((value) => value * 0.95)) {
    const [red, green, blue] = rgb.map(linear);
    if (1.05 / (0.2126 * red! + 0.7152 * green! + 0.0722 * blue! + 0.05) >= 4.5) return hex(rgb);
  }
}

/** The same colour, seen through. */
export const faint = (color: string) => `rgba(${channels(color).join(",")},0.2)`;

/** What every figure must tell in words. */
export interface Words {
  /** What the figure shows. */
  readonly title: string;
  /** What the horizontal axis measures, with its unit: `"position in the window, tokens"`. */
  readonly x: string;
  /** What the vertical axis measures, with its unit: `"loss, nats"`. */
  readonly y: string;
}

const words = value("a text", (value): value is string => typeof value === "string");

/** The settings of {@linkcode Words}. */
export const wordsSettings = {
  title: { ...words, about: "what the figure shows" },
  x: { ...words, about: "what the horizontal axis measures, with its unit" },
  y: { ...words, about: "what the vertical axis measures, with its unit" },
} satisfies SchemaOf<Words>;

/** The look that all figures share; what a figure adds to an axis is laid over it. */
export function layout(
  words: Words,
  {
    height = 470,
    subtitle = "",
    above = subtitle ? 36 : 0,
    left = 124,
    right = 30,
    xaxis = {},
    yaxis = {},
    ...rest
  }: {
    readonly height?: number;
    readonly subtitle?: string;
    readonly above?: number;
    readonly left?: number;
    readonly right?: number;
    readonly xaxis?: {
      readonly tickangle?: number;
      readonly ticktext?: readonly string[];
      readonly [key: string]: unknown;
    };
    readonly yaxis?: object;
    readonly [key: string]: unknown;
  },
) {
  const title = wrapped(words.title, 54);
  const lines = title.split("<br>").length;
  const top = 28 + 32 * lines + above;
  const axis = (text: string) => ({
    title: { text: wrapped(text, 60), standoff: 14 },
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
    height: height + top + (xaxis.tickangle && !xaxis["constrain"] ? room(xaxis.ticktext ?? []) : 0),
    font: { family: `${FONT}, Verdana, sans-serif`, size: SIZE, color: INK },
    title: {
      text: title,
      font: { size: 24 },
      x: 0,
      xref: "container",
      xanchor: "left",
      pad: { l: 20, t: lines > 1 ? 33 : 16 }, // plotly.js hangs a single line at its top, several at a baseline.
      y: 1,
      yref: "container",
      yanchor: "top",
      ...(subtitle ? { subtitle: { text: subtitle, font: { size: SIZE - 2, color: "#595959" } } } : {}),
    },
    margin: { l: left, r: right, t: top, b: 84 },
    paper_bgcolor: "white",
    plot_bgcolor: "white",
    showlegend: false,
    hovermode: "closest",
    xaxis: { ...axis(words.x), ...xaxis },
    yaxis: { ...axis(words.y), ...yaxis },
    ...rest,
  };
}

/** An axis with a name at each of 0, 1, 2 …, such as tasks or arms; where they are too many, upright. */
export function named(names: readonly string[]) {
  const flat = names.map((name) => wrapped(name, Math.floor(65 / names.length)));
  const upright = room(flat) > 760 / names.length;
  return {
    range: [-0.55, names.length - 0.45],
    tickvals: names.map((_, at) => at),
    ticktext: upright ? names.map((name) => wrapped(name, 20)) : flat,
    tickangle: upright ? -90 : 0,
    showgrid: false,
    ticks: "",
  };
}

/** Room above the plot for a legend of these names, in px: plotly.js sets those that need several rows in columns. */
export function legendRoom(names: readonly string[]): number {
  const widths = names.map((name) => room([name]) + 45);
  const columns = Math.max(1, Math.floor(760 / Math.max(...widths)));
  const rows = widths.reduce((a, b) => a + b, 0) <= 760 ? 1 : Math.ceil(names.length / columns);
  return 27 * rows + 9;
}

/** A mean, with its interval where there is one. */
export interface Mean {
  /** The mean. */
  readonly mean: number;
  /** Lower end of its interval; absent or not a number where there is none. */
  readonly low?: number;
  /** Upper end. */
  readonly high?: number;
}

/** Whether a mean has an interval. */
export const bounded = ({ low = NaN, high = NaN }: Mean): boolean => Number.isFinite(low + high);

/** Plotly's error bars from the lower to the upper ends. Of means without them there must be none before others. */
export function whiskers(means: readonly Mean[], look: { color: string; thickness: number; width: number }) {
  const sure = means.filter(bounded); // plotly.js would take a null for 0 and draw it.
  return {
    type: "data",
    symmetric: false,
    array: sure.map(({ mean, high }) => seen(high! - mean)),
    arrayminus: sure.map(({ mean, low }) => seen(mean - low!)),
    ...look,
  };
}

/** A text that plotly.js takes for what it says, broken into lines of at most so many characters, if it can be. */
export function wrapped(text: string, characters: number): string {
  const lines = [""];
  // A sign stays with its number; a word is broken at its hyphens only if a line cannot hold it.
  for (const word of text.match(/(?:λ = |− )?\S+\s*/g) ?? []) {
    for (const piece of word.trim().length > characters ? word.split(/(?<=-)/) : [word]) {
      if (lines.at(-1) && (lines.at(-1)! + piece).trim().length > characters) lines.push("");
      lines[lines.length - 1] += piece;
    }
  }
  return lines.map((line) => escapeText(line.trim())).join("<br>");
}

/** About how wide the widest of some texts is, in px: room to keep, before anything is drawn. */
export function room(texts: readonly string[]): number {
  const share = (character: string) =>
    /[mwMW−+%]/.test(character) ? 0.9 : /[-iljtfr.,:;'| ()[\]]/.test(character) ? 0.39 : 0.63;
  const widths = texts.flatMap((text) => text.split("<br>"))
    .map((line) => [...line].reduce((sum, character) => sum + share(character), 0));
  return Math.ceil(SIZE * Math.max(0, ...widths));
}

/** A number with so many significant digits, without the noise of binary fractions. */
export function seen(value: number, digits = 5): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : null;
}

/** A number as text, with a true minus sign. */
export function signed(text: string): string {
  return text.replace(/^-(?=[0.]+$)/, "").replace(/^-/, "−");
}

/** A number as text, with as many digits as a reader wants of it. */
export const told = (value: number): string => signed(String(seen(value, 4)));

/** An estimate as text, with two digits of its interval's half width: `71.3 [69.6, 73.0]`. */
export function estimated({ mean, low = NaN, high = NaN }: Mean): string {
  if (!(high >= low)) return signed(String(seen(mean, 3)));
  return withInterval(mean, low, high).replaceAll("-", "−");
}
