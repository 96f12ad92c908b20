import { initWasm, Resvg } from "npm:@resvg/resvg-wasm@2.6.2";
import "npm:dejavu-fonts-ttf@2.37.3/package.json" with { type: "json" }; // What is not imported is not downloaded.
import { encode } from "npm:fast-png@8.0.0";
import { JSDOM } from "npm:jsdom@31.0.1"; // Not linkedom, which is smaller but loses styles, and with them the markers' colours.
import plotlyCode from "npm:plotly.js-dist@4.1.1/plotly.js" with { type: "text" };
import { escapeText } from "../markup.ts";
import { FONT } from "./style.ts";

/** The part of plotly.js that is used. */
interface Plotly {
  toImage(figure: unknown, options: { format: "svg"; width: number; height: number }): Promise<string>;
  validate(data: unknown, layout: unknown): { msg: string }[] | undefined;
}

/** The part of the DOM that is used; Deno has no types of it. */
interface Element {
  readonly nodeType: number;
  readonly localName: string;
  readonly textContent: string;
  readonly childNodes: Iterable<Element>;
  readonly parentNode: Element | null;
  readonly style?: Readonly<Record<string, string>>;
  getAttribute(name: string): string | null;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** plotly.js and the font, loaded. */
interface Drawer {
  readonly plotly: Plotly;
  readonly font: Uint8Array;
  /** Width of a text relative to the font size. */
  advance(text: string): number;
}

let started: Promise<Drawer> | undefined;

/** Loads plotly.js into a jsdom page without network access or other scripts. */
export function start(): Promise<Drawer> {
  return started ??= load();
}

async function load(): Promise<Drawer> {
  const read = (file: string) => Deno.readFile(new URL(import.meta.resolve(file)));
  const [font, wasm] = await Promise.all([
    read("npm:dejavu-fonts-ttf@2.37.3/ttf/DejaVuSans.ttf"),
    read("npm:@resvg/resvg-wasm@2.6.2/index_bg.wasm"),
  ]);
  await initWasm(wasm);
  const { window } = new JSDOM("<!doctype html><body></body>", { runScripts: "outside-only" });
  for (const name of ["XMLHttpRequest", "WebSocket", "EventSource", "fetch"]) delete window[name];
  const advance = textMeasurer(font);
  polyfill(window, advance);
  window.eval(plotlyCode);
  return { plotly: window.Plotly, font, advance };
}

/** A figure and its size. */
interface Drawable {
  readonly data: unknown;
  readonly layout: { readonly width: number; readonly height: number };
}

/** Renders a figure as an SVG, with the same plotly.js as in notebooks. Needs `--allow-read` and `--allow-env`. */
export async function drawSvg(figure: Drawable): Promise<string> {
  const { plotly } = await start();
  const { width, height } = figure.layout;
  const copy = JSON.parse(JSON.stringify(figure)); // plotly.js modifies its arguments.
  const uri = await plotly.toImage(copy, { format: "svg", width, height });
  return decodeURIComponent(uri.slice(uri.indexOf(",") + 1));
}

/**
 * Renders a figure as a PNG without a browser, with the same plotly.js and font as in notebooks. Needs `--allow-read`
 * and `--allow-env`.
 */
export async function draw(figure: Drawable, scale: number): Promise<Uint8Array> {
  const { font } = await start();
  const svg = (await drawSvg(figure))
    .replaceAll(/url\((?:'|&quot;)(#[^)]*?)(?:'|&quot;)\)/g, "url($1)") // resvg supports neither the quotes
    .replaceAll("image-rendering: pixelated", "image-rendering: optimizeSpeed") // nor this keyword,
    .replace("<svg ", '<svg xml:space="preserve" '); // nor `white-space: pre`.
  const drawing = new Resvg(svg, {
    font: { fontBuffers: [font], defaultFontFamily: FONT },
    fitTo: { mode: "zoom", value: scale },
    background: "white",
  });
  const image = drawing.render();
  try {
    return encode({ ...indexed(image.pixels), width: image.width, height: image.height, channels: 1 }, {
      zlib: { level: 9 },
    });
  } finally {
    image.free();
    drawing.free();
  }
}

/**
 * Pixels as indices into a palette of at most 256 colours, which reduces the file to a third. With more colours, each
 * channel is quantised, to steps of 4 of 255 in a typical heatmap.
 */
function indexed(pixels: Uint8Array) {
  for (let step = 1;; step *= 2) {
    const numbers = new Map<number, number>();
    const data = new Uint8Array(pixels.length / 4);
    const channel = (at: number) => Math.min(255, Math.round(pixels[at]! / step) * step);
    for (let i = 0; i < data.length && numbers.size <= 256; i++) {
      const color = channel(4 * i) << 16 | channel(4 * i + 1) << 8 | channel(4 * i + 2);
      const number = numbers.get(color) ?? numbers.size;
      numbers.set(color, number);
      data[i] = number;
    }
    if (numbers.size <= 256) {
      return {
        data,
        palette: [...numbers.keys()].map((color) => [color >> 16, color >> 8 & 255, color & 255]),
      };
    }
  }
}

/** Measures the width of text in the font: the distance between two bars around it, as resvg lays it out. */
function textMeasurer(font: Uint8Array): (text: string) => number {
  const options = { font: { fontBuffers: [font], defaultFontFamily: FONT } };
  const ink = (text: string) => {
    const svg = new Resvg(
      `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="100" font-size="100" ` +
        `font-family="${FONT}" xml:space="preserve">|${escapeText(text)}|</text></svg>`,
      options,
    );
    const { width } = svg.getBBox()!;
    svg.free();
    return width / 100;
  };
  const bars = ink("");
  const known = new Map<string, number>();
  return (text) => {
    let width = known.get(text);
    if (width === undefined) known.set(text, width = ink(text) - bars);
    return width;
  };
}

/** Adds what plotly.js needs and jsdom lacks: text sizes, and a canvas for heatmaps. */
// deno-lint-ignore no-explicit-any
function polyfill(window: any, advance: (text: string) => number): void {
  const size = (node: Element | null): number =>
    node ? parseFloat(node.style?.["fontSize"] ?? "") || size(node.parentNode) : 16;
  const width = (node: Element): number =>
    node.nodeType === 3
      ? advance(node.textContent) * size(node.parentNode)
      : [...node.childNodes].reduce((sum, child) => sum + width(child), 0);

  /** Corners of each line of a text. */
  const lines = (text: Element): Point[] => {
    const anchor = text.style?.["textAnchor"] || text.getAttribute("text-anchor") || "start";
    const font = size(text);
    const own = [...text.childNodes].filter(({ localName }) => localName === "tspan");
    return (own.length ? own : [text]).flatMap((line) => {
      const [x = 0, y = 0, dy = 0] = ["x", "y", "dy"].map((name) =>
        parseFloat(line.getAttribute(name) ?? text.getAttribute(name) ?? "0")
      );
      const wide = width(line);
      const left = x - wide * ({ middle: 0.5, end: 1 }[anchor] ?? 0);
      const base = y + dy * font;
      // DejaVu's ascent and descent, rounded to pixels as in browsers.
      return [base - Math.round(0.928 * font), base + Math.round(0.236 * font)]
        .flatMap((y) => [{ x: left, y }, { x: left + wide, y }]);
    });
  };
  const corners = (node: Element): Point[] => {
    if (node.nodeType !== 1) return [];
    const own = node.localName === "text" ? lines(node) : [...node.childNodes].flatMap(corners);
    const matrix = matrixOf(node.getAttribute("transform") ?? "");
    return own.map((point) => matrix.transformPoint(point));
  };
  const svg = window.SVGElement.prototype;
  svg.getBoundingClientRect = svg.getBBox = function () {
    const all = corners(this);
    const [xs, ys] = all.length ? [all.map(({ x }) => x), all.map(({ y }) => y)] : [[0], [0]];
    const [x, y, right, bottom] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    return { x, y, left: x, top: y, right, bottom, width: right - x, height: bottom - y };
  };
  svg.getComputedTextLength = function () {
    return width(this);
  };
  window.HTMLCanvasElement.prototype.getContext = function () {
    return this.context ??= canvas();
  };
  window.HTMLCanvasElement.prototype.toDataURL = function () {
    const { width, height, context } = this;
    return `data:image/png;base64,${encode({ width, height, data: context.data, channels: 4 }).toBase64()}`;
  };
  window.URL.createObjectURL = () => "";
  // plotly.js' maps ask for the number of processors when they load, for which Deno would need --allow-sys.
  Object.defineProperty(window.navigator, "hardwareConcurrency", { value: 1 });
}

/** The matrix of an SVG `transform` of translations and rotations; plotly.js measures text inside no others. */
function matrixOf(transform: string): DOMMatrix {
  const matrix = new DOMMatrix();
  for (const [, name, list] of transform.matchAll(/(translate|rotate)\(([^)]*)\)/g)) {
    const [a = 0, b = 0, c = 0] = list!.trim().split(/[\s,]+/).map(Number);
    if (name === "translate") matrix.translateSelf(a, b);
    else matrix.translateSelf(b, c).rotateSelf(a).translateSelf(-b, -c);
  }
  return matrix;
}

/** The part of a 2-D canvas that a heatmap needs: one pixel per cell. */
function canvas() {
  return {
    data: new Uint8ClampedArray(),
    createImageData: (width: number, height: number) => ({ data: new Uint8ClampedArray(4 * width * height) }),
    putImageData(image: { data: Uint8ClampedArray<ArrayBuffer> }) {
      this.data = image.data;
    },
  };
}
