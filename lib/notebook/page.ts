import { escapeAttribute, escapeText } from "../markup.ts";
import { figureScripts } from "./plotly.ts";

/** A page to link to. */
export interface PageLink {
  /** Its address, relative to the linking page. */
  readonly href: string;
  /** Its title. */
  readonly title: string;
}

/** The pages around a page in a set. */
export interface Navigation {
  /** The list of all pages. */
  readonly index?: PageLink | undefined;
  /** The page before it. */
  readonly previous?: PageLink | undefined;
  /** The page after it. */
  readonly next?: PageLink | undefined;
}

/** Id of the page's main element, to which the skip link leads; no heading gets it. */
export const MAIN = "main";

/** A page with its style, scripts and content security policy: no script but plotly.js and its caller, no network. */
export function pageHtml(
  { title, main, lang = "en", navigation = {}, hasFigures = false }: {
    readonly title: string;
    readonly main: string;
    readonly lang?: string;
    readonly navigation?: Navigation | undefined;
    readonly hasFigures?: boolean;
  },
): string {
  const scripts = hasFigures ? figureScripts() : undefined;
  const policy = [
    "default-src 'none'",
    `script-src ${scripts?.hashes.join(" ") ?? "'none'"}`,
    "style-src 'unsafe-inline'", // plotly.js inserts styles
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const top = navigationHtml("Notebooks", navigation);
  return `<!DOCTYPE html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${top && `<a class="skip" href="#${MAIN}">Skip to the content</a>\n${top}`}
<main id="${MAIN}">
${main}
</main>
${navigationHtml("Notebooks, at the end of the page", navigation)}
${scripts ? `${scripts.data}\n<script>${scripts.code}</script>` : ""}
</body>
</html>
`;
}

/** Links to the pages around a page; empty if there are none. */
function navigationHtml(label: string, { index, previous, next }: Navigation): string {
  const links = [["", index], ["Previous: ", previous], ["Next: ", next]] as const;
  const items = links.map(([name, link]) =>
    link ? `<li><a href="${escapeAttribute(link.href)}">${name}${escapeText(link.title)}</a></li>\n` : ""
  ).join("");
  return items && `<nav aria-label="${label}">\n<ul>\n${items}</ul>\n</nav>`;
}

const STYLE = `
body { margin: 0; background: #fff; color: #1f2328; font: 17px/1.6 system-ui, sans-serif; }
main, nav { max-width: 860px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
nav { padding: .75rem 1.25rem; font-size: 15px; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; justify-content: space-between; margin: 0; padding: 0; list-style: none; }
.skip { position: absolute; left: -999px; background: #fff; padding: .5rem 1rem; }
.skip:focus { left: 0; }
.pages { padding: 0; list-style: none; }
.pages a { font-weight: 600; }
.pages p { margin: 0 0 1rem; }
h1 { font-size: 2rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid #d8dee4; }
h3 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
:any-link { color: #0b5cad; }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid #d0d7de; color: #57606a; }
pre, code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
:not(pre) > code { background: #f0f2f4; border-radius: 4px; padding: .1em .3em; }
pre { overflow-x: auto; margin: .75rem 0; }
.code > pre:first-child, .text pre { background: #f6f8fa; border: 1px solid #e1e5ea; border-radius: 6px; padding: .7rem .9rem; }
.output { overflow-x: auto; margin: .75rem 0; }
pre.output { padding: 0 .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.stderr { color: #59636e; }
.error { color: #a40e26; }
figure { margin: 1rem 0; }
details { margin: .75rem 0; font-size: 15px; }
summary { cursor: pointer; }
.source { background: #fff4e5; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-size: 15px; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem; border-bottom: 1px solid #e1e5ea; text-align: left; }
thead > tr > * { border-bottom: 2px solid #adb5bd; }
th { text-wrap: balance; }
th[scope="row"] { font-weight: normal; }
td:first-child { min-width: 4em; } /* "λ = 0.5" on one line */
.right { text-align: right; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "DejaVu Math TeX Gyre", math; font-size: 1.05em; }
math[display="block"] { margin: 1rem 0; }
footer { margin-top: 4rem; color: #59636e; font-size: 14px; }
.hljs-comment { color: #59636e; }
.hljs-keyword, .hljs-built_in, .hljs-literal { color: #a1195b; }
.hljs-string, .hljs-regexp { color: #0a5c2f; }
.hljs-number { color: #0b5cad; }
.hljs-title { color: #5b3aa8; }
`;
