import { InputError, quoted } from "../errors.ts";
import { DISPLAY } from "../kernel.ts";
import { checked, value } from "../settings.ts";
import { aligned } from "./tables.ts";

/**
 * A picture as plain Plotly JSON. As a notebook cell's last expression it shows itself: as a figure to be
 * explored, as a PNG and as text, of which each reader takes the best that it can show.
 */
export interface Figure {
  /** Plotly's traces. */
  readonly data: readonly Readonly<Record<string, unknown>>[];
  /** Plotly's layout. */
  readonly layout: Readonly<Record<string, unknown>> & { readonly width: number; readonly height: number };
  /** Its title and its numbers, for readers without pictures. */
  toString(): string;
}

/** Figures, as what is to be drawn or shown. */
export const isFigure = value("a figure, as curve or bars return it", (value): value is Figure => {
  const { data, layout } = (value ?? {}) as Partial<Figure>;
  return Array.isArray(data) && typeof layout?.width === "number" && typeof layout.height === "number";
});

/** Pixels of the PNG for one of the figure. */
const SCALE = 2;

/** Makes a figure of Plotly's parts, and of the numbers that its text tells. */
export function figure(
  title: string,
  data: Figure["data"],
  layout: Figure["layout"],
  numbers: { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] },
): Figure {
  const made = { data, layout };
  const text = `${title}\n\n${aligned(numbers.header, numbers.rows)}`;
  // Neither is enumerable: a figure's JSON is Plotly's and nothing else.
  return Object.defineProperties(made, {
    toString: { value: () => text },
    [DISPLAY]: { value: () => bundle(made) },
  });
}

/** What a cell puts out of a figure: each reader takes the best that it can show. */
export async function bundle(figure: Figure): Promise<Readonly<Record<string, unknown>>> {
  return {
    "application/vnd.plotly.v1+json": figure,
    "image/png": (await png(figure)).toBase64(),
    "text/plain": String(figure),
  };
}

/**
 * A figure as a PNG, drawn without a browser by the same plotly.js that notebooks draw it with, at twice its
 * width and height. The first one takes a second or two more. Needs `--allow-read` for the font and
 * `--allow-env` for jsdom.
 *
 * @param figure What to draw
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
  const { draw } = await import("./png.ts"); // Not before it is wanted: it brings a DOM and plotly.js along.
  return await draw(figure, SCALE);
}

/** Refuses what is not a list. */
export function checkList(what: string, list: readonly unknown[]): void {
  if (Array.isArray(list)) return;
  throw new InputError(`Cannot draw ${what} ${quoted(list)} as they must be a list`);
}

/** Refuses what is not a list with something in it. */
export function checkSome(what: string, list: readonly unknown[]): void {
  checkList(what, list);
  if (list.length === 0) throw new InputError(`Cannot draw a figure of no ${what} as it needs at least one`);
}

/** Refuses what is not a list of objects, each with a text that names it. */
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

/** Refuses values among which one is no number. */
export function checkNumbers(what: string, values: readonly number[]): void {
  checkList(what, values);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) {
    throw new InputError(
      `Cannot draw ${what} as number ${at + 1} of ${values.length} is ${quoted(values[at])}`,
    );
  }
}

/** Refuses lists that do not go with one another. */
export function checkLength(what: string, list: readonly unknown[], of: string, length: number): void {
  if (list.length !== length) {
    throw new InputError(
      `Cannot draw ${list.length} ${what} with ${length} ${of} as there must be as many of both`,
    );
  }
}
