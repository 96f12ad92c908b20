import type { Annotation, Shape } from "npm:plotly.js-dist@4.1.1";
import { escapeText } from "../markup.ts";
import { type Figure, figure } from "./figure.ts";
import { INK, layout, WIDTH } from "./style.ts";

/** A box with a text in it; coordinates are px from the top left corner. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Its text, in which `<br>` breaks a line. */
  readonly text?: string;
  readonly fill?: string;
  readonly line?: string;
  readonly dash?: "solid" | "dot";
  readonly size?: number;
}

/** A text beside boxes. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly anchor?: "left" | "center" | "right";
  readonly size?: number;
  readonly color?: string;
}

/** A line through points, with a head at its last if it is an arrow. */
export interface Path {
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly arrow: boolean;
}

/** What is drawn. */
export interface Drawing {
  readonly boxes: readonly Box[];
  readonly labels?: readonly Label[];
  readonly paths?: readonly Path[];
}

/** The head of an arrow, as a path: not plotly.js' own, for which it measures paths, as a DOM without a browser cannot. */
function head([ax, ay]: Path["points"][number], [x, y]: Path["points"][number]): string {
  const length = Math.hypot(x - ax, y - ay), [dx, dy] = [9 * (x - ax) / length, 9 * (y - ay) / length];
  return `M${x},${y} L${x - dx - dy / 2},${y - dy + dx / 2} L${x - dx + dy / 2},${y - dy - dx / 2} Z`;
}

/** A figure of boxes, texts and lines, without axes. */
export function drawing(
  title: string,
  height: number,
  { boxes, labels = [], paths = [] }: Drawing,
  numbers: Parameters<typeof figure>[3],
): Figure {
  const font = (size = 18, color = INK) => ({ size, color });
  const shapes: Partial<Shape>[] = [
    ...boxes.map(({ x, y, width, height, fill = "white", line, dash = "solid" }): Partial<Shape> => ({
      ...{ type: "rect", x0: x, x1: x + width, y0: y, y1: y + height, fillcolor: fill, layer: "below" },
      line: { width: line ? 1.5 : 0, color: line ?? fill, dash },
    })),
    ...paths.map(({ points }): Partial<Shape> => ({
      type: "path",
      path: points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x},${y}`).join(" "),
      line: { width: 1.5, color: INK },
    })),
    ...paths.filter(({ arrow }) => arrow).map(({ points }): Partial<Shape> => ({
      ...{ type: "path", path: head(points.at(-2)!, points.at(-1)!), fillcolor: INK, line: { width: 0 } },
    })),
  ];
  const texts = [
    ...boxes.filter(({ text }) => text).map((box): Label => ({
      ...{ x: box.x + box.width / 2, y: box.y + box.height / 2, text: box.text!, anchor: "center" },
      ...box.size !== undefined && { size: box.size },
    })),
    ...labels,
  ];
  const annotations = texts.map(({ x, y, text, anchor = "left", size, color }): Partial<Annotation> => ({
    ...{ x, y, text: text.split("<br>").map(escapeText).join("<br>"), font: font(size, color) },
    ...{ showarrow: false, xanchor: anchor, yanchor: "middle", borderpad: 0 },
  }));
  const axis = { visible: false, fixedrange: true };
  const base = layout({ title, x: "", y: "" }, { height });
  const top = base.margin!.t!;
  return figure(title, [], {
    ...base,
    height: height + top,
    margin: { l: 0, r: 0, t: top, b: 0 },
    xaxis: { ...axis, range: [0, WIDTH] },
    yaxis: { ...axis, range: [height, 0] },
    shapes,
    annotations,
  }, numbers);
}
