import { type CodeCell, type Notebook, type Output, render } from "../../lib/notebook/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { chromium } from "../programs.ts";
import { open, until } from "./chromium.ts";

const root = new URL("../../", import.meta.url).pathname;
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
    assert(!page.includes(png), "a picture lies beside its live figure");

    await using it = await open(`${folder}/figures.html`);
    const drawn = () => it.evaluate("document.querySelectorAll('.figure svg.main-svg .trace').length");
    await until(async () => await drawn() === 3); // Two lines, and bars.
    assertEquals(await it.evaluate("document.querySelectorAll('.figure svg .heatmaplayer image').length"), 1);
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

Deno.test("`deno task render` writes each notebook's page", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const [, ...command] = (tasks["render"] as string).split(" ");
  const render = async (...args: string[]) =>
    await new Deno.Command(Deno.execPath(), {
      args: [...command, "--out", `${folder}/pages`, ...args],
      cwd: root,
    }).output();
  assertEquals((await render()).code, 0);
  let pages = 0;
  for await (const { name } of Deno.readDir(`${root}notebooks`)) {
    if (!name.endsWith(".ipynb")) continue;
    const page = await Deno.readTextFile(`${folder}/pages/${name.replace("ipynb", "html")}`);
    assert(page.includes("<section") && page.length < 8e6, `${name}: ${page.length}`);
    pages++;
  }
  assert(pages > 0);
  const { code, stderr } = await render("nothing/there.ipynb");
  assertEquals(code, 2);
  assert(/^Cannot render nothing\/there\.ipynb: /.test(new TextDecoder().decode(stderr)));
});
