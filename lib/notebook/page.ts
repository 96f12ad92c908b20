import type { LiveParts } from "../live/page.ts";
import { asciiHtml, escapeAttribute, escapeText } from "../markup.ts";
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

/**
 * A page with its style, scripts and content security policy: no script but plotly.js, what live cells run and the callers
 * of both, and no network.
 */
export function pageHtml(
  { title, main, lang = "en", navigation = {}, hasFigures = false, live }: {
    readonly title: string;
    readonly main: string;
    readonly lang?: string;
    readonly navigation?: Navigation | undefined;
    readonly hasFigures?: boolean;
    readonly live?: LiveParts | undefined;
  },
): string {
  const parts = [live, hasFigures ? figureScripts() : undefined].filter((part) => part !== undefined);
  const sources = parts.flatMap((part) => part.sources);
  const policy = [
    "default-src 'none'",
    `script-src ${sources.join(" ") || "'none'"}`,
    "style-src 'unsafe-inline'", // plotly.js inserts styles
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const top = navigationHtml("Notebooks", navigation);
  return asciiHtml(`<!DOCTYPE html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>${STYLE}${live?.style ?? ""}</style>
</head>
<body>
${top && `<a class="skip" href="#${MAIN}">Skip to the content</a>\n${top}`}
<main id="${MAIN}">
${main}
</main>
${navigationHtml("Notebooks, at the end of the page", navigation)}
${parts.map(({ html }) => html).join("\n")}
</body>
</html>
`);
}

/** Links to the pages around a page; empty if there are none. */
function navigationHtml(label: string, { index, previous, next }: Navigation): string {
  const links = [["", index], ["Previous: ", previous], ["Next: ", next]] as const;
  const items = links.map(([name, link]) =>
    link ? `<li><a href="${escapeAttribute(link.href)}">${name}${escapeText(link.title)}</a></li>\n` : ""
  ).join("");
  return items && `<nav aria-label="${label}">\n<ul>\n${items}</ul>\n</nav>`;
}

/** Colours are variables, for dark screens; figures stay as they are drawn, on white. */
const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1f2328; --quiet: #59636e; --line: #d8dee4; --soft: #f6f8fa; --link: #0b5cad; --wrong: #a40e26; --mark: #fff4e5; --word: #a1195b; --text: #0a5c2f; --name: #5b3aa8; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14181d; --ink: #e2e7ec; --quiet: #a3adb8; --line: #39424d; --soft: #1d232a; --link: #7db7f5; --wrong: #ff9aa5; --mark: #3a2f1d; --word: #f49ac1; --text: #8fd6a8; --name: #c3b1f3; }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 17px/1.6 system-ui, sans-serif; }
main, nav { max-width: 860px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
nav { padding: .75rem 1.25rem; font-size: 15px; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; justify-content: space-between; margin: 0; padding: 0; list-style: none; }
.skip { position: absolute; left: -999px; background: var(--page); padding: .5rem 1rem; }
.skip:focus { left: 0; }
.pages { padding: 0; list-style: none; }
.pages a { font-weight: 600; }
.pages p { margin: 0 0 1rem; }
h1 { font-size: 2rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
:any-link { color: var(--link); }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid var(--line); color: var(--quiet); }
pre, code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
:not(pre) > code { background: var(--soft); border-radius: 4px; padding: .1em .3em; }
pre { overflow-x: auto; margin: .75rem 0; }
.code > pre:first-child, .text pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem; }
.output { overflow-x: auto; margin: .75rem 0; }
pre.output { padding: 0 .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.stderr { color: var(--quiet); }
.error { color: var(--wrong); }
figure { margin: 1rem 0; }
.figure, .output img { background: #fff; color-scheme: light; }
details { margin: .75rem 0; font-size: 15px; }
summary { cursor: pointer; }
.source { background: var(--mark); }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-size: 15px; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem; border-bottom: 1px solid var(--line); text-align: left; }
thead > tr > * { border-bottom: 2px solid var(--quiet); }
th { text-wrap: balance; }
th[scope="row"] { font-weight: normal; }
td:first-child { min-width: 4em; } /* "lambda = 0.5" on one line */
.right { text-align: right; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "DejaVu Math TeX Gyre", math; font-size: 1.05em; }
math[display="block"] { margin: 1rem 0; }
footer { margin-top: 4rem; color: var(--quiet); font-size: 14px; }
.hljs-comment { color: var(--quiet); }
.hljs-keyword, .hljs-built_in, .hljs-literal { color: var(--word); }
.hljs-string, .hljs-regexp { color: var(--text); }
.hljs-number { color: var(--link); }
.hljs-title { color: var(--name); }
`;
