import {
  type CodeCell,
  formatNotebook,
  type Notebook,
  type Output,
  type PageContext,
  pageContext,
  render,
  renderIndex,
  sourcesHash,
  summaryOf,
} from "../../lib/notebook/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { chromium, endOf, root, startTask } from "../programs.ts";
import { bundle } from "../../lib/show/figure.ts";
import { figures } from "../show/figures.ts";
import { type Conditions, open, until, useChromium } from "./chromium.ts";

const ignore = chromium === undefined;
useChromium();
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
    assert(page.length < 2.7e6, `the page has ${page.length} letters`); // plotly.js has 10 million.
    assertEquals(page.split('<script type="application/octet-stream;base64"').length, 2);

    await using it = await open(`${folder}/figures.html`);
    const drawn = () => it.evaluate("document.querySelectorAll('.figure svg.main-svg .trace').length");
    await until(async () => await drawn() === 3); // Two lines, and bars.
    assertEquals(await it.evaluate("document.querySelectorAll('.figure svg .heatmaplayer image').length"), 1);
    assertEquals(await it.evaluate("document.querySelectorAll('.still').length"), 0); // Their pictures are gone.
    assertEquals(
      await it.evaluate("[...document.querySelectorAll('.figure')].map((it) => [it.role, it.ariaLabel])"),
      [
        ["img", "Losses. Lines: learned; sinusoidal."],
        ["img", "Figure. Bars. Heatmap."],
      ],
    );
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

const cases: [name: string, conditions: Conditions][] = [
  ["scripts are off", { scripts: false }],
  ["the browser cannot inflate", { before: "delete globalThis.DecompressionStream" }],
  ["the policy allows no other script", {
    before: "globalThis.Response = class { text = () => 'Plotly = {}' }",
  }],
  ["the screen is narrow", { width: 400 }],
];
for (const [name, conditions] of cases) {
  Deno.test({ name: `where ${name}, a figure is an image with its numbers`, ignore }, async () => {
    const figure = figures()["bars"]!, png = (await bundle(figure))["image/png"];
    const page = await render(
      notebook(code("a", shown({ [plotly]: figure, "image/png": png, "text/plain": String(figure) }))),
      "still",
    );
    await Deno.writeTextFile(`${folder}/still.html`, page);
    await using it = await open(`${folder}/still.html`, conditions);
    await new Promise((go) => setTimeout(go, 1500)); // As long as drawing would take.
    assertEquals(
      await it.evaluate("[...document.querySelectorAll('.figure')].every((it) => it.hidden)"),
      true,
    );
    assertEquals(
      await it.evaluate(
        "(({ alt, naturalWidth, clientWidth }) => [alt, naturalWidth, clientWidth > 300])(document.querySelector('.still img'))",
      ),
      [
        "Test scores after fine-tuning. Bars: pre-trained; from scratch. Lines: baseline. Horizontal axis: task. Vertical axis: score, %.",
        1800,
        true,
      ],
    );
    const cells =
      "document.querySelector('details').open = true; document.querySelector('details table').innerText";
    assertEquals((await it.evaluate(cells) as string).split("\n").slice(0, 2), [
      "\t\tscore, %\tbaseline",
      "imdb\tpre-trained\t81.2 [78.0, 84.5]\t50",
    ]);
    const wide = "document.documentElement.scrollWidth";
    assert(await it.evaluate(wide) as number <= (conditions.width ?? 1000), "the page scrolls sideways");
    assert(
      it.complaints.every((text) => /Figures are shown as images: |violates the/.test(text)),
      it.complaints.join(),
    );
  });
}

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
  const body = page.slice(page.indexOf("<main"));
  assert(body.includes('<td style="text-align:right">17</td>'));
  for (
    const [tag] of body.matchAll(
      /<(?!script type="application\/(?:json|octet-stream;base64)")(?:script|iframe|meta|style|link)\b[^>]*/g,
    )
  ) {
    assertEquals(tag, "<script"); // The one that inflates plotly.js and calls it.
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

Deno.test("answers unfold, and all other HTML in a text is shown as text", async () => {
  const folded = "<details><summary>Hints & answers</summary>\n\n1. *Yes*, $a^2$.\n\n</details>";
  const hostile = [
    "<details><summary><b>x</b></summary>",
    "<details><summary>never closed</summary>",
    "<details open onclick=x><summary>y</summary>",
    "> <details><summary>quoted</summary>\n>\n> </details>",
    "<script>alert(1)</script>",
  ].join("\n\n");
  const page = await render(notebook(text(`# One\n\n${folded}\n\n${hostile}`, "title")), "folded");
  assert(
    /<details><summary>Hints &amp; answers<\/summary>\s*<ol>[^]*<em>Yes<\/em>[^]*<\/ol>\s*<\/details>/.test(
      page,
    ),
  );
  assertEquals(page.match(/<(details|summary|script)\b/g), ["<details", "<summary"]);
  for (const shown of ["&lt;b&gt;x", "never closed", "onclick", "quoted", "&lt;script&gt;"]) {
    assert(page.includes(shown), shown);
  }
  const unopened = await render(notebook(text("# One\n\n</details>", "title")), "unopened");
  assert(!/<\/details>/.test(unopened) && unopened.includes("&lt;/details&gt;"));
});

Deno.test("a formula that cannot be parsed stays as its source, and all else is there", async () => {
  const warnings: string[] = [];
  const context: PageContext = {
    link: (href) => href,
    image: () => undefined,
    model: () => undefined,
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
      [{ data: [{ type: "sankeys" }] }, "pre"], // It draws something else.
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
  await Deno.mkdir(`${base}/out/html/a b`, { recursive: true });
  const links: [href: string, there: string | undefined, warning?: RegExp][] = [
    ["02_next.ipynb#The-end", "02_next.html#The-end"],
    ["../out/html/a%20b/?x", "a%20b/?x"],
    ["03_other.ipynb", undefined], // It has no page.
    ["../mod.ts", undefined], // It is in no copy of the pages' folder.
    ["../data%20with%20blank/", undefined],
    ["https://jupyter.org/?a=../b", "https://jupyter.org/?a=../b"],
    ["//jupyter.org", "https://jupyter.org"],
    ["#One-*two*", "#One-*two*"],
    ["#none", undefined, /^no heading has the anchor .*#none/],
    ["../gone.ts", undefined, /^the target of the link "\.\.\/gone\.ts" does not exist$/],
    ["/etc/passwd", undefined, /^the target of the link "\/etc\/passwd" does not exist$/],
    ["a%00b", undefined, /^the target of the link "a%00b" does not exist$/],
  ];
  for (const html of [false, true]) {
    for (const [href, there, warning] of links) {
      warnings.length = 0;
      const cell = html
        ? code("a", shown({ "text/html": `<a href="${href}">x</a>` }))
        : text(`[x](<${href}>)`, "a");
      const page = await render(notebook(text("# One `*two*`", "title"), cell), "01_one", context);
      assertEquals([href, page.match(/href="([^"]*)"/)?.[1]], [href, there]);
      assert(/<a[^>]*>x<\/a>/.test(page), `${href} has lost its text`);
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

/** Addresses that the elements of a page link to or load. */
const addresses = (page: string) =>
  [...page.matchAll(/<[a-z][^<>]*? (?:href|src)="([^"]*)"/g)].map(([, address]) => address!);

/** The addresses of pages in a folder that lead nowhere when the folder is alone in the world. */
async function deadLinks(folder: string): Promise<{ dead: string[]; alive: number }> {
  const pages = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) {
    pages.set(name, await Deno.readTextFile(`${folder}/${name}`));
  }
  const dead: string[] = [];
  let alive = 0;
  for (const [name, page] of pages) {
    for (const address of addresses(page)) {
      if (/^(https?|data):/.test(address)) continue;
      const [, path = "", anchor] = /^([^?#]*)(?:#(.*))?$/.exec(address) ?? [];
      const target = path === "" ? page : pages.get(decodeURIComponent(path));
      if (target === undefined || (anchor && !target.includes(` id="${decodeURIComponent(anchor)}"`))) {
        dead.push(`${name}: ${address}`);
      } else alive++;
    }
  }
  return { dead, alive };
}

Deno.test("`deno task render` writes a set of pages without a dead link, and their index", async () => {
  const { code, err } = await endOf(startTask("render", ["--out", `${folder}/pages`]));
  assertEquals(code, 0, err);
  const names = [...Deno.readDirSync(`${root}notebooks`)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ipynb")).map((name) => name.replace("ipynb", "html")).sort();
  assertEquals(
    [...Deno.readDirSync(`${folder}/pages`)].map(({ name }) => name).sort(),
    [...names, "index.html"],
  );
  const { dead, alive } = await deadLinks(`${folder}/pages`);
  assertEquals(dead, []);
  assert(alive > 5 * names.length, `only ${alive} links`);

  const index = await Deno.readTextFile(`${folder}/pages/index.html`);
  assertEquals(addresses(index), names);
  assert(
    index.includes(
      '<a href="01_tokens.html">01 &#183; Tokens</a><p>A language model reads integers, which stand for pieces of text.</p>',
    ),
  );
  for (const [i, name] of names.entries()) {
    const page = await Deno.readTextFile(`${folder}/pages/${name}`);
    const models = page.match(/ data-block="(?!app"|wasm"|plotly")/g) ?? []; // Of live cells, beside what runs them.
    const limit = 3.5e6 + (models.length > 0 ? 0.5e6 + 4.5e6 * models.length : 0);
    assert(page.includes("<section") && page.length < limit, `${name}: ${page.length}`);
    assert(/^[\0-\x7f]*$/.test(page), `${name} is not ASCII`);
    const code = page.match(/<(script|style)[^>]*>[^]*?<\/\1>/g)!.join("");
    assert(!code.includes("&#"), `${name}: a reference in a script means nothing`);
    const navs = page.match(/<nav [^]*?<\/nav>/g) ?? [];
    const around = ["index.html", names[i - 1], names[i + 1]].filter((it) => it !== undefined);
    assertEquals(navs.map(addresses), [around, around], name);
    // Each image has an alternative text, and each figure its numbers.
    const images = page.match(/<img [^>]*/g) ?? [], figures = page.match(/<figure>[^]*?<\/figure>/g) ?? [];
    assertEquals(images.filter((tag) => !/^<img alt="[^"]{9,}"/.test(tag)), []);
    for (const figure of figures) {
      assert(/<details><summary>Numbers<\/summary>.*<th scope="col"/.test(figure), `${name}: ${figure}`);
    }
    const drawn = figures.filter((it) =>
      /<div class="figure" role="img" aria-label="[^"]{9,}"/.test(it)
    ).length;
    const source = await Deno.readTextFile(`${root}notebooks/${name.replace("html", "ipynb")}`);
    const live = source.match(/"application\/vnd\.gpt1\.live\+json"/g) ?? []; // Whose figure is an image.
    assertEquals(drawn, figures.length - live.length, name);
  }
});

Deno.test("pages link to those that were rendered before, and to no others", async () => {
  const base = `${folder}/growing`;
  const around = async (name: string) => {
    const page = await Deno.readTextFile(`${base}/${name}`);
    return addresses(page.match(/<nav [^]*?<\/nav>/)?.[0] ?? "");
  };
  const run = async (...names: string[]) => {
    assertEquals((await endOf(startTask("render", ["--out", base, ...names]))).code, 0);
    assertEquals((await deadLinks(base)).dead, []);
  };
  await run("01");
  assertEquals(await around("01_tokens.html"), []);
  await run("12");
  assertEquals(await around("12_what_pretraining_buys.html"), ["01_tokens.html"]);
  await Deno.writeTextFile(`${base}/index.html`, "");
  await run("01");
  assertEquals(await around("01_tokens.html"), ["index.html", "12_what_pretraining_buys.html"]);
  await Deno.writeTextFile(`${folder}/index.ipynb`, formatNotebook(notebook(text("# Index", "a"))));
  const { code, err } = await endOf(startTask("render", ["--out", base, `${folder}/index.ipynb`]));
  assertEquals(code, 2);
  assert(/^Cannot render .*index\.ipynb as its page would replace the list of all pages: /.test(err), err);
});

Deno.test("a page has the language of its notebook's metadata, or that of English", async () => {
  for (
    const [lang, tag] of [["zh", "zh"], ["pt-BR", "pt-BR"], [undefined, "en"], [3, "en"], ['"><b>', "en"]]
  ) {
    const page = await render({ ...notebook(), metadata: { lang } }, "it");
    assert(page.includes(`<html lang="${tag}">`), `${lang}: ${page.slice(0, 60)}`);
  }
});

Deno.test("a translation's page is beside its original's, and links to the pages that are there", async () => {
  const base = `${folder}/translated`, book = `${base}/notebooks`;
  await Deno.mkdir(`${book}/zh`, { recursive: true });
  const original = notebook(text("# One", "title")), links = "# 一\n\n[a](../one.ipynb) [b](one.ipynb)";
  await Deno.writeTextFile(`${book}/one.ipynb`, formatNotebook(original));
  await Deno.writeTextFile(
    `${book}/zh/one.ipynb`,
    formatNotebook({ ...notebook(text(links, "title")), metadata: { lang: "zh" } }),
  );
  const { code, err } = await endOf(
    startTask("render", ["--out", base, `${book}/one.ipynb`, `${book}/zh/one.ipynb`]),
  );
  assertEquals([code, err], [0, ""]);
  const [page, translation] = await Promise.all(
    ["one", "one.zh"].map((name) => Deno.readTextFile(`${base}/${name}.html`)),
  );
  assert(page!.includes('<html lang="en">') && page!.includes("<h1"), page);
  assert(translation!.includes('<html lang="zh">'), translation);
  assert(translation!.includes('<a href="one.html">a</a> <a href="one.zh.html">b</a>'), translation);
  assert(translation!.includes("<footer>notebooks/zh/one.ipynb"), translation);
});

Deno.test("a notebook's title and first sentence are those of its first text", () => {
  const of = (source: string) => {
    const { title, sentence } = summaryOf(notebook(text(source, "a")), "name");
    return [title, sentence];
  };
  assertEquals(of("# A *b*\n\n**The question.** Is it so\n(Radford et al. 2018)? Yes."), [
    "A b",
    "Is it so (Radford et al. 2018)?",
  ]);
  assertEquals(of("# A\n\n## B\n\nC."), ["A", ""]);
  assertEquals(of("# A"), ["A", ""]);
  assertEquals(of("No heading."), ["name", ""]);
  const index = renderIndex([{ href: "a%20b.html", title: "A <b>", sentence: "See [b](b.ipynb) & <i>`c`." }]);
  assert(
    index.includes('<a href="a%20b.html">A &lt;b&gt;</a><p>See <a title="b.ipynb">b</a> &amp; &lt;i&gt;'),
    index,
  );
});

Deno.test("a page says that its outputs are of other code than its cells have now", async () => {
  const ran = notebook(text("# One", "title"), code("a")), said: string[] = [];
  const context: PageContext = {
    ...{ link: (href) => href, image: () => undefined, model: () => undefined },
    warn: (message) => said.push(message),
  };
  const pageOf = (notebook: Notebook) =>
    render({ ...notebook, metadata: { gpt1: { deno: "2.9.6", sources: sourcesHash(ran) } } }, "one", context);
  assert((await pageOf(ran)).includes("one.ipynb on Deno 2.9.6</footer>"));
  assertEquals(said, []);
  const page = await pageOf(notebook(text("# One", "title"), { ...code("a"), source: "2 + 2;" }));
  assert(
    page.includes("on Deno 2.9.6; code has changed since its outputs were made</footer>"),
    page.slice(-200),
  );
  assertEquals(said, ["outputs are of other code than its cells have now: run it again"]);
});

Deno.test("a page's navigation has a label, and a link to skip it", async () => {
  const page = await render(notebook(text("# main\n\n[up](#main)", "a")), "a", {
    link: (href) => href,
    image: () => undefined,
    model: () => undefined,
    warn: () => {},
    navigation: { next: { href: "b.html", title: "B & C" } },
  });
  assert(page.includes('<a class="skip" href="#main">'));
  assertEquals(page.match(/ id="main"/g)?.length, 1);
  assertEquals(page.match(/<nav aria-label="[^"]+">/g)?.length, 2);
  assert(page.includes('<a href="b.html">Next: B &amp; C</a>'));
  assert(!(await render(notebook(text("# One", "a")), "a")).includes("<nav"));
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
