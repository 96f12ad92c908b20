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
import type { CodeCell, Made, Notebook, Output } from "./notebook.ts";

/** The media type of a figure's JSON. */
const PLOTLY = "application/vnd.plotly.v1+json";

/**
 * A notebook as one page that needs nothing else: text, formulas as MathML, code, outputs, and figures that
 * answer the mouse. plotly.js stands in it once, if at all.
 *
 * The page cannot do more than that, whatever is in the notebook: HTML of outputs is cleaned, and a policy
 * in the page's head lets no script run but plotly.js and the one that calls it, and nothing be fetched or
 * sent.
 *
 * @param notebook Any, run or not.
 * @param name What the page is called where the notebook has no heading.
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
export async function render(notebook: Notebook, name: string): Promise<string> {
  const { cells, metadata } = notebook;
  const body = cells.map((cell) =>
    cell.cell_type === "code"
      ? codeCell(cell)
      : cell.cell_type === "markdown"
      ? `<section class="text">\n${markdown.render(cell.source)}</section>`
      : ""
  ).join("\n");
  const scripts = body.includes(FIGURE) ? [plotlyCode, DRAW].map(inline) : [];
  const hashes = await Promise.all(scripts.map(async (code) => `'sha256-${await sha256(code)}'`));
  const policy = [
    "default-src 'none'",
    `script-src ${hashes.join(" ") || "'none'"}`,
    "style-src 'unsafe-inline'", // plotly.js makes styles as it draws
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const heading = cells.find(({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source));
  const title = heading?.source.match(/^# (.*)$/m)?.[1]?.replace(/[*_`$]/g, "") ?? name;
  const { deno, smoke } = (metadata["gpt1"] ?? {}) as Partial<Made>;
  const made = deno ? ` on Deno ${deno}${smoke ? ", in small: it finds out nothing" : ""}` : "";
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
<footer>notebooks/${escaped(name)}.ipynb${escaped(made)}</footer>
</main>
${scripts.map((code) => `<script>${code}</script>`).join("\n")}
</body>
</html>
`;
}

function codeCell({ source, outputs }: CodeCell): string {
  const code = highlighter.highlight(source, { language: "typescript" }).value;
  return `<section class="code">\n<pre><code>${code}</code></pre>\n${
    outputs.map(outputHtml).join("\n")
  }\n</section>`;
}

function outputHtml(output: Output): string {
  if (output.output_type === "stream") return plain(output.text, output.name === "stderr" ? "stderr" : "");
  if (output.output_type === "error") return plain(output.traceback.join("\n"), "error");
  const { data } = output;
  const text = (type: string) => typeof data[type] === "string" ? data[type] as string : undefined;
  if (isFigure(data[PLOTLY])) return figure(data[PLOTLY]);
  const html = text("text/html");
  if (html !== undefined) return `<div class="output">${clean(html)}</div>`;
  const svg = text("image/svg+xml");
  if (svg !== undefined) return image("svg+xml", new TextEncoder().encode(svg).toBase64());
  for (const type of ["png", "jpeg"]) {
    const bytes = text(`image/${type}`)?.replace(/\s/g, "");
    if (bytes !== undefined && /^[\w+/]+=*$/.test(bytes)) return image(type, bytes);
  }
  const md = text("text/markdown");
  if (md !== undefined) return `<div class="output text">${markdown.render(md)}</div>`;
  const latex = text("text/latex");
  if (latex !== undefined) {
    return `<div class="output">${formula(latex.replace(/^\s*\$+|\$+\s*$/g, ""), true)}</div>`;
  }
  return plain(text("text/plain") ?? "", "");
}

/** A figure as plotly.js takes it. */
interface Figure {
  readonly data: readonly unknown[];
  readonly layout?: { readonly height?: unknown };
}

const isFigure = (value: unknown): value is Figure =>
  typeof value === "object" && value !== null && "data" in value && Array.isArray(value.data);

const FIGURE = `<div class="figure"`;

/** A place of the figure's height, and its JSON for the script at the page's end. */
function figure(value: Figure): string {
  const { height } = value.layout ?? {};
  const pixels = typeof height === "number" && height > 0 ? Math.min(height, 2000) : 450;
  const json = JSON.stringify(value).replaceAll("<", "\\u003c");
  return `${FIGURE} style="height: ${pixels}px"></div><script type="application/json">${json}</script>`;
}

/** Draws each figure in the place before its JSON, as wide as the page. */
const DRAW = `
for (const script of document.querySelectorAll('script[type="application/json"]')) {
  const { data, layout = {}, frames = [] } = JSON.parse(script.textContent);
  delete layout.width;
  const config = { responsive: true, displayModeBar: false }; // Its buttons would lie on the title.
  Plotly.newPlot(script.previousElementSibling, { data, layout: { ...layout, autosize: true }, frames, config });
}
`;

/** Code that no text in it can end before its time. */
const inline = (code: string): string => code.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--");

const image = (type: string, base64: string): string =>
  `<p class="output"><img alt="" src="data:image/${type};base64,${base64}"></p>`;

const plain = (text: string, kind: string): string =>
  text === "" ? "" : `<pre class="output ${kind}">${escaped(stripVTControlCharacters(text))}</pre>`;

const formula = (source: string, display: boolean): string =>
  temml.renderToString(source, { displayMode: display });

// Raw HTML in a notebook's text is shown as it is written, not obeyed.
const markdown = new MarkdownIt({
  html: false,
  highlight: (code, language) =>
    /^(ts|typescript|js|javascript)$/.test(language)
      ? highlighter.highlight(code, { language: "typescript" }).value
      : "",
}).use(tex, { render: formula });
highlighter.registerLanguage("typescript", typescript);

// Pages of notebooks lie beside each other as the notebooks do.
const link = markdown.renderer.rules["link_open"];
markdown.renderer.rules["link_open"] = (tokens, index, options, env, self) => {
  const href = tokens[index]!.attrGet("href") ?? "";
  if (!/^\w+:/.test(href)) tokens[index]!.attrSet("href", href.replace(/\.ipynb(?=$|#)/, ".html"));
  return link?.(tokens, index, options, env, self) ?? self.renderToken(tokens, index, options);
};

/** HTML of an output without what could act, load or cover the page. */
function clean(html: string): string {
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
    exclusiveFilter: ({ tag, attribs }) => tag === "img" && !/^data:image\//.test(attribs["src"] ?? ""),
    allowedStyles: { "*": Object.fromEntries(properties.map((property) => [property, harmless])) },
  });
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

async function sha256(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toBase64();
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
