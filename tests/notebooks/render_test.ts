import {
  type CodeCell,
  formatNotebook,
  nameOf,
  type Notebook,
  type Output,
  type PageContext,
  pageContext,
  render,
} from "../../lib/notebook/mod.ts";
import { exists } from "../../lib/files.ts";
import { assert, assertEquals } from "../assert.ts";
import { chromium, endOf, root, startTask } from "../programs.ts";
import { open, until } from "./chromium.ts";

const ignore = chromium === undefined;
if (ignore) console.log("There is no Chromium: no page is opened");
const folder = await Deno.makeTempDir();

const shown = (data: Record<string, unknown>): Output => ({
  output_type: "display_data",
  data,
  metadata: {},
});
const text = (source: string, id: string) => ({ cell_type: "markdown" as const, id, metadata: {}, source });
const code = (id: string, ...outputs: Output[]): CodeCell => ({
  cell_type: "code",
  id,
  metadata: {},
  source: "const html = `</script><b>${1}</b>`;",
  execution_count: 1,
  outputs,
});
const notebook = (...cells: Notebook["cells"]): Notebook => ({
  cells,
  metadata: {},
  nbformat: 4,
  nbformat_minor: 5,
});

const lines = {
  data: [
    { type: "scatter", mode: "lines+markers", name: "learned </script>", x: [1, 2, 3], y: [4, 1, 2] },
    { type: "scatter", mode: "lines+markers", name: "sinusoidal", x: [1, 2, 3], y: [3, 2, 1] },
  ],
  layout: { title: { text: "Losses" }, width: 2000, height: 400 },
};
const bars = {
  data: [{ type: "bar", x: ["imdb", "kind"], y: [81, 51], error_y: { array: [1, 2] } }, {
    type: "heatmap",
    z: [[1, 2], [3, 4]],
    xaxis: "x2",
    yaxis: "y2",
  }],
  layout: { grid: { rows: 1, columns: 2, pattern: "independent" } },
};
const plotly = "application/vnd.plotly.v1+json";

Deno.test(
  { name: "both figures of a page are drawn and answer the mouse, without a network", ignore },
  async () => {
    const png = "iVBORw0KGgo=";
    const page = await render(
      notebook(
        text("# Two figures\n\nLoss $L_3 = L_2 + \\lambda L_1$\n\n| a | b |\n| - | -: |\n| 1 | 2 |", "title"),
        code("first", shown({ [plotly]: lines, "image/png": png, "text/plain": "a figure" })),
        code("second", shown({ [plotly]: bars, "image/png": png })),
      ),
      "figures",
    );
    await Deno.writeTextFile(`${folder}/figures.html`, page);
    assert(page.length < 8e6, `the page has ${page.length} letters`);
    assertEquals(page.split("* plotly.js").length, 2);

    await using it = await open(`${folder}/figures.html`);
    const drawn = () => it.evaluate("document.querySelectorAll('.figure svg.main-svg .trace').length");
    await until(async () => await drawn() === 3); // Two lines, and bars.
    assertEquals(await it.evaluate("document.querySelectorAll('.figure svg .heatmaplayer image').length"), 1);
    assertEquals(await it.evaluate("document.querySelectorAll('.still').length"), 0); // Their pictures are gone.
    const wide = await it.evaluate(
      "[...document.querySelectorAll('.figure')].map((it) => it.querySelector('svg').clientWidth)",
    ) as number[];
    assert(wide.every((width) => width > 600 && width <= 860), `the figures are ${wide} wide`);
    assertEquals(await it.evaluate("document.querySelector('math').textContent"), "L3=L2+λL1");

    assertEquals(await it.evaluate("document.querySelectorAll('[data-title^=Share]').length"), 0);
    for (const [selector, label] of [[".scatterlayer .point", "4"], [".barlayer .point path", "81"]]) {
      const [x, y] = await it.evaluate(`(() => {
      const point = document.querySelector('${selector}');
      point.scrollIntoView({ block: "center" });
      const { x, y, width, height } = point.getBoundingClientRect();
      return [x + width / 2, y + height / 2];
    })()`) as [number, number];
      await it.mouse(x - 3, y); // It must move to be noticed.
      await it.mouse(x, y);
      const said =
        "[...document.querySelectorAll('.hoverlayer .hovertext')].map((it) => it.textContent).join()";
      await until(async () => (await it.evaluate(said) as string).includes(label!));
    }
    assertEquals(it.complaints, []);
    assertEquals(it.requests.filter((url) => !/^(data|blob):/.test(url)), [`file://${folder}/figures.html`]);
  },
);

Deno.test({ name: "what a notebook brings along can do nothing in its page", ignore }, async () => {
  const acts = "globalThis.acted = true";
  const html =
    `<table onclick="${acts}"><tr><td style="text-align: right; position: fixed">17</td></tr></table>
    <script>${acts}</script><img src="x" onerror="${acts}"><iframe src="https://example.com"></iframe>
    <a href="javascript:${acts}">go</a><meta http-equiv="refresh" content="0; url=https://example.com">
    <style>@import "https://example.com/a.css"; body { display: none }</style><link rel="stylesheet" href="https://example.com/b.css">`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="${acts}"><script>${acts}</script></svg>`;
  const page = await render(
    notebook(
      text(
        `# Title <script>${acts}</script>\n\n<img src=x onerror="${acts}"> [go](javascript:${acts})`,
        "title",
      ),
      code(
        "all",
        shown({ "text/html": html }),
        shown({ "image/svg+xml": svg }),
        shown({ "text/markdown": `<script>${acts}</script>` }),
        shown({ "image/png": `"onerror="${acts}` }),
        shown({
          [plotly]: { data: [{ y: [1, 2], name: `<script>${acts}</script><img src=x onerror=${acts}>` }] },
        }),
        { output_type: "stream", name: "stdout", text: `\u001b[31m<script>${acts}</script>` },
      ),
    ),
    `"><script>${acts}</script>`,
  );
  await Deno.writeTextFile(`${folder}/acts.html`, page);
  const body = page.slice(page.indexOf("<main>"));
  assert(body.includes('<td style="text-align:right">17</td>'));
  for (
    const [tag] of body.matchAll(
      /<(?!script type="application\/json")(?:script|iframe|meta|style|link)\b[^>]*/g,
    )
  ) {
    assertEquals(tag, "<script"); // plotly.js and the script that calls it
  }
  await using it = await open(`${folder}/acts.html`);
  await until(() => it.evaluate("document.querySelector('.figure svg.main-svg')").then(Boolean));
  assertEquals(await it.evaluate("globalThis.acted === undefined"), true);
  assertEquals(it.complaints, []);
  assertEquals(it.requests.filter((url) => !/^(data|blob):/.test(url)), [`file://${folder}/acts.html`]);
  // Were a script to slip through, the page's policy would stop it.
  const slipped = page.replace(
    "<footer>",
    `<script>${acts}</script><img src="https://example.com/x.png"><footer>`,
  );
  await Deno.writeTextFile(`${folder}/slipped.html`, slipped);
  await using other = await open(`${folder}/slipped.html`);
  assertEquals(await other.evaluate("globalThis.acted === undefined"), true);
  await until(() =>
    Promise.resolve(other.complaints.filter((told) => /Content.Security.Policy/.test(told)).length > 1)
  );
});

Deno.test("a page without figures has no script, and links to other pages", async () => {
  const page = await render(
    notebook(text("# `One` & *two*\n\n[next](02_next.ipynb#end), [code](../mod.ts)", "title"), code("a")),
    "01_one",
  );
  assert(!/<script|<link|src=/.test(page));
  assert(page.includes("script-src 'none'"));
  assert(page.includes("<title>One &amp; two</title>"));
  assert(page.includes('href="02_next.html#end"') && page.includes('href="../mod.ts"'));
  assert(page.includes("&lt;/script&gt;"), "code is shown as it is written");
});

Deno.test("a formula that cannot be parsed stays as its source, and all else is there", async () => {
  const warnings: string[] = [];
  const context: PageContext = {
    link: (href) => href,
    image: () => undefined,
    warn: (text) => warnings.push(text),
  };
  const deep = "{".repeat(20000), many = "\\def\\a{\\a\\a}\\a";
  const page = await render(
    notebook(
      text(`# One\n\nbad $x^$ and <b> $\\frac{1$ good $a^2$\n\n$$${many}$$\n\n$$${deep}$$`, "title"),
      code("out", shown({ "text/latex": "$y^$" }), shown({ "text/latex": "$\\alpha$" })),
      text("## Last", "last"),
    ),
    "formulas",
    context,
  );
  assertEquals(page.match(/<math/g)?.length, 2);
  assertEquals(page.match(/class="source"/g)?.length, 5);
  assert(
    page.includes(">x^</code>") && page.includes(">y^</code>") && page.includes('<h2 id="Last">Last</h2>'),
  );
  assertEquals(warnings.length, 5);
  assert(warnings[0]!.startsWith('the formula "x^" is shown as its source: '), warnings[0]);
});

Deno.test("text and HTML that would take an hour or a gigabyte are shown as their source", async () => {
  const url = `https://example.com/${"a".repeat(5e4)}`;
  const hostile: Record<string, string>[] = [
    { "text/markdown": "[".repeat(3e6) },
    { "text/markdown": `[a]: ${url}\n\n${"[a] ".repeat(3e4)}` },
    { "text/markdown": `${"|a".repeat(4e4)}\n${"|-".repeat(4e4)}\n${"|\n".repeat(2e4)}` },
    { "text/markdown": `${"> ".repeat(5e4)}a` },
    { "text/markdown": `${"*a **a ".repeat(2e4)}` },
    { "text/html": "<div>".repeat(1e6) },
    { "text/html": `<p style="${"a:b;".repeat(2e5)}">` },
    { "text/html": "<a".repeat(1e6) },
    { "text/latex": "x^{".repeat(1e6) },
    { "text/plain": "\u001b[".repeat(2e6) },
  ];
  const begin = performance.now();
  const page = await render(
    notebook(code("all", ...hostile.map(shown)), text("The end $x$ is here", "last")),
    "bombs",
  );
  assert(page.includes("<math>") && page.length < 1e8, `the page has ${page.length} letters`);
  assert(performance.now() - begin < 60e3, `it took ${performance.now() - begin} ms`);
});

Deno.test(
  { name: "a figure that plotly.js refuses shows its picture, and those after it are drawn", ignore },
  async () => {
    const png =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const bad: [figure: unknown, still: "img" | "pre"][] = [
      [{ data: [null, 3] }, "img"], // It throws.
      [{ data: [{ y: [1] }], frames: "abc" }, "pre"], // It rejects.
      [{ data: [{ y: [1] }], layout: { grid: { rows: 1e9, columns: 1e9 } } }, "img"], // It loops.
      [{ data: [{ type: "sankey" }] }, "pre"], // It draws something else.
      [{ data: [{ y: Array(3e6).fill(0.123) }] }, "img"], // It is too large.
      [JSON.parse(`{ "data": [{ "y": ${"[".repeat(1e5)}${"]".repeat(1e5)} }] }`), "pre"], // It is too deep.
    ];
    const fine = JSON.parse(
      '{ "data": [{ "y": [1, 2] }], "layout": { "height": 1e9, "__proto__": { "visible": false } } }',
    );
    const page = await render(
      notebook(
        text("# Plotly\n\n## script", "title"), // Whose anchors are names of the page's script.
        ...bad.flatMap(([figure, still], i) => [
          code(
            `bad${i}`,
            shown({
              [plotly]: figure,
              ...still === "img" ? { "image/png": png } : {},
              "text/plain": `still ${i}`,
            }),
          ),
          code(`good${i}`, shown({ [plotly]: fine, "image/png": png })),
        ]),
      ),
      "bad",
    );
    await Deno.writeTextFile(`${folder}/bad.html`, page);
    await using it = await open(`${folder}/bad.html`);
    const count = (selector: string) =>
      it.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
    await until(async () =>
      await count(".figure svg.main-svg .trace") === bad.length && await count(".still") === bad.length
    );
    assertEquals(
      await it.evaluate(
        "[...document.querySelectorAll('.still')].map((it) => `${it.hidden} ${it.firstChild.firstChild.nodeName}`)",
      ),
      bad.map(([, still]) => `false ${still === "img" ? "IMG" : "#text"}`),
    );
    const tallest = await it.evaluate(
      "Math.max(...[...document.querySelectorAll('.figure svg')].map((it) => it.clientHeight))",
    );
    assert(tallest as number <= 2000, `a figure is ${tallest} high`);
    await new Promise((go) => setTimeout(go, 11e3)); // After which a figure that is still to be drawn is given up.
    assertEquals(it.complaints.filter((text) => !text.includes("A figure is shown as an image: ")), []);
  },
);

Deno.test("links lead from the page to files, pages and headings, and what leads nowhere is told", async () => {
  const base = await Deno.makeTempDir();
  await Deno.mkdir(`${base}/notebooks`);
  await Deno.mkdir(`${base}/data with blank`);
  const png = Uint8Array.fromBase64("iVBORw0KGgo=");
  await Deno.writeFile(`${base}/notebooks/a b.png`, png);
  await Deno.writeFile(`${base}/notebooks/secret.txt`, png.subarray(1));
  await Deno.writeFile(`${base}/outside.png`, png);
  await Deno.writeTextFile(`${base}/mod.ts`, "");
  await Deno.writeTextFile(`${base}/notebooks/02_next.ipynb`, "");
  await Deno.writeTextFile(`${base}/notebooks/03_other.ipynb`, "");
  const warnings: string[] = [];
  const context = pageContext(
    `${base}/notebooks/01_one.ipynb`,
    `${base}/out/html/01_one.html`,
    new Map([[`${base}/notebooks/02_next.ipynb`, `${base}/out/html/02_next.html`]]),
    (text) => warnings.push(text),
  );
  const links: [href: string, there: string, warning?: RegExp][] = [
    ["02_next.ipynb#The-end", "02_next.html#The-end"],
    ["03_other.ipynb", "../../notebooks/03_other.ipynb"],
    ["../mod.ts", "../../mod.ts"],
    ["../data%20with%20blank/", "../../data%20with%20blank/"],
    ["https://jupyter.org/?a=../b", "https://jupyter.org/?a=../b"],
    ["//jupyter.org", "https://jupyter.org"],
    ["#One-*two*", "#One-*two*"],
    ["#none", "#none", /^no heading has the anchor .*#none/],
    ["../gone.ts", "../gone.ts", /^the target of the link "\.\.\/gone\.ts" does not exist$/],
    ["/etc/passwd", "/etc/passwd", /^the target of the link "\/etc\/passwd" does not exist$/],
    ["a%00b", "a%00b", /^the target of the link "a%00b" does not exist$/],
  ];
  for (const html of [false, true]) {
    for (const [href, there, warning] of links) {
      warnings.length = 0;
      const cell = html
        ? code("a", shown({ "text/html": `<a href="${href}">x</a>` }))
        : text(`[x](<${href}>)`, "a");
      const page = await render(notebook(text("# One `*two*`", "title"), cell), "01_one", context);
      assert(page.includes(`href="${there}"`), `${href}: ${page.match(/href="[^"]*"/)?.[0]}`);
      assertEquals(warnings.length, warning ? 1 : 0, warnings.join());
      if (warning) assert(warning.test(warnings[0]!), warnings[0]);
    }
  }
  const images: [src: string, shown: RegExp][] = [
    ["a%20b.png", /<img alt="x" src="data:image\/png;base64,iVBORw0KGgo=">/],
    ["secret.txt", /<p>x<\/p>/],
    ["../outside.png", /<p>x<\/p>/],
    ["/dev/zero", /<p>x<\/p>/],
    ["https://example.com/a.png", /<p><a href="https:\/\/example\.com\/a\.png">x<\/a><\/p>/],
    ["attachment:one.png", /<img alt="x" src="data:image\/png;base64,iVBORw0KGgo=">/],
    ["attachment:__proto__", /<p>x<\/p>/],
  ];
  const attachments = { "one.png": { "image/png": "iVBORw0KGgo=" } };
  for (const [src, shown] of images) {
    const page = await render(notebook({ ...text(`![x](<${src}>)`, "a"), attachments }), "01_one", context);
    assert(shown.test(page), `${src}: ${page.match(/<section class="text">[^]*<\/section>/)?.[0]}`);
  }
  await Deno.remove(base, { recursive: true });
});

Deno.test("`deno task render` writes each notebook's page", async () => {
  const { code, err } = await endOf(startTask("render", ["--out", `${folder}/pages`]));
  assertEquals(code, 0, err);
  const pages = new Map<string, string>();
  for await (const { name } of Deno.readDir(`${root}notebooks`)) {
    if (!name.endsWith(".ipynb")) continue;
    const file = name.replace("ipynb", "html");
    const page = await Deno.readTextFile(`${folder}/pages/${file}`);
    assert(page.includes("<section") && page.length < 8e6, `${name}: ${page.length}`);
    pages.set(file, page.slice(page.indexOf("<main>"), page.indexOf("</main>")));
  }
  assert(pages.size > 0);
  let links = 0;
  for (const [file, page] of pages) {
    for (const [, href] of page.matchAll(/<(?:a|img) [^>]*?(?:href|src)="([^"]*)"/g)) {
      if (/^(https:|data:)/.test(href!)) continue;
      const { pathname, hash } = new URL(href!, `file://${folder}/pages/${file}`);
      const target = decodeURIComponent(pathname);
      assert(await exists(target), `${file}: ${href} leads to no file`);
      const other = pages.get(nameOf(target));
      if (hash) assert(other!.includes(` id="${decodeURIComponent(hash.slice(1))}"`), `${file}: ${href}`);
      links++;
    }
  }
  assert(links > 5, `only ${links} links`);
});

Deno.test("one notebook that cannot be rendered does not keep the others from it", async () => {
  const run = async (...args: string[]) => {
    const { code, err } = await endOf(startTask("render", ["--out", `${folder}/some`, ...args]));
    return { code, said: err.split("\n") };
  };
  await Deno.mkdir(`${folder}/other`);
  for (const name of ["bad", "a\nb", "fine", "other/fine"]) {
    const page = name === "bad" ? '{"cells": \n' : formatNotebook(notebook(text("# Here\n\n[x](y.ts)", "a")));
    await Deno.writeTextFile(`${folder}/${name}.ipynb`, page);
  }
  const paths = ["bad", "gone", "a\nb", "fine"].map((name) => `${folder}/${name}.ipynb`);
  const { code, said } = await run(...paths);
  assertEquals(code, 2);
  assertEquals(said.length, 4, said.join("\n"));
  assert(/^Cannot read .*bad\.ipynb as a notebook: [^\p{C}]+$/u.test(said[0]!), said[0]);
  assert(/^Cannot read .*gone\.ipynb: No such file/.test(said[1]!), said[1]);
  assert(/^a\\u000ab: the target of the link "y\.ts" does not exist$/.test(said[2]!), said[2]);
  for (const name of ["a\nb", "fine"]) {
    assert((await Deno.readTextFile(`${folder}/some/${name}.html`)).includes('<h1 id="Here">Here</h1>'));
  }
  const twice = await run(`${folder}/fine.ipynb`, `${folder}/other/fine.ipynb`);
  assertEquals(twice.code, 2);
  assert(/^Cannot render .* as its page would replace that of /.test(twice.said[0]!), twice.said[0]);
  assertEquals((await run(`${folder}/fine.ipynb`, `${folder}/other/../fine.ipynb`)).code, 0);
  const device = await run("/dev/zero");
  assertEquals(device.code, 2);
});
