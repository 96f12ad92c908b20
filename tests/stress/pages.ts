import { type CodeCell, pageContext, parseNotebook, render, type TextCell } from "../../lib/notebook/mod.ts";
import { JSDOM } from "jsdom";
import { keyOf, permutation, uniforms } from "../../lib/engine/mod.ts";
import { InputError } from "../../lib/errors.ts";
import { open, startChromium, until } from "../notebooks/chromium.ts";
import { chromium } from "../programs.ts";
import { faultOf } from "./functions.ts";
import type { Outcome, Part } from "./part.ts";

/** What must never happen in a page. */
const act = "window.pwned = 1";
const plotly = "application/vnd.plotly.v1+json";
const y = [1, 2, 3];
const png =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Text, by what is wrong with it. */
const texts: Record<string, string> = {
  "TeX that ends early": "a $x^$ b $\\frac{1$ c\n\n$$\\begin{matrix} 1 $$",
  "TeX without end": "$\\def\\a{\\a\\a}\\a$ $\\def\\b{{\\b}}\\b$",
  "deep TeX": `$${"{".repeat(4000)}x${"}".repeat(4000)}$ $${"\\sqrt{".repeat(1500)}$`,
  "TeX that links and loads":
    `$\\href{javascript:${act}}{x}$ $\\includegraphics{https://example.com/a.png}$ $\\htmlId{a}{b}$`,
  "huge TeX": "$\\rule{1e9em}{1e9em}$ $\\kern{1e9em}x$ $\\class{figure}{x}$",
  "brackets": "[".repeat(150_000),
  "stars": "*a **a ".repeat(20_000),
  "deep quotes": `${"> ".repeat(5000)}a\n\n${"- ".repeat(5000)}a`,
  "a wide table": `${"|a".repeat(4000)}|\n${"|-".repeat(4000)}|\n${"|\n".repeat(4000)}`,
  "a link used a thousand times": `[a]: https://example.com/${"a&".repeat(20_000)}\n\n${"[a] ".repeat(3000)}`,
  "links that act":
    `[a](javascript:${act}) [b](JaVaScRiPt:x) [c](data:text/html,<script>${act}</script>) [d](vbscript:x) <javascript:x> [e]( javascript&#58;x) [f](file:///etc/passwd)`,
  "links that lead nowhere":
    "[a](../../../../x.ts) [b](/etc/passwd) [c](%00) [d](%zz) [e](#none) [f](?x) [g]()",
  "images that load":
    "![a](https://example.com/a.png) ![b](//example.com/b.png) ![c](/etc/passwd) ![d](data:text/html,x)",
  "images that are not there":
    "![a](attachment:a.png) ![b](attachment:__proto__) ![c](../../..) ![d](/dev/zero)",
  "HTML":
    `<script>${act}</script><img src=x onerror="${act}"><base href="https://example.com/"></main></body>`,
  "headings that are names":
    '# Plotly\n\n# constructor\n\n## __proto__\n\n## draw\n\n# "><b>\n\n## a\n\n## a',
  "odd letters": "\ud800 \u0000 \u202e \ufeff \u2028 \u0085",
  "code": `\`\`\`ts\n${"/*".repeat(20_000)}\n\`\`\`\n\n\`\`\`"onload=${act}\n<b>\n\`\`\``,
};

/** HTML of an output. */
const htmls: Record<string, string> = {
  "scripts":
    `<script>${act}</script><svg onload="${act}"><script>${act}</script></svg><a onclick="${act}">a</a>`,
  "elements that load":
    `<iframe src="https://example.com"></iframe><img src="https://example.com/a.png"><link rel=stylesheet href="https://example.com/a.css"><object data="x"></object><video src=x poster=x></video>`,
  "elements that lead away":
    `<base href="https://example.com/"><meta http-equiv="refresh" content="0;url=https://example.com"><form action="https://example.com"><button>a</button></form>`,
  "styles that load or cover":
    `<style>* { display: none }</style><p style="position: fixed; inset: 0; background: url(https://example.com/a.png); width: expression(${act})">a</p><p style="background:\\75\\72\\6c(x);color:red;}*{display:none}">b</p>`,
  "elements that end others":
    `</div></section></main></body></html><p>a</p></p></br><!-- <plaintext> <xmp> <textarea> <title>`,
  "tables out of order":
    `<table><tr><td><a href="x.ts"><table><b><div><tr></a><td><i></table>text<td></tr><select><option><table>`,
  "deep elements": "<div><b>".repeat(800),
  "names in odd case":
    `<ScRiPt>${act}</sCrIpT><IMG SRC=x ONERROR="${act}"><a HREF="JAVASCRIPT:${act}">a</a><a href="java\nscript:${act}">b</a>`,
  "foreign elements":
    `<math><mtext><table><mglyph><style><img src=x onerror="${act}"></style></mglyph></table></mtext></math><svg><foreignObject><p>a</p></foreignObject></svg>`,
  "a figure's place":
    `<div class="figure" hidden></div><div class="still"></div><script type="application/json">{"data":[]}</script>`,
  "a thousand styles": `<p style="${"color:red;a:b;".repeat(5000)}">a</p>`.repeat(3),
};

/** Figures. */
const figures: Record<string, unknown> = {
  "traces that are none": { data: [null, 3, "x", [], { type: {} }] },
  "a trace of an unknown type": { data: [{ type: "sankeys", y }] },
  "a trace without its data": { data: [{ type: "sankey", y }] },
  "a trace that needs WebGL": { data: [{ type: "scatter3d", x: y, y, z: y }] },
  "a map of the network": {
    data: [{ type: "scattermap", lon: y, lat: y }, { type: "scattergeo", lon: y, lat: y }],
  },
  "frames that are none": { data: [{ y }], frames: "abc" },
  "frames with odd names": { data: [{ y }], frames: [3, null, { name: { toString: 1 } }] },
  "HTML in titles": {
    data: [{
      y,
      name: `<img src=x onerror="${act}">`,
      text: `<script>${act}</script>`,
      hovertemplate: `<a href="javascript:${act}">`,
    }],
    layout: { title: { text: `</script><script>${act}</script><a href="javascript:${act}">a</a>` } },
  },
  "images of the network": {
    data: [{ y }],
    layout: { images: [{ source: "https://example.com/a.png", x: 0, y: 1, sizex: 1, sizey: 1 }, null] },
  },
  "an odd layout": {
    data: [{ y }],
    layout: { template: { layout: 7 }, xaxis: 3, annotations: 5, shapes: [null], height: -1e9, margin: "x" },
  },
  "no layout": { data: [{ y }], layout: null },
  "names of prototypes": JSON.parse(
    '{ "data": [{ "y": [1], "__proto__": { "visible": false } }], "layout": { "constructor": { "prototype": { "visible": false } } } }',
  ),
  "deep data": { data: [{ y: JSON.parse("[".repeat(3000) + "]".repeat(3000)) }] },
  "large data": { data: [{ y: Array(2e5).fill(0.5) }] },
  "too large data": { data: [{ y: Array(2e6).fill(0.125) }] },
  "an axis without end": {
    data: [{ y }],
    layout: { xaxis: { range: [0, 1e5], tick0: 0, dtick: 1e-2, minor: { dtick: 1e-5 } } },
  },
  "a grid without end": { data: [{ y }], layout: { grid: { rows: 1e9, columns: 1e9 } } },
  "menus": {
    data: [{ y }],
    layout: {
      updatemenus: [{ buttons: [{ method: "animate", args: [null], execute: true }, {}] }],
      sliders: [{ steps: [null] }],
    },
  },
};

/** Outputs of other types. */
const outputs: Record<string, unknown> = {
  "a drawing that acts": {
    "image/svg+xml": `<svg xmlns="http://www.w3.org/2000/svg" onload="${act}"><script>${act}</script></svg>`,
  },
  "a picture that is none": { "image/png": `"onerror="${act}`, "text/plain": "still" },
  "base64 that is no picture": { "image/png": "PHNjcmlwdD4=", "image/jpeg": "QUJD" },
  "types in odd case": { "Text/HTML": `<script>${act}</script>`, "IMAGE/PNG": png },
  "a type that is a name": { "__proto__": "x", "constructor": "y", "text/plain": "plain" },
  "LaTeX": { "text/latex": "$$$$$$\\frac{$$$" },
  "Markdown": { "text/markdown": `<script>${act}</script> $x^$ [a](javascript:${act})` },
  "letters that move the terminal": {
    "text/plain": "\u001b[2J\u001b]8;;https://example.com\u0007a".repeat(1000),
  },
  "nothing": {},
};

/** Notebooks that are none: each is refused in a sentence. */
const broken: Record<string, (text: string) => string> = {
  "half of one": (text) => text.slice(0, text.length / 2),
  "nothing": () => "",
  "a list": (text) => `[${text}]`,
  "null": () => "null",
  "a million brackets": () => "[".repeat(1e6),
  "another format": (text) => text.replace('"nbformat":4', '"nbformat":3'),
  "a source that is a number": (text) => text.replace('"source":"', '"source":3,"x":"'),
  "ids with control letters": (text) => text.replace(/"id":"[^"]*"/, '"id":"\\u0000\\n"'),
  "a type with control letters": (text) =>
    text.replace('"text/plain":', '"text/\\u001b[2J\\n":3,"text/plain":'),
};

const cellsOf = (i: number): (TextCell | CodeCell)[] => [
  {
    cell_type: "markdown",
    id: `t${i}`,
    metadata: {},
    source: `## Good ${i}\n\n$a_{${i}}$ and [its heading](#Good-${i})`,
  },
  shown(`g${i}`, {
    [plotly]: { data: [{ y, name: `good ${i}` }] },
    "image/png": png,
    "text/plain": "a figure",
  }),
];

const shown = (id: string, data: Record<string, unknown>): CodeCell => ({
  cell_type: "code",
  id,
  metadata: {},
  source: "show(</script>);",
  execution_count: 1,
  outputs: [{ output_type: "display_data", data, metadata: {} }],
});

/** All pieces by what they are, each as a cell. */
const pieces: Record<string, (id: string) => TextCell | CodeCell> = Object.fromEntries([
  ...Object.entries(texts).map((
    [name, source],
  ) => [name, (id: string) => ({ cell_type: "markdown", id, metadata: {}, source })]),
  ...Object.entries(htmls).map((
    [name, html],
  ) => [`HTML: ${name}`, (id: string) => shown(id, { "text/html": html })]),
  ...Object.entries(figures).map(([name, figure]) => [
    `figure: ${name}`,
    (id: string) => shown(id, { [plotly]: figure, "text/plain": "still" }),
  ]),
  ...Object.entries(outputs).map((
    [name, data],
  ) => [`output: ${name}`, (id: string) => shown(id, data as Record<string, unknown>)]),
]);

/** Pages of hostile notebooks, opened in Chromium or only read. */
export const pagesPart = (opened: boolean): Part => ({
  about: "pages of notebooks that would act, load, loop or hide the rest: none does, and all else is there",
  times: 120,
  async *attacks(seed) {
    // A slice for a test has no time for those that are only told by how long they take.
    const names = Object.keys(pieces).filter((name) => opened || !/without end|too large/.test(name));
    const faults = Object.keys(broken);
    const folder = await Deno.makeTempDir();
    try {
      await using _browser = opened ? await startChromium() : undefined;
      // Each piece comes up before one comes up twice.
      const waiting: string[] = [];
      for (let i = 0;; i++) {
        const key = keyOf(seed, "pages", i);
        if (waiting.length < 3) {
          waiting.push(...Array.from(permutation(key, names.length), (at) => names[at]!));
        }
        const chosen = waiting.splice(0, 3);
        const fault = uniforms(key, 1)[0]! < 0.1
          ? faults[Math.floor(uniforms(key, 2)[1]! * faults.length)]
          : undefined;
        yield await attack(chosen, fault, `${folder}/${i}.html`, opened);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** Those of a full run. */
export const pages: Part = pagesPart(chromium !== undefined);

async function attack(
  chosen: readonly string[],
  fault: string | undefined,
  file: string,
  opened: boolean,
): Promise<Outcome> {
  const cells = chosen.flatMap((name, i) => [pieces[name]!(`h${i}`), ...cellsOf(i)]);
  const gpt1 = { deno: { toString: 1 }, smoke: "</footer>" };
  const text = JSON.stringify({ cells, metadata: { gpt1, title: [] }, nbformat: 4, nbformat_minor: 5 });
  if (fault !== undefined) {
    const name = `a notebook of ${fault}`;
    try {
      parseNotebook(broken[fault]!(text), "\u0007it");
    } catch (error) {
      if (!(error instanceof InputError)) return { name, wrong: `it threw ${Deno.inspect(error)}` };
      const wrong = faultOf(error.message);
      return { name, ...wrong !== undefined && { wrong } };
    }
    return { name, wrong: "it was accepted" };
  }
  const name = chosen.join(" + ") + (opened ? "" : " (not opened in Chromium)");
  const said: string[] = [];
  const begin = performance.now();
  try {
    const context = pageContext(
      file.replace("html", "ipynb"),
      file,
      new Map(),
      (message) => said.push(message),
    );
    const page = await render(parseNotebook(text, "it"), `</title>"`, context);
    const took = performance.now() - begin;
    if (took > 60e3) return { name, wrong: `it took ${took.toFixed(0)} ms` };
    const unprintable = said.find((message) => /\p{Cc}/u.test(message) || message.length > 290);
    if (unprintable !== undefined) {
      return { name, wrong: `a warning is not one short sentence: ${unprintable}` };
    }
    await Deno.writeTextFile(file, page);
    const wrong = structureFault(page, chosen.length) ??
      (opened ? await openedFault(file, chosen.length) : undefined);
    return { name, ...wrong !== undefined && { wrong } };
  } catch (error) {
    return { name, wrong: `it threw ${Deno.inspect(error)}` };
  } finally {
    await Deno.remove(file).catch(() => {});
  }
}

/** What is wrong with a page, by its elements. */
function structureFault(page: string, good: number): string | undefined {
  const { document } = new JSDOM(page).window;
  const all = [...document.querySelectorAll("*")] as Element[];
  const names = (selector: string) =>
    [...document.querySelectorAll(selector)].map((it: Element) => it.localName);
  const fixed = names("head > *").join();
  if (fixed !== "meta,meta,meta,title,style") return `its head has ${fixed}`;
  const main = [...document.querySelectorAll("main > *")].map((it: Element) => it.localName);
  const sections = 3 * good;
  if (main.join() !== [...Array(sections).fill("section"), "footer"].join()) return `its main has ${main}`;
  const odd = all.find((it) =>
    /^(base|button|embed|form|frame|iframe|input|link|meta|object|plaintext|style|textarea|video)$/.test(
      it.localName,
    ) &&
    it.parentNode !== document.head
  );
  if (odd) return `it has an element ${odd.localName}`;
  const scripts = all.filter((it) =>
    it.localName === "script" && it.getAttribute("type") !== "application/json"
  );
  if (scripts.some((it) => it.parentNode !== document.body) || scripts.length !== 2) {
    return "it has scripts of others";
  }
  for (const it of all) {
    for (const { name, value } of it.attributes) {
      if (name.startsWith("on")) return `it has an attribute ${name}`;
      if (/^(href|src|action|data|poster)$/.test(name) && /^\s*(?!https?:|data:image\/)\w+:/i.test(value)) {
        return `it has a link to ${value.slice(0, 60)}`;
      }
      if (name === "src" && !value.startsWith("data:image/")) return `it loads ${value.slice(0, 60)}`;
    }
  }
  for (let i = 0; i < good; i++) {
    if (!document.getElementById(`Good-${i}`)) return `heading ${i} is gone`;
    const [, text, figure] = [...document.querySelectorAll("main > section")].slice(3 * i) as Element[];
    if (!text!.querySelector("math") || !text!.querySelector("a")) return `text ${i} is gone`;
    if (!figure!.querySelector(".figure")) return `figure ${i} is gone`;
  }
  return undefined;
}

/** What is wrong with a page, by how Chromium shows it. */
async function openedFault(file: string, good: number): Promise<string | undefined> {
  await using it = await open(file);
  const drawn = Array.from(
    { length: good },
    (_, i) => `main > section:nth-child(${3 * i + 3}) .figure svg.main-svg .trace`,
  );
  const missing = async () =>
    await it.evaluate(`${JSON.stringify(drawn)}.filter((it) => !document.querySelector(it)).length`);
  try {
    await until(async () => await missing() === 0);
  } catch {
    return `${await missing()} of ${good} good figures are not drawn`;
  }
  if (await it.evaluate("window.pwned")) return "a script of the notebook has run";
  const sent = it.requests.filter((url) => !/^(data|blob):/.test(url) && url !== `file://${file}`);
  if (sent.length > 0) return `it asked for ${sent[0]}`;
  const empty = await it.evaluate(
    "[...document.querySelectorAll('section > .still')].filter((it) => !it.hidden && it.textContent.trim() === '' && !it.querySelector('img')).length",
  );
  return empty === 0 ? undefined : "a figure shows neither itself nor what stands for it";
}

/** What is used of the DOM, of which Deno has no types. */
interface Element {
  readonly localName: string;
  readonly parentNode: unknown;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
}
