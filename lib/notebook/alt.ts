import { isRecord } from "../foreign.ts";
import { unescapeText } from "../markup.ts";
import type { Bundle } from "./notebook.ts";

/** Media type of Plotly JSON. */
export const PLOTLY = "application/vnd.plotly.v1+json";

/** Maximum length of an alternative text, in characters. */
const MAX_LENGTH = 500;

/** Maximum length of a text whose table is read, in characters. */
const MAX_TEXT = 2e4;

/** Maximum number of series that an alternative text names. */
const MAX_NAMES = 8;

/**
 * Alternative text for the image or figure of an output: the notebook's own, or the figure's title, what is drawn and
 * the axes, or the output's text.
 *
 * @param data The output's data by media type; it is not trusted.
 * @param metadata The output's metadata; Jupyter's tools read alternative text from `alt` of `image/png`.
 * @returns The text, on one line.
 *
 * @example
 * ```ts
 * import { altText } from "./alt.ts";
 *
 * const trace = { type: "bar", name: "pre-trained", x: ["imdb"], y: [81] };
 * const figure = { data: [trace], layout: { title: { text: "Scores" }, yaxis: { title: { text: "accuracy, %" } } } };
 * console.log(altText({ "application/vnd.plotly.v1+json": figure }));
 * // Scores. Bars: pre-trained. Vertical axis: accuracy, %.
 * ```
 */
export function altText(data: Bundle, metadata: Bundle = {}): string {
  const own = Object.values(metadata).find((value) => isRecord(value) && typeof value["alt"] === "string");
  const figure = data[PLOTLY];
  const text = typeof data["text/plain"] === "string" ? data["text/plain"] : "";
  const found = isRecord(own) ? String(own["alt"]) : isRecord(figure) ? figureAlt(figure, text) : text;
  const line = found.slice(0, 2 * MAX_LENGTH).replace(/\s+/g, " ").trim();
  // Python's libraries write "<Figure size 640x480 with 1 Axes>".
  if (line === "" || /^<.*>$/.test(line)) return "Image without a description";
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

function figureAlt({ data, layout }: Bundle, text: string): string {
  const { title, xaxis, yaxis } = isRecord(layout) ? layout : {};
  const numbers = numbersOf(text);
  const series = new Map<string, string[]>();
  for (const trace of Array.isArray(data) ? data.slice(0, 1000).filter(isRecord) : []) {
    if (trace["hoverinfo"] === "skip") continue; // The band around a line.
    const kind = kindOf(trace), names = series.get(kind) ?? [];
    series.set(kind, names);
    const name = labelOf(trace["name"]) || numbers?.header.find(Boolean);
    if (name && !names.includes(name.replace(/, mean$/, ""))) names.push(name); // A strip's means go with its points.
  }
  const drawn = [...series].map(([kind, names]) => {
    const more = names.length > MAX_NAMES ? [`${names.length - MAX_NAMES} more`] : [];
    return names.length > 0 ? `${kind}: ${[...names.slice(0, MAX_NAMES), ...more].join("; ")}` : kind;
  });
  const axes = [["Horizontal axis", xaxis], ["Vertical axis", yaxis]].map(([name, axis]) => {
    const label = isRecord(axis) ? labelOf(axis["title"]) : "";
    return label && `${name}: ${label}`;
  });
  return [numbers?.title ?? (labelOf(title) || text.trim() || "Figure"), ...drawn, ...axes]
    .filter(Boolean).map((sentence) => /[.?!]$/.test(sentence) ? sentence : `${sentence}.`).join(" ");
}

/** What a trace looks like, in a word. */
function kindOf({ type = "scatter", mode = "lines" }: Bundle): string {
  if (type === "scatter") return /lines/.test(String(mode)) ? "Lines" : "Points";
  const name = type === "bar" ? "bars" : String(type);
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

/** The text of a label of Plotly's, which is HTML, on its own or in an object. */
function labelOf(label: unknown): string {
  const text = isRecord(label) ? label["text"] : label;
  return typeof text === "string" ? unescapeText(text.slice(0, 2 * MAX_LENGTH)).trim() : "";
}

/** A table of numbers with its title. */
interface Numbers {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Which columns are right-aligned. */
  readonly right: readonly boolean[];
}

/**
 * The title and table of numbers of a figure's text, as `lib/show` writes it: a title, an empty line, and rows whose
 * columns are aligned and at least two spaces apart.
 *
 * @param text The figure's text.
 * @returns Undefined if it has no such table.
 *
 * @example
 * ```ts
 * import { numbersOf } from "./alt.ts";
 *
 * console.log(numbersOf("Scores\n\n             accuracy, %\npre-trained         81.2")?.rows); // [ [ "pre-trained", "81.2" ] ]
 * ```
 */
export function numbersOf(text: string): Numbers | undefined {
  const end = text.indexOf("\n\n"), title = text.slice(0, end);
  if (end < 1 || text.length > MAX_TEXT) return undefined;
  const lines = text.slice(end + 2).split("\n");
  if (lines.length < 2 || lines.some((line) => line.trim() === "")) return undefined;
  const width = Math.max(...lines.map((line) => line.length));
  const starts: number[] = [];
  for (let at = 0, gap = 2; at < width; at++) {
    const isEmpty = lines.every((line) => (line[at] ?? " ") === " ");
    if (!isEmpty && gap >= 2) starts.push(at);
    gap = isEmpty ? gap + 1 : 0;
  }
  if (starts.length < 2) return undefined;
  const [header, ...rows] = lines.map((line) =>
    starts.map((start, i) => line.slice(start, starts[i + 1]).trimEnd())
  );
  const right = starts.map((_, i) => [header!, ...rows].some((row) => /^ /.test(row[i]!)));
  const trimmed = (row: readonly string[]) => row.map((cell) => cell.trim());
  return { title, header: trimmed(header!), rows: rows.map(trimmed), right };
}
