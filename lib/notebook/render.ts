import { stripVTControlCharacters } from "node:util";
import { tex } from "npm:@mdit/plugin-tex@0.24.2";
import highlighter from "npm:highlight.js@11.12.0/lib/core";
import typescript from "npm:highlight.js@11.12.0/lib/languages/typescript";
// @ts-types="npm:@types/markdown-it@14.2.0"
import MarkdownIt from "npm:markdown-it@14.3.3";
import plotlyCode from "npm:plotly.js-dist@4.1.1/plotly.js" with { type: "text" };
// @ts-types="npm:@types/sanitize-html@2.16.2"
import sanitizeHtml from "npm:sanitize-html@2.18.1";
import temml from "npm:temml@0.13.5";
import { sha256 } from "../digest.ts";
import { messageOf, quoted } from "../errors.ts";
import { escapeAttribute, escapeText } from "../markup.ts";
import { terminates } from "./terminates.ts";
import { decodePath } from "./links.ts";
import type { Bundle, CodeCell, Notebook, Output, RunMetadata } from "./notebook.ts";

/** Media type of Plotly JSON. */
const PLOTLY = "application/vnd.plotly.v1+json";

/** Resolves a notebook's links and images for its page. */
export interface PageContext {
  /** The target of a notebook's link, relative to the page. */
  link(href: string): string;
  /** An image as a `data:` URL; undefined if it cannot be shown. */
  image(src: string): string | undefined;
  /** Called with a message about content that cannot be shown or a broken link. */
  warn(message: string): void;
}

/** The default: pages are stored next to each other, as their notebooks are, without images. */
const defaultContext: PageContext = {
  link: (href) => /^[\w+.-]+:/.test(href) ? href : href.replace(/\.ipynb(?=$|#)/, ".html"),
  image: () => undefined,
  warn: () => {},
};

/** State while a page is rendered; markdown-it passes it to its rules. */
interface RenderState {
  readonly context: PageContext;
  /** Files embedded in the cell's text. */
  readonly attachments: Bundle;
  /** Unique ids of the headings. */
  readonly ids: Set<string>;
  /** JSON of the figures that plotly.js can draw. */
  readonly figures: ReadonlyMap<Figure, string>;
  /** Deadline, in ms: what is not rendered by then is shown as source. */
  readonly end: number;
}

/** Time limits in ms for the figures and texts of a page: their cost is not bounded by their length. */
const TIME_LIMITS = { figures: 90e3, texts: 30e3 };

/** Maximum length in characters of sources that are rendered, and of the resulting HTML (`page`). */
const MAX_LENGTHS = { code: 1e5, formula: 5e3, html: 4e6, markdown: 2e5, page: 16e6 };

/**
 * Renders a notebook as a self-contained HTML page: text, formulas as MathML, code, outputs and interactive figures.
 * plotly.js is embedded at most once; a figure that it cannot draw is shown as the notebook's image or text of it.
 * Sources that cannot be rendered are shown as they are.
 *
 * The notebook is not trusted: HTML outputs are sanitised, and a content security policy allows no script but plotly.js
 * and its caller, and no network access.
 *
 * @param notebook The notebook, executed or not.
 * @param name Title of the page if the notebook has no heading.
 * @param context Resolves links and images. Default: links to other notebooks in the same folder only.
 * @returns The page, as HTML.
 *
 * @example
 * ```ts
 * import { render } from "./render.ts";
 *
 * const cell = { cell_type: "markdown", id: "title", metadata: {}, source: "# Tokens\n\n$L_1$" } as const;
 * const page = await render({ cells: [cell], metadata: {}, nbformat: 4, nbformat_minor: 5 }, "01_tokens");
 * console.log(page.includes("<title>Tokens</title>"), page.includes("<math>")); // true true
 * ```
 */
export async function render(
  notebook: Notebook,
  name: string,
  context: PageContext = defaultContext,
): Promise<string> {
  const { cells, metadata } = notebook;
  const figures = await drawable(cells, context);
  const state: RenderState = {
    context,
    attachments: {},
    ids: new Set(),
    figures,
    end: performance.now() + TIME_LIMITS.texts,
  };
  const body = cells.map((cell) =>
    cell.cell_type === "code"
      ? codeCell(cell, state)
      : cell.cell_type === "markdown"
      ? `<section class="text">\n${
        textHtml(cell.source, { ...state, attachments: cell.attachments ?? {} })
      }</section>`
      : ""
  ).join("\n");
  const scripts = body.includes(FIGURE) ? [plotlyCode, DRAW].map(inline) : [];
  const hashes = scripts.map((code) => `'sha256-${Uint8Array.fromHex(sha256(code)).toBase64()}'`);
  const policy = [
    "default-src 'none'",
    `script-src ${hashes.join(" ") || "'none'"}`,
    "style-src 'unsafe-inline'", // plotly.js inserts styles
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  for (const [, anchor] of body.matchAll(/<a [^>]*?href="#([^"]*)"/g)) {
    if (anchor !== "" && !state.ids.has(decodePath(anchor!))) {
      context.warn(`no heading has the anchor of the link ${quoted(`#${anchor}`)}`);
    }
  }
  const heading = cells.find(({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source));
  const title = heading?.source.match(/^# (.*)$/m)?.[1]?.replace(/[*_`$]/g, "") ?? name;
  const { deno, smoke } = (metadata["gpt1"] ?? {}) as Partial<RunMetadata>;
  const runNote = typeof deno === "string"
    ? ` on Deno ${deno}${smoke ? ", smoke run: its numbers mean nothing" : ""}`
    : "";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
<footer>notebooks/${escapeText(name)}.ipynb${escapeText(runNote)}</footer>
</main>
${scripts.map((code) => `<script>${code}</script>`).join("\n")}
</body>
</html>
`;
}

/** The figures that plotly.js can draw in time, as JSON. */
async function drawable(cells: Notebook["cells"], { warn }: PageContext): Promise<Map<Figure, string>> {
  const found = new Map<Figure, string>();
  const end = performance.now() + TIME_LIMITS.figures;
  for (const [i, cell] of cells.entries()) {
    for (const output of cell.cell_type === "code" ? cell.outputs : []) {
      const value = "data" in output ? output.data[PLOTLY] : undefined;
      if (!isFigure(value)) continue;
      const json = figureJson(value);
      if (json !== undefined && performance.now() < end && await terminates(json)) found.set(value, json);
      else warn(`a figure of cell ${i + 1} is shown as an image: it takes too long to draw`);
    }
  }
  return found;
}

/** The rendered source, or the source itself, marked, if rendering fails. */
function renderOrSource(
  what: "code" | "formula" | "html" | "markdown",
  source: string,
  { context, end }: RenderState,
  render: () => string,
): string {
  let why = "too large";
  if (source.length <= MAX_LENGTHS[what]) {
    why = "the page takes too long";
    if (performance.now() < end) {
      try {
        const html = render();
        if (html.length <= MAX_LENGTHS.page) return html;
      } catch (error) {
        why = messageOf(error).split("\n")[0]!;
      }
    }
  }
  if (what !== "code") context.warn(`${names[what]} ${quoted(source)} is shown as its source: ${why}`);
  const tag = what === "formula" ? "code" : "pre";
  return `<${tag} class="source" title="${
    escapeAttribute(`${names[what]} that cannot be rendered: ${why}`)
  }">${escapeText(source)}</${tag}>`;
}

const names = { code: "code", formula: "the formula", html: "the HTML", markdown: "the text" };

const textHtml = (source: string, state: RenderState): string =>
  renderOrSource("markdown", source, state, () => markdown.render(source, state));

function codeCell({ source, outputs }: CodeCell, state: RenderState): string {
  const code = source.length > MAX_LENGTHS.code
    ? escapeText(source)
    : highlighter.highlight(source, { language: "typescript" }).value;
  return `<section class="code">\n<pre><code>${code}</code></pre>\n${
    outputs.map((output) => outputHtml(output, state)).join("\n")
  }\n</section>`;
}

function outputHtml(output: Output, state: RenderState): string {
  if (output.output_type === "stream") return plain(output.text, output.name === "stderr" ? "stderr" : "");
  if (output.output_type === "error") return plain(output.traceback.join("\n"), "error");
  const { data } = output;
  const value = data[PLOTLY];
  return isFigure(value)
    ? figure(value, state.figures.get(value), imageHtml(data) ?? dataHtml(data, state))
    : dataHtml(data, state);
}

/** The richest representation of an output that can be shown. */
function dataHtml(data: Bundle, state: RenderState): string {
  const text = (type: string) => textOf(data, type);
  const html = text("text/html");
  if (html !== undefined) {
    return `<div class="output">${
      renderOrSource("html", html, state, () => sanitise(html, state.context))
    }</div>`;
  }
  const image = imageHtml(data);
  if (image !== undefined) return image;
  const md = text("text/markdown");
  if (md !== undefined) return `<div class="output text">${textHtml(md, state)}</div>`;
  const latex = text("text/latex");
  if (latex !== undefined) {
    const source = latex.trim().replace(/^\$+/, "").replace(/(?<!\$)\$+$/, "");
    return `<div class="output">${formula(source, true, state)}</div>`;
  }
  return plain(text("text/plain") ?? "", "");
}

function textOf(data: Bundle, type: string): string | undefined {
  return Object.hasOwn(data, type) && typeof data[type] === "string" ? data[type] : undefined;
}

/** Signatures of images in base64. */
const SIGNATURES = { png: "iVBORw0KGgo", jpeg: "/9j/", gif: "R0lGOD", webp: "UklGR" };

function imageHtml(data: Bundle): string | undefined {
  const svg = textOf(data, "image/svg+xml");
  if (svg !== undefined) return image("svg+xml", new TextEncoder().encode(svg).toBase64());
  for (const [type, begin] of Object.entries(SIGNATURES)) {
    const bytes = textOf(data, `image/${type}`)?.replace(/\s/g, "");
    if (bytes?.startsWith(begin) && /^[\w+/]+=*$/.test(bytes)) return image(type, bytes);
  }
  return undefined;
}

/** Plotly JSON. */
interface Figure {
  readonly data: readonly unknown[];
  readonly layout?: { readonly height?: unknown } | null;
}

const isFigure = (value: unknown): value is Figure =>
  typeof value === "object" && value !== null && "data" in value && Array.isArray(value.data);

const FIGURE = `<div class="figure"`;

/** Maximum length of a figure's JSON, in characters: a browser draws it in a few seconds. */
const MAX_FIGURE = 10e6;

/** A placeholder of the figure's height, its fallback, and its JSON for the script at the end of the page. */
function figure(value: Figure, json: string | undefined, fallback: string): string {
  const { height } = value.layout ?? {};
  const pixels = typeof height === "number" && height > 0 ? Math.min(height, 2000) : 450;
  const still = `<div class="still">${fallback || plain("There is no image of this figure", "")}</div>`;
  if (json === undefined) return still;
  return `${FIGURE} style="height: ${pixels}px" hidden></div>${still}<script type="application/json">${json}</script>`;
}

/** A figure's JSON; undefined if it is nested too deeply or too large. */
function figureJson(
  { data, layout, frames = [] }: Figure & { readonly frames?: unknown },
): string | undefined {
  try {
    // Against prototype pollution, and images that the page would load.
    const harmless = (key: string, value: unknown) =>
      /^(__proto__|constructor|prototype)$/.test(key) ||
        (key === "source" && !/^data:image\//.test(String(value)))
        ? undefined
        : value;
    const json = JSON.stringify({ data, layout: layout ?? {}, frames }, harmless).replaceAll("<", "\\u003c");
    return json.length <= MAX_FIGURE ? json : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined; // Its nesting exceeds the stack.
    throw error;
  }
}

/**
 * Draws each figure at the width of the page. The fallback stays if plotly.js throws, does not know a trace type or
 * takes too long. Each figure is drawn in its own task, after the page is displayed.
 */
const DRAW = `
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
document.querySelectorAll('script[type="application/json"]').forEach((script, i) => setTimeout(draw, 10 * i, script));
`;

/** Escapes code so that no string in it ends the script element. */
const inline = (code: string): string => code.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--");

const image = (type: string, base64: string): string =>
  `<p class="output"><img alt="" src="data:image/${type};base64,${base64}"></p>`;

const plain = (text: string, kind: string): string =>
  text === "" ? "" : `<pre class="output ${kind}">${escapeText(stripVTControlCharacters(text))}</pre>`;

const formula = (source: string, display: boolean, state: RenderState): string =>
  renderOrSource(
    "formula",
    source,
    state,
    () => temml.renderToString(source, { displayMode: display, throwOnError: true, maxSize: [40, 40] }),
  );

// Raw HTML in a notebook's text is shown as text.
const markdown = new MarkdownIt({
  html: false,
  highlight: (code, language) =>
    /^(ts|typescript|js|javascript)$/.test(language)
      ? highlighter.highlight(code, { language: "typescript" }).value
      : "",
}).use(tex, { render: formula });
highlighter.registerLanguage("typescript", typescript);

const { rules } = markdown.renderer;
const linkOpen = rules["link_open"];
rules["link_open"] = (tokens, index, options, state: RenderState, self) => {
  const token = tokens[index]!;
  token.attrSet("href", state.context.link(token.attrGet("href") ?? ""));
  return linkOpen?.(tokens, index, options, state, self) ?? self.renderToken(tokens, index, options);
};

// The page loads no files: an image is embedded, or replaced by its alternative text.
rules["image"] = (tokens, index, options, state: RenderState, self) => {
  const { children, attrGet } = tokens[index]!;
  const alt = escapeAttribute(self.renderInlineAsText(children ?? [], options, state));
  const src = attrGet.call(tokens[index]!, "src") ?? "";
  const data = /^data:image\//.test(src)
    ? src
    : attachment(src, state.attachments) ?? state.context.image(src);
  if (data !== undefined) return `<img alt="${alt}" src="${escapeAttribute(data)}">`;
  const text = alt || escapeText(src);
  return /^https?:/.test(src) ? `<a href="${escapeAttribute(src)}">${text}</a>` : text;
};

/** An image that a cell's text refers to as `attachment:NAME`. */
function attachment(src: string, attachments: Bundle): string | undefined {
  const name = decodePath(src.replace(/^attachment:/, ""));
  if (!src.startsWith("attachment:") || !Object.hasOwn(attachments, name)) return undefined;
  const bundle = attachments[name];
  if (typeof bundle !== "object" || bundle === null) return undefined;
  return imageHtml(bundle as Bundle)?.match(/src="([^"]*)"/)?.[1];
}

// Headings have the same anchors as in Jupyter.
rules["heading_open"] = (tokens, index, options, state: RenderState, self) => {
  const text = (tokens[index + 1]!.children ?? []).map(({ content }) => content).join("");
  const anchor = text.trim().replace(/\s/g, "-");
  if (anchor !== "" && !state.ids.has(anchor)) {
    state.ids.add(anchor);
    tokens[index]!.attrSet("id", anchor);
  }
  return self.renderToken(tokens, index, options);
};

/** Sanitises the HTML of an output: no scripts, no external resources, no positioning. */
function sanitise(html: string, context: PageContext): string {
  const harmless = [/^[^()\\]*$/, /^(rgb|hsl)a?\([^()\\]*\)$/];
  const properties =
    ("background background-color border border-bottom border-collapse border-left border-radius " +
      "border-right border-top color display font-family font-size font-style font-variant-numeric font-weight height " +
      "line-height margin margin-left max-width min-width opacity padding padding-left text-align text-decoration " +
      "vertical-align white-space width").split(" ");
  return sanitizeHtml(html, {
    allowedTags: [...sanitizeHtml.defaults.allowedTags, "details", "img", "progress", "summary"],
    allowedAttributes: {
      "*": ["align", "class", "colspan", "dir", "lang", "open", "rowspan", "scope", "style", "title"],
      a: ["href"],
      img: ["alt", "height", "src", "width"],
      progress: ["max", "value"],
    },
    allowedSchemes: ["http", "https"],
    allowedSchemesByTag: { img: ["data"] },
    allowProtocolRelative: false,
    transformTags: {
      a: (tagName, { href, ...attribs }) => ({
        tagName,
        attribs: href === undefined ? attribs : { ...attribs, href: context.link(href) },
      }),
    },
    exclusiveFilter: ({ tag, attribs }) => tag === "img" && !/^data:image\//.test(attribs["src"] ?? ""),
    allowedStyles: { "*": Object.fromEntries(properties.map((property) => [property, harmless])) },
  });
}

const STYLE = `
body { margin: 0; background: #fff; color: #1f2328; font: 17px/1.6 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid #d8dee4; }
h3 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
a { color: #0b5cad; }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid #d0d7de; color: #57606a; }
pre, code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
:not(pre) > code { background: #f0f2f4; border-radius: 4px; padding: .1em .3em; }
pre { overflow-x: auto; margin: .75rem 0; }
.code > pre:first-child, .text pre { background: #f6f8fa; border: 1px solid #e1e5ea; border-radius: 6px; padding: .7rem .9rem; }
.output { overflow-x: auto; margin: .75rem 0; }
pre.output { padding: 0 .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.stderr { color: #6e7781; }
.error { color: #a40e26; }
.figure { margin: 1rem 0; }
.source { background: #fff4e5; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-size: 15px; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem; border-bottom: 1px solid #e1e5ea; text-align: left; }
th { border-bottom: 2px solid #adb5bd; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "DejaVu Math TeX Gyre", math; font-size: 1.05em; }
math[display="block"] { margin: 1rem 0; }
footer { margin-top: 4rem; color: #6e7781; font-size: 14px; }
.hljs-comment { color: #6e7781; }
.hljs-keyword, .hljs-built_in, .hljs-literal { color: #a1195b; }
.hljs-string, .hljs-regexp { color: #0a5c2f; }
.hljs-number { color: #0b5cad; }
.hljs-title { color: #5b3aa8; }
`;
