import type { Data, Layout } from "npm:plotly.js-dist@4.1.1";
import { InputError, quoted } from "../errors.ts";
import { DISPLAY } from "../kernel.ts";
import { checked, value } from "../settings.ts";
import { aligned } from "./tables.ts";

/**
 * A figure as plain Plotly JSON. As the last expression of a notebook cell it is displayed: as an interactive
 * figure, a PNG and text, of which each viewer shows the richest that it supports.
 */
export interface Figure {
  /** Plotly's traces. */
  readonly data: readonly Readonly<Record<string, unknown>>[];
  /** Plotly's layout. */
  readonly layout: Readonly<Record<string, unknown>> & { readonly width: number; readonly height: number };
  /** Title and numbers as text, for viewers without images. */
  toString(): string;
}

/** Accepts figures. */
export const isFigure = value("a figure, as curve or bars return it", (value): value is Figure => {
  const { data, layout } = (value ?? {}) as Partial<Figure>;
  return Array.isArray(data) && typeof layout?.width === "number" && typeof layout.height === "number";
});

/** Resolution of the PNG relative to the figure's width and height. */
const SCALE = 2;

/** Creates a figure from Plotly's data and layout, and the table of numbers that its text shows. */
export function figure(
  title: string,
  data: readonly Data[],
  layout: Partial<Layout> & { readonly width: number; readonly height: number },
  numbers: { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] },
): Figure {
  const plot = { data, layout };
  const text = `${title}\n\n${aligned(numbers.header, numbers.rows)}`;
  // Neither is enumerable: a figure's JSON is exactly Plotly's.
  return Object.defineProperties(plot, {
    toString: { value: () => text },
    [DISPLAY]: { value: () => bundle(plot) },
  });
}

/** The output of a notebook cell for a figure, by media type. */
export async function bundle(figure: Figure): Promise<Readonly<Record<string, unknown>>> {
  return {
    "application/vnd.plotly.v1+json": figure,
    "image/png": (await png(figure)).toBase64(),
    "text/plain": String(figure),
  };
}

/**
 * Renders a figure as a PNG without a browser, with the same plotly.js as in notebooks, at twice its width and
 * height. The first call takes a second or two longer. Needs `--allow-read` for the font and `--allow-env` for
 * jsdom.
 *
 * @param figure The figure
 * @returns The PNG file's bytes
 *
 * @example
 * ```ts
 * import { bars, png } from "./mod.ts";
 *
 * const groups = [{ name: "imdb", bars: [{ name: "pre-trained", mean: 81.2 }] }];
 * const image = await png(bars(groups, { title: "What pre-training buys", x: "task", y: "accuracy, %" }));
 * console.log(image.length > 1000); // true
 * ```
 */
export async function png(figure: Pick<Figure, "data" | "layout">): Promise<Uint8Array> {
  checked("draw a PNG", "figure", isFigure, figure);
  const { draw } = await import("./png.ts"); // Loaded on demand: it imports a DOM and plotly.js.
  return await draw(figure, SCALE);
}

/**
 * Renders a figure as an SVG without a browser, for a paper or a page: its texts stay texts, in DejaVu Sans or the
 * viewer's own font. The first call takes a second or two longer. Needs the permissions of {@linkcode png}.
 *
 * @param figure The figure
 * @returns The SVG file's text
 *
 * @example
 * ```ts
 * import { bars, svg } from "./mod.ts";
 *
 * const groups = [{ name: "imdb", bars: [{ name: "pre-trained", mean: 81.2 }] }];
 * const image = await svg(bars(groups, { title: "What pre-training buys", x: "task", y: "accuracy, %" }));
 * console.log(image.startsWith("<svg ")); // true
 * ```
 */
export async function svg(figure: Pick<Figure, "data" | "layout">): Promise<string> {
  checked("draw an SVG", "figure", isFigure, figure);
  const { drawSvg } = await import("./png.ts");
  return await drawSvg(figure);
}

/** Throws if a value is not a list. */
export function checkList(what: string, list: readonly unknown[]): void {
  if (Array.isArray(list)) return;
  throw new InputError(`Cannot draw ${what} ${quoted(list)} as they must be a list`);
}

/** Throws if a value is not a list, or is empty. */
export function checkSome(what: string, list: readonly unknown[]): void {
  checkList(what, list);
  if (list.length === 0) throw new InputError(`Cannot draw a figure of no ${what} as it needs at least one`);
}

/** Throws if a value is not a non-empty list of objects with a name each. */
export function checkNamed(what: string, list: readonly unknown[], name = "name"): void {
  checkSome(what, list);
  const at = list.findIndex((row) => typeof (row as Record<string, unknown> | null)?.[name] !== "string");
  if (at >= 0) {
    throw new InputError(
      `Cannot draw ${what} as each needs a ${name}: number ${at + 1} of ${list.length} is ${
        quoted(list[at])
      }`,
    );
  }
}

/** Throws if a value is not a finite number. */
export function checkNumbers(what: string, values: readonly number[]): void {
  checkList(what, values);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    throw new InputError(
      `Cannot draw ${what} as number ${at + 1} of ${values.length} is ${quoted(values[at])}${
        values[at] === undefined || Number.isNaN(values[at]) ? ", as where an await is missing" : ""
      }`,
    );
  }
}

/** Throws if a list does not have the expected length. */
export function checkLength(what: string, list: readonly unknown[], of: string, length: number): void {
  if (list.length !== length) {
    throw new InputError(
      `Cannot draw ${list.length} ${what} with ${length} ${of} as there must be as many of both`,
    );
  }
}
