import { stripVTControlCharacters } from "node:util";
import { tex } from "npm:@mdit/plugin-tex@0.24.2";
import highlighter from "npm:highlight.js@11.12.0/lib/core";
import typescript from "npm:highlight.js@11.12.0/lib/languages/typescript";
// @ts-types="npm:@types/markdown-it@14.2.0"
import MarkdownIt from "npm:markdown-it@14.3.3";
import type sanitizer from "npm:@types/sanitize-html@2.16.2";
import temml from "npm:temml@0.13.5";
import { InputError, messageOf, quoted } from "../errors.ts";
import { LIVE, type LiveModel, MAX_BYTES, parseLive } from "../live/cell.ts";
import { liveHtml, liveParts } from "../live/page.ts";
import { escapeAttribute, escapeText } from "../markup.ts";
import { altText, PLOTLY } from "./alt.ts";
import { decodePath } from "./links.ts";
import { figureHtml, figureJson, isFigure, type PlotlyFigure } from "./plotly.ts";
import { MAIN, type Navigation, pageHtml } from "./page.ts";
import { terminates } from "./terminates.ts";
import {
  type Bundle,
  type CodeCell,
  type Notebook,
  type Output,
  type RunMetadata,
  sourcesHash,
} from "./notebook.ts";

/** Resolves a notebook's links and images for its page. */
export interface PageContext {
  /** The target of a notebook's link, relative to the page; undefined if the link is shown as text. */
  link(href: string): string | undefined;
  /** An image as a `data:` URL; undefined if it cannot be shown. */
  image(src: string): string | undefined;
  /** The file of a live cell's model; undefined if it is not there. */
  model(model: LiveModel): Uint8Array | undefined;
  /** Called with a message about content that cannot be shown or a broken link. */
  warn(message: string): void;
  /** Links to the pages around this one. Default: none. */
  readonly navigation?: Navigation | undefined;
}

/** The default: pages are stored next to each other, as their notebooks are, without images. */
const defaultContext: PageContext = {
  link: (href) => /^[\w+.-]+:/.test(href) ? href : href.replace(/\.ipynb(?=$|#)/, ".html"),
  image: () => undefined,
  model: () => undefined,
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
  readonly figures: ReadonlyMap<PlotlyFigure, string>;
  /** Models of live cells, by the names of their blocks. */
  readonly models: Map<string, Uint8Array>;
  /** Deadline, in ms: what is not rendered by then is shown as source. */
  readonly end: number;
}

const emptyState = (context: PageContext): RenderState => ({
  ...{ context, attachments: {}, ids: new Set([MAIN]), figures: new Map(), models: new Map() },
  end: performance.now() + TIME_LIMITS.texts,
});

/** Time limits in ms for the figures and texts of a page: their cost is not bounded by their length. */
const TIME_LIMITS = { figures: 90e3, texts: 30e3 };

/** Maximum length in characters of sources that are rendered, and of the resulting HTML (`page`). */
const MAX_LENGTHS = { code: 1e5, formula: 5e3, html: 4e6, markdown: 2e5, page: 16e6 };

/**
 * Renders a notebook as a self-contained HTML page: text, formulas as MathML, code, outputs and interactive figures.
 * plotly.js is embedded at most once; a figure that it cannot draw is shown as the notebook's image or text of it.
 * Sources that cannot be rendered are shown as they are. The page's language is `lang` in the notebook's metadata.
 *
 * The notebook is not trusted: HTML outputs are sanitised, and a content security policy allows no script but the page's
 * own, which are plotly.js, what live cells run, and the callers of both, and no network access.
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
  sanitizeHtml ??= (await import("npm:sanitize-html@2.18.1")).default;
  const figures = await drawable(cells, context);
  const state: RenderState = { ...emptyState(context), figures };
  const body = cells.map((cell) =>
    cell.cell_type === "code"
      ? codeCell(cell, state)
      : cell.cell_type === "markdown"
      ? `<section class="text">\n${
        textHtml(cell.source, { ...state, attachments: cell.attachments ?? {} })
      }</section>`
      : ""
  ).join("\n");
  const main = body.replaceAll(/(<a [^>]*?)href="#([^"]*)"/g, (link, start, anchor) => {
    if (anchor === "" || state.ids.has(decodePath(anchor))) return link;
    context.warn(`no heading has the anchor of the link ${quoted(`#${anchor}`)}`);
    return start; // Without a target it is text.
  });
  const { deno, smoke, sources } = (metadata["gpt1"] ?? {}) as Partial<RunMetadata>;
  const isOther = sources !== undefined && sources !== sourcesHash(notebook);
  if (isOther) context.warn("outputs are of other code than its cells have now: run it again");
  const runNote = typeof deno === "string"
    ? ` on Deno ${deno}${smoke ? ", smoke run: its numbers mean nothing" : ""}` +
      (isOther ? "; code has changed since its outputs were made" : "")
    : "";
  return pageHtml({
    title: summaryOf(notebook, name).title,
    lang: languageOf(metadata),
    main: `${main}\n<footer>notebooks/${escapeText(name)}.ipynb${escapeText(runNote)}</footer>`,
    navigation: context.navigation,
    hasFigures: figures.size > 0,
    live: state.models.size > 0 ? await liveParts(state.models) : undefined,
  });
}

/** The language tag in a notebook's metadata, or that of English. */
function languageOf({ lang }: Bundle): string {
  return typeof lang === "string" && /^[a-z]{2,3}(-[A-Za-z\d]{1,8})*$/.test(lang) ? lang : "en";
}

/** What a list of pages says of a notebook. */
export interface Summary {
  /** Its heading as text, or its name. */
  readonly title: string;
  /** The first sentence below the heading, as Markdown; empty if there is none. */
  readonly sentence: string;
}

/**
 * A notebook's title and first sentence.
 *
 * @param notebook The notebook.
 * @param name Its title if it has no heading.
 * @returns The summary.
 *
 * @example
 * ```ts
 * import { summaryOf } from "./render.ts";
 *
 * const cell = { cell_type: "markdown", id: "a", metadata: {}, source: "# Tokens\n\nWhat is one? An id." } as const;
 * console.log(summaryOf({ cells: [cell], metadata: {}, nbformat: 4, nbformat_minor: 5 }, "01_tokens"));
 * // { title: "Tokens", sentence: "What is one?" }
 * ```
 */
export function summaryOf({ cells }: Notebook, name: string): Summary {
  const first = cells.find(({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source));
  const [, heading = name, text = ""] = /^# (.*)$([^]*)/m.exec(first?.source ?? "") ?? [];
  const paragraph = text.trim().split(/\n\s*\n/, 1)[0]!.slice(0, 1000)
    .replace(/^\*\*[^*]*\*\*\s*/, "").replace(/\s+/g, " "); // Without a label such as "**The question.**".
  const isText = /^[^#>|`-]/.test(paragraph); // No heading, quotation, table, code or list.
  let sentence = "";
  for (
    const { segment } of new Intl.Segmenter("en", { granularity: "sentence" }).segment(
      isText ? paragraph : "",
    )
  ) {
    sentence += segment;
    if (!/\bal\. $/.test(sentence)) break; // "Radford et al. 2018" ends no sentence.
  }
  return { title: heading.replace(/[*_`$]/g, "").trim() || name, sentence: sentence.trim() };
}

/**
 * The page that lists the pages of notebooks.
 *
 * @param pages Address and summary of each page, in order.
 * @returns The page, as HTML.
 *
 * @example
 * ```ts
 * import { renderIndex } from "./render.ts";
 *
 * const page = renderIndex([{ href: "01_tokens.html", title: "Tokens", sentence: "What is one?" }]);
 * console.log(page.includes('<a href="01_tokens.html">Tokens</a>')); // true
 * ```
 */
export function renderIndex(pages: readonly (Summary & { readonly href: string })[]): string {
  const context: PageContext = { ...defaultContext, link: () => undefined };
  const state = emptyState(context);
  const items = pages.map(({ href, title, sentence }) => {
    const text = renderOrSource("markdown", sentence, state, () => markdown.renderInline(sentence, state));
    return `<li><a href="${escapeAttribute(href)}">${escapeText(title)}</a><p>${text}</p></li>`;
  });
  return pageHtml({
    title: INDEX_TITLE,
    main: `<h1>${INDEX_TITLE}</h1>
<p>Notebooks on GPT-1 (Radford et al. 2018): the model, its pre-training and fine-tuning, and ablations that are not in
the paper.</p>
<ul class="pages">
${items.join("\n")}
</ul>`,
  });
}

/** The title of the page that lists the others. */
const INDEX_TITLE = "A research kit for GPT-1";

/** The figures that plotly.js can draw in time, as JSON. */
async function drawable(cells: Notebook["cells"], { warn }: PageContext): Promise<Map<PlotlyFigure, string>> {
  const found = new Map<PlotlyFigure, string>();
  const end = performance.now() + TIME_LIMITS.figures;
  for (const [i, cell] of cells.entries()) {
    for (const output of cell.cell_type === "code" ? cell.outputs : []) {
      const value = "data" in output ? output.data[PLOTLY] : undefined;
      if (!isFigure(value) || isLive(output)) continue; // A live cell replaces its figure.
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
  const still = stillHtml(output, state);
  return isLive(output) ? liveCell(data[LIVE], still, state) : still;
}

const isLive = (output: Output): boolean => "data" in output && Object.hasOwn(output.data, LIVE);

/** A live cell, with what is shown where it does not start. */
function liveCell(value: unknown, still: string, { context, models }: RenderState): string {
  const cell = parseLive(value);
  if (!cell) {
    context.warn("a live cell is shown as its figure: its data are not what live() writes");
    return still;
  }
  const found = cell.models.map((model) => ({ ...model, bytes: context.model(model) }));
  const total = [...models.values(), ...found.map(({ bytes }) => bytes)]
    .reduce((sum, bytes) => sum + (bytes?.length ?? Infinity), 0);
  if (total === Infinity) return still;
  if (total > MAX_BYTES.page) {
    context.warn(`a live cell is shown as its figure: the page's models exceed ${MAX_BYTES.page / 1e6} MB`);
    return still;
  }
  const named = found.map(({ name, included, sha256, bytes }) => {
    const block = included ?? sha256!;
    models.set(block, bytes!);
    return { name, block };
  });
  return liveHtml({ ...cell, models: named }, still);
}

/** A part of a page of live cells. */
export interface LiveSection {
  /** What stands above the cell. */
  readonly heading: string;
  /** A live cell's output. */
  readonly data: Bundle;
}

/** What a page of live cells alone has. */
export interface LivePage {
  /** Its title. */
  readonly title: string;
  /** What is said below the title, as text. */
  readonly about: string;
  /** Its cells. */
  readonly sections: readonly LiveSection[];
  /** The file of a model. */
  readonly model: PageContext["model"];
}

/**
 * A page of live cells alone, as HTML.
 *
 * @throws {InputError} If a cell could only be shown as its figure.
 */
export async function livePage({ title, about, sections, model }: LivePage): Promise<string> {
  const warn = (message: string) => {
    throw new InputError(`Cannot make the page: ${message}`);
  };
  const state: RenderState = { ...emptyState({ ...defaultContext, model, warn }), end: Infinity };
  const cells = sections.map(({ heading, data }) =>
    `<h2>${escapeText(heading)}</h2>\n${
      outputHtml({ output_type: "display_data", data, metadata: {} }, state)
    }`
  );
  return pageHtml({
    title,
    main: `<h1>${escapeText(title)}</h1>\n<p>${escapeText(about)}</p>\n${cells.join("\n")}`,
    live: await liveParts(state.models),
  });
}

/** An output without a program: as a figure, an image, HTML or text. */
function stillHtml(output: Exclude<Output, { output_type: "stream" | "error" }>, state: RenderState): string {
  const { data } = output;
  const alt = altText(data, output.metadata);
  const value = data[PLOTLY];
  if (!isFigure(value)) return dataHtml(data, alt, state);
  return figureHtml(value, {
    json: state.figures.get(value),
    still: (imageHtml(data, alt) ?? dataHtml(data, alt, state)) ||
      plain("There is no image of this figure", ""),
    alt,
    text: textOf(data, "text/plain") ?? "",
  });
}

/** The richest representation of an output that can be shown. */
function dataHtml(data: Bundle, alt: string, state: RenderState): string {
  const text = (type: string) => textOf(data, type);
  const html = text("text/html");
  if (html !== undefined) {
    return `<div class="output">${
      renderOrSource("html", html, state, () => sanitise(html, state.context))
    }</div>`;
  }
  const image = imageHtml(data, alt);
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

function imageHtml(data: Bundle, alt: string): string | undefined {
  const src = imageOf(data);
  return src && `<p class="output"><img alt="${escapeAttribute(alt)}" src="${src}"></p>`;
}

/** An image of an output as a `data:` URL. */
function imageOf(data: Bundle): string | undefined {
  const url = (type: string, base64: string) => `data:image/${type};base64,${base64}`;
  const svg = textOf(data, "image/svg+xml");
  if (svg !== undefined) return url("svg+xml", new TextEncoder().encode(svg).toBase64());
  for (const [type, begin] of Object.entries(SIGNATURES)) {
    const bytes = textOf(data, `image/${type}`)?.replace(/\s/g, "");
    if (bytes?.startsWith(begin) && /^[\w+/]+=*$/.test(bytes)) return url(type, bytes);
  }
  return undefined;
}

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
  const href = token.attrGet("href") ?? "", target = state.context.link(href);
  if (target === undefined) token.attrs = [["title", href]]; // Without a target it is text.
  else token.attrSet("href", target);
  return linkOpen?.(tokens, index, options, state, self) ?? self.renderToken(tokens, index, options);
};

// Raw HTML is shown as text, but for answers to unfold: `<details><summary>…</summary>` and `</details>`, each a line.
markdown.core.ruler.push("details", ({ tokens, Token }) => {
  const tagOf = (i: number) => {
    const { type, level, content } = tokens[i]!;
    return type === "inline" && level === 1 && tokens[i - 1]!.type === "paragraph_open"
      ? /^(?:<details><summary>([^<>]+)<\/summary>|(<\/details>))$/.exec(content)
      : null;
  };
  let open: number | undefined;
  for (let i = 0; i < tokens.length; i++) {
    const tag = tagOf(i);
    if (tag?.[1]) open = i;
    if (!tag?.[2] || open === undefined) continue;
    const html = [`<details><summary>${escapeText(tagOf(open)![1]!)}</summary>\n`, "</details>\n"];
    for (const [at, content] of [[open, html[0]!], [i, html[1]!]] as const) {
      tokens.splice(
        at - 1,
        3,
        ...[0, 1, 2].map((part) =>
          Object.assign(new Token(part === 1 ? "html_block" : "text", "", 0), {
            content: part === 1 ? content : "",
          })
        ),
      );
    }
    open = undefined;
  }
});

// Wide tables scroll.
rules["table_open"] = () => `<div class="output"><table>`;
rules["table_close"] = () => "</table></div>";

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
  return imageOf(bundle as Bundle);
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

/** Imported by {@linkcode render}: as it loads it needs `--allow-env=CI,TERM`, which other commands do not have. */
let sanitizeHtml: typeof sanitizer | undefined;

/** Sanitises the HTML of an output: no scripts, no external resources, no positioning. */
function sanitise(html: string, context: PageContext): string {
  const harmless = [/^[^()\\]*$/, /^(rgb|hsl)a?\([^()\\]*\)$/];
  const properties =
    ("background background-color border border-bottom border-collapse border-left border-radius " +
      "border-right border-top color display font-family font-size font-style font-variant-numeric font-weight height " +
      "line-height margin margin-left max-width min-width opacity padding padding-left text-align text-decoration " +
      "vertical-align white-space width").split(" ");
  return sanitizeHtml!(html, {
    allowedTags: [...sanitizeHtml!.defaults.allowedTags, "details", "img", "progress", "summary"],
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
      a: (tagName, { href, ...attribs }) => {
        const target = href === undefined ? undefined : context.link(href);
        return { tagName, attribs: target === undefined ? attribs : { ...attribs, href: target } };
      },
      img: (tagName, attribs) => ({ tagName, attribs: { alt: "Image without a description", ...attribs } }),
    },
    exclusiveFilter: ({ tag, attribs }) => tag === "img" && !/^data:image\//.test(attribs["src"] ?? ""),
    allowedStyles: { "*": Object.fromEntries(properties.map((property) => [property, harmless])) },
  });
}
