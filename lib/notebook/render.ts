import { stripVTControlCharacters } from "node:util";
import { tex } from "@mdit/plugin-tex";
import highlighter from "highlight.js/lib/core";
import typescript from "highlight.js/lib/languages/typescript";
// @ts-types="npm:@types/markdown-it@14.2.0"
import MarkdownIt from "markdown-it";
import plotlyCode from "plotly.js-cartesian-dist-min/plotly-cartesian.min.js" with { type: "text" };
// @ts-types="npm:@types/sanitize-html@2.16.2"
import sanitizeHtml from "sanitize-html";
import temml from "temml";
import { sha256 } from "../digest.ts";
import { messageOf, quoted } from "../errors.ts";
import { escapeAttribute, escapeText } from "../markup.ts";
import { ends } from "./ends.ts";
import { decoded } from "./links.ts";
import type { Bundle, CodeCell, Made, Notebook, Output } from "./notebook.ts";

/** The media type of a figure's JSON. */
const PLOTLY = "application/vnd.plotly.v1+json";

/** What a page needs to know of what lies around its notebook. */
export interface Place {
  /** Where a link of the notebook points to from its page. */
  link(href: string): string;
  /** An image that the notebook's text names, as a `data:` URL; nothing if there is none to show. */
  image(src: string): string | undefined;
  /** Is told what the page cannot show or reach, in a sentence. */
  warn(message: string): void;
}

/** Pages lie beside each other as their notebooks do, and nothing else is known. */
const besideNotebook: Place = {
  link: (href) => /^[\w+.-]+:/.test(href) ? href : href.replace(/\.ipynb(?=$|#)/, ".html"),
  image: () => undefined,
  warn: () => {},
};

/** A page while it is made; markdown-it hands it to its rules. */
interface Draft {
  readonly place: Place;
  /** Files that the cell's text brings along. */
  readonly attachments: Bundle;
  /** Of headings; no two are alike. */
  readonly ids: Set<string>;
  /** JSON of the figures that can be drawn. */
  readonly figures: ReadonlyMap<Figure, string>;
  /** When what is still to be rendered is shown as its source. */
  readonly end: number;
}

/** Milliseconds that a page's texts may take, and its figures: what they cost is not bounded by their length. */
const LONGEST = { figures: 90e3, texts: 30e3 };

/** Letters of one text, formula or table that are rendered, and of the HTML that it may become. */
const LARGEST = { code: 1e5, formula: 5e3, html: 4e6, markdown: 2e5, page: 16e6 };

/**
 * A notebook as one page that needs nothing else: text, formulas as MathML, code, outputs, and figures that
 * answer the mouse. plotly.js stands in it once, if at all; a figure that it does not draw is shown as the
 * picture or the text that the notebook has of it. What cannot be rendered is shown as its source.
 *
 * The page cannot do more than that, whatever is in the notebook: HTML of outputs is cleaned, and a policy
 * in the page's head lets no script run but plotly.js and the one that calls it, and nothing be fetched or
 * sent.
 *
 * @param notebook Any, run or not.
 * @param name What the page is called where the notebook has no heading.
 * @param place What lies around the notebook; default: only other notebooks beside it.
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
  place: Place = besideNotebook,
): Promise<string> {
  const { cells, metadata } = notebook;
  const figures = await drawable(cells, place);
  const draft: Draft = {
    place,
    attachments: {},
    ids: new Set(),
    figures,
    end: performance.now() + LONGEST.texts,
  };
  const body = cells.map((cell) =>
    cell.cell_type === "code"
      ? codeCell(cell, draft)
      : cell.cell_type === "markdown"
      ? `<section class="text">\n${
        textHtml(cell.source, { ...draft, attachments: cell.attachments ?? {} })
      }</section>`
      : ""
  ).join("\n");
  const scripts = body.includes(FIGURE) ? [plotlyCode, DRAW].map(inline) : [];
  const hashes = scripts.map((code) => `'sha256-${Uint8Array.fromHex(sha256(code)).toBase64()}'`);
  const policy = [
    "default-src 'none'",
    `script-src ${hashes.join(" ") || "'none'"}`,
    "style-src 'unsafe-inline'", // plotly.js makes styles as it draws
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  for (const [, anchor] of body.matchAll(/<a [^>]*?href="#([^"]*)"/g)) {
    if (anchor !== "" && !draft.ids.has(decoded(anchor!))) {
      place.warn(`no heading has the anchor of the link ${quoted(`#${anchor}`)}`);
    }
  }
  const heading = cells.find(({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source));
  const title = heading?.source.match(/^# (.*)$/m)?.[1]?.replace(/[*_`$]/g, "") ?? name;
  const { deno, smoke } = (metadata["gpt1"] ?? {}) as Partial<Made>;
  const made = typeof deno === "string"
    ? ` on Deno ${deno}${smoke ? ", in small: it finds out nothing" : ""}`
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
<footer>notebooks/${escapeText(name)}.ipynb${escapeText(made)}</footer>
</main>
${scripts.map((code) => `<script>${code}</script>`).join("\n")}
</body>
</html>
`;
}

/** The figures with which plotly.js comes to an end, as JSON. */
async function drawable(cells: Notebook["cells"], { warn }: Place): Promise<Map<Figure, string>> {
  const found = new Map<Figure, string>();
  const end = performance.now() + LONGEST.figures;
  for (const [i, cell] of cells.entries()) {
    for (const output of cell.cell_type === "code" ? cell.outputs : []) {
      const value = "data" in output ? output.data[PLOTLY] : undefined;
      if (!isFigure(value)) continue;
      const json = figureJson(value);
      if (json !== undefined && performance.now() < end && await ends(json)) found.set(value, json);
      else warn(`a figure of cell ${i + 1} is shown as a picture: it is too much to draw`);
    }
  }
  return found;
}

/** What is made of a source, or the source itself, marked, where nothing can be made of it. */
function orSource(
  what: "code" | "formula" | "html" | "markdown",
  source: string,
  { place, end }: Draft,
  make: () => string,
): string {
  let why = "too large";
  if (source.length <= LARGEST[what]) {
    why = "too much for this page";
    if (performance.now() < end) {
      try {
        const html = make();
        if (html.length <= LARGEST.page) return html;
      } catch (error) {
        why = messageOf(error).split("\n")[0]!;
      }
    }
  }
  if (what !== "code") place.warn(`${names[what]} ${quoted(source)} is shown as its source: ${why}`);
  const tag = what === "formula" ? "code" : "pre";
  return `<${tag} class="source" title="${
    escapeAttribute(`${names[what]} that cannot be rendered: ${why}`)
  }">${escapeText(source)}</${tag}>`;
}

const names = { code: "code", formula: "the formula", html: "the HTML", markdown: "the text" };

const textHtml = (source: string, draft: Draft): string =>
  orSource("markdown", source, draft, () => markdown.render(source, draft));

function codeCell({ source, outputs }: CodeCell, draft: Draft): string {
  const code = source.length > LARGEST.code
    ? escapeText(source)
    : highlighter.highlight(source, { language: "typescript" }).value;
  return `<section class="code">\n<pre><code>${code}</code></pre>\n${
    outputs.map((output) => outputHtml(output, draft)).join("\n")
  }\n</section>`;
}

function outputHtml(output: Output, draft: Draft): string {
  if (output.output_type === "stream") return plain(output.text, output.name === "stderr" ? "stderr" : "");
  if (output.output_type === "error") return plain(output.traceback.join("\n"), "error");
  const { data } = output;
  const value = data[PLOTLY];
  return isFigure(value)
    ? figure(value, draft.figures.get(value), pictureHtml(data) ?? dataHtml(data, draft))
    : dataHtml(data, draft);
}

/** The first of an output's forms that can be shown. */
function dataHtml(data: Bundle, draft: Draft): string {
  const text = (type: string) => textOf(data, type);
  const html = text("text/html");
  if (html !== undefined) {
    return `<div class="output">${orSource("html", html, draft, () => clean(html, draft.place))}</div>`;
  }
  const picture = pictureHtml(data);
  if (picture !== undefined) return picture;
  const md = text("text/markdown");
  if (md !== undefined) return `<div class="output text">${textHtml(md, draft)}</div>`;
  const latex = text("text/latex");
  if (latex !== undefined) {
    const source = latex.trim().replace(/^\$+/, "").replace(/(?<!\$)\$+$/, "");
    return `<div class="output">${formula(source, true, draft)}</div>`;
  }
  return plain(text("text/plain") ?? "", "");
}

function textOf(data: Bundle, type: string): string | undefined {
  return Object.hasOwn(data, type) && typeof data[type] === "string" ? data[type] : undefined;
}

/** How the base64 of a picture begins: what begins otherwise is none. */
const PICTURES = { png: "iVBORw0KGgo", jpeg: "/9j/", gif: "R0lGOD", webp: "UklGR" };

function pictureHtml(data: Bundle): string | undefined {
  const svg = textOf(data, "image/svg+xml");
  if (svg !== undefined) return image("svg+xml", new TextEncoder().encode(svg).toBase64());
  for (const [type, begin] of Object.entries(PICTURES)) {
    const bytes = textOf(data, `image/${type}`)?.replace(/\s/g, "");
    if (bytes?.startsWith(begin) && /^[\w+/]+=*$/.test(bytes)) return image(type, bytes);
  }
  return undefined;
}

/** A figure as plotly.js takes it. */
interface Figure {
  readonly data: readonly unknown[];
  readonly layout?: { readonly height?: unknown } | null;
}

const isFigure = (value: unknown): value is Figure =>
  typeof value === "object" && value !== null && "data" in value && Array.isArray(value.data);

const FIGURE = `<div class="figure"`;

/** Letters of a figure's JSON that a browser draws in a few seconds. */
const LARGEST_FIGURE = 10e6;

/** A place of the figure's height, what is shown unless it is drawn, and its JSON for the script at the page's end. */
function figure(value: Figure, json: string | undefined, still: string): string {
  const { height } = value.layout ?? {};
  const pixels = typeof height === "number" && height > 0 ? Math.min(height, 2000) : 450;
  const shown = `<div class="still">${still || plain("There is no picture of this figure", "")}</div>`;
  if (json === undefined) return shown;
  return `${FIGURE} style="height: ${pixels}px" hidden></div>${shown}<script type="application/json">${json}</script>`;
}

/** A figure's JSON, unless it is too deep or too large. */
function figureJson(
  { data, layout, frames = [] }: Figure & { readonly frames?: unknown },
): string | undefined {
  try {
    // A browser that merges the former into an object changes every object of the page; the latter would be loaded.
    const harmless = (key: string, value: unknown) =>
      /^(__proto__|constructor|prototype)$/.test(key) ||
        (key === "source" && !/^data:image\//.test(String(value)))
        ? undefined
        : value;
    const json = JSON.stringify({ data, layout: layout ?? {}, frames }, harmless).replaceAll("<", "\\u003c");
    return json.length <= LARGEST_FIGURE ? json : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined; // It is nested deeper than the stack.
    throw error;
  }
}

/**
 * Draws each figure in its place, as wide as the page, and leaves what stands for it where plotly.js throws, takes
 * something in it for something else, or comes to no end. Each is drawn in a turn of its own: the page is there first.
 */
const DRAW = `
async function draw(script) {
  const still = script.previousElementSibling, place = still.previousElementSibling;
  place.hidden = false;
  still.hidden = true;
  try {
    const { data, layout, frames } = JSON.parse(script.textContent);
    delete layout.width;
    const height = parseFloat(place.style.height);
    const config = { responsive: true, displayModeBar: false }; // Its buttons would lie on the title.
    const drawn = Plotly.newPlot(place, { data, layout: { ...layout, height, autosize: true }, frames, config });
    await Promise.race([
      drawn,
      new Promise((_, fail) => setTimeout(fail, 10000, new Error("it takes too long"))),
    ]);
    const other = place._fullData.find(({ type, _input }) => (_input?.type ?? "scatter") !== type);
    if (other || place._fullData.length < data.length) throw new Error("it has a trace of an unknown type");
    still.remove();
  } catch (error) {
    console.info("A figure is shown as a picture: " + error);
    place.remove();
    still.hidden = false;
  }
}
document.querySelectorAll('script[type="application/json"]').forEach((script, i) => setTimeout(draw, 10 * i, script));
`;

/** Code that no text in it can end before its time. */
const inline = (code: string): string => code.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--");

const image = (type: string, base64: string): string =>
  `<p class="output"><img alt="" src="data:image/${type};base64,${base64}"></p>`;

const plain = (text: string, kind: string): string =>
  text === "" ? "" : `<pre class="output ${kind}">${escapeText(stripVTControlCharacters(text))}</pre>`;

const formula = (source: string, display: boolean, draft: Draft): string =>
  orSource(
    "formula",
    source,
    draft,
    () => temml.renderToString(source, { displayMode: display, throwOnError: true, maxSize: [40, 40] }),
  );

// Raw HTML in a notebook's text is shown as it is written, not obeyed.
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
rules["link_open"] = (tokens, index, options, draft: Draft, self) => {
  const token = tokens[index]!;
  token.attrSet("href", draft.place.link(token.attrGet("href") ?? ""));
  return linkOpen?.(tokens, index, options, draft, self) ?? self.renderToken(tokens, index, options);
};

// The page loads nothing: an image comes along, or its text stands for it.
rules["image"] = (tokens, index, options, draft: Draft, self) => {
  const { children, attrGet } = tokens[index]!;
  const alt = escapeAttribute(self.renderInlineAsText(children ?? [], options, draft));
  const src = attrGet.call(tokens[index]!, "src") ?? "";
  const data = /^data:image\//.test(src) ? src : attachment(src, draft.attachments) ?? draft.place.image(src);
  if (data !== undefined) return `<img alt="${alt}" src="${escapeAttribute(data)}">`;
  const text = alt || escapeText(src);
  return /^https?:/.test(src) ? `<a href="${escapeAttribute(src)}">${text}</a>` : text;
};

/** An image that a cell's text names `attachment:NAME`. */
function attachment(src: string, attachments: Bundle): string | undefined {
  const name = decoded(src.replace(/^attachment:/, ""));
  if (!src.startsWith("attachment:") || !Object.hasOwn(attachments, name)) return undefined;
  const bundle = attachments[name];
  if (typeof bundle !== "object" || bundle === null) return undefined;
  return pictureHtml(bundle as Bundle)?.match(/src="([^"]*)"/)?.[1];
}

// Headings have the anchors that Jupyter gives them.
rules["heading_open"] = (tokens, index, options, draft: Draft, self) => {
  const text = (tokens[index + 1]!.children ?? []).map(({ content }) => content).join("");
  const anchor = text.trim().replace(/\s/g, "-");
  if (anchor !== "" && !draft.ids.has(anchor)) {
    draft.ids.add(anchor);
    tokens[index]!.attrSet("id", anchor);
  }
  return self.renderToken(tokens, index, options);
};

/** HTML of an output without what could act, load or cover the page. */
function clean(html: string, place: Place): string {
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
        attribs: href === undefined ? attribs : { ...attribs, href: place.link(href) },
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
