import plotlyCode from "npm:plotly.js-dist@4.1.1/plotly.js" with { type: "text" };
import { allowed, block, INFLATE } from "../block.ts";
import { escapeAttribute, escapeText } from "../markup.ts";
import { numbersOf } from "./alt.ts";

/** Plotly JSON. */
export interface PlotlyFigure {
  readonly data: readonly unknown[];
  readonly layout?: { readonly height?: unknown } | null;
}

/** Whether an output's data is Plotly JSON. */
export const isFigure = (value: unknown): value is PlotlyFigure =>
  typeof value === "object" && value !== null && "data" in value && Array.isArray(value.data);

/** Maximum length of a figure's JSON, in characters: a browser draws it in a few seconds. */
const MAX_FIGURE = 10e6;

/** A figure's JSON; undefined if it is nested too deeply or too large. */
export function figureJson(
  { data, layout, frames = [] }: PlotlyFigure & { readonly frames?: unknown },
): string | undefined {
  try {
    // Against prototype pollution, and images that the page would load.
    const harmless = (key: string, value: unknown) =>
      /^(__proto__|constructor|prototype)$/.test(key) ||
        (key === "source" && !/^data:image\//.test(String(value)))
        ? undefined
        : value;
    const json = JSON.stringify({ data, layout: layout ?? {}, frames }, harmless)
      .replace(/[<\x80-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    return json.length <= MAX_FIGURE ? json : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined; // Its nesting exceeds the stack.
    throw error;
  }
}

/** What a figure looks like on a page. */
interface FigureParts {
  /** The figure's JSON; undefined if it is not to be drawn. */
  readonly json: string | undefined;
  /** HTML of its image, or of what else is shown where it is not drawn. */
  readonly still: string;
  /** Its alternative text. */
  readonly alt: string;
  /** Its text, with a table of its numbers. */
  readonly text: string;
}

/** A placeholder of the figure's height, its still image, its JSON for the page's script, and its numbers. */
export function figureHtml({ layout }: PlotlyFigure, { json, still, alt, text }: FigureParts): string {
  const height = layout?.height;
  const pixels = typeof height === "number" && height > 0 ? Math.min(height, 2000) : 450;
  const place = json === undefined ? ["", ""] : [
    `<div class="figure" role="img" aria-label="${
      escapeAttribute(alt)
    }" style="height: ${pixels}px" hidden></div>`,
    `<script type="application/json">${json}</script>`,
  ];
  return `<figure>${place[0]}<div class="still">${still}</div>${place[1]}${numbersHtml(text)}</figure>`;
}

/** The numbers of a figure's text as a table that can be opened, if it has such a table. */
function numbersHtml(text: string): string {
  const numbers = numbersOf(text);
  if (numbers === undefined) return "";
  const { title, header, rows, right } = numbers;
  const row = (cells: readonly string[], tags: (column: number) => string) =>
    `<tr>${
      cells.map((cell, i) => {
        const tag = tags(i);
        return `<${tag}${right[i] ? ' class="right"' : ""}>${escapeText(cell)}</${tag.split(" ")[0]}>`;
      }).join("")
    }</tr>`;
  const head = row(header, (i) => header[i] === "" ? "td" : 'th scope="col"');
  const body = rows.map((cells) => row(cells, (i) => i === 0 && header[i] === "" ? 'th scope="row"' : "td"));
  return `<details><summary>Numbers</summary><div class="output"><table aria-label="${
    escapeAttribute(title)
  }"><thead>${head}</thead><tbody>${body.join("")}</tbody></table></div></details>`;
}

/** What a page with figures has. */
interface FigureScripts {
  /** plotly.js and the script that draws. */
  readonly html: string;
  /** What the page's policy allows. */
  readonly sources: readonly string[];
}

let scripts: FigureScripts | undefined; // Made once a process, as plotly.js is large.

/** The data block and the script of a page with figures. */
export function figureScripts(): FigureScripts {
  return scripts ??= {
    html: `${block("plotly", plotlyCode)}\n<script>${DRAW}</script>`,
    sources: [plotlyCode, DRAW].map(allowed),
  };
}

/**
 * Inflates plotly.js and draws each figure at the width of the page. The still image stays if that fails: where the
 * browser cannot inflate, plotly.js throws, does not know a trace type or takes too long. Each figure is drawn in its
 * own task, after the page is displayed. plotly.js runs as a script element, whose hash the page's policy allows. A
 * narrow screen shows images: titles would not fit, and a swipe over a figure would not scroll the page.
 */
const DRAW = `${INFLATE}
async function load() {
  await run("plotly");
  if (!globalThis.Plotly?.newPlot) throw new Error("plotly.js does not run");
  document.querySelector('script[data-block="plotly"]').remove();
}
async function draw(script) {
  const still = script.previousElementSibling, plot = still.previousElementSibling;
  plot.hidden = false;
  still.hidden = true;
  try {
    const { data, layout, frames } = JSON.parse(script.textContent);
    delete layout.width;
    const height = parseFloat(plot.style.height);
    const config = { responsive: true, displayModeBar: false }; // Its buttons would cover the title.
    const drawing = Plotly.newPlot(plot, { data, layout: { ...layout, height, autosize: true }, frames, config });
    await Promise.race([
      drawing,
      new Promise((_, reject) => setTimeout(reject, 10000, new Error("it takes too long"))),
    ]);
    const other = plot._fullData.find(({ type, _input }) => (_input?.type ?? "scatter") !== type);
    if (other || plot._fullData.length < data.length) throw new Error("it has a trace of an unknown type");
    still.remove();
  } catch (error) {
    console.info("A figure is shown as an image: " + error);
    plot.remove();
    still.hidden = false;
  }
}
function start() {
  load().then(
    () => document.querySelectorAll('script[type="application/json"]').forEach((script, i) => setTimeout(draw, 10 * i, script)),
    (error) => console.info("Figures are shown as images: " + error),
  );
}
const wide = matchMedia("(min-width: 900px)");
if (wide.matches) start();
else wide.addEventListener("change", start, { once: true });
`;
