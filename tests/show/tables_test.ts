import { table } from "../../lib/arquero.ts";
import "../../lib/show/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { startCode } from "../programs.ts";

function bundle(value: unknown): Record<string, string> {
  return (value as Record<symbol, () => Record<string, string>>)[Symbol.for("Jupyter.display")]!();
}

const scores = table({
  task: ["imdb", `<b>"kind" & co</b>`],
  n: [3, 12],
  "score, % [95 %]": ["81.23 [80.39, 82.08]", "-4 [-5, -3]"],
  loss: [123.456, -0.001],
  rate: [0.00025, NaN],
});

Deno.test("a table shows itself as HTML, Markdown and text, numbers rounded and to the right", () => {
  const shown = bundle(scores);
  assertEquals(shown["text/plain"]!.split("\n"), [
    "task                 n       score, % [95 %]    loss       rate",
    `imdb                 3  81.23 [80.39, 82.08]   123.5  0.0002500`,
    `<b>"kind" & co</b>  12           -4 [-5, -3]  −0.001          –`,
  ]);
  assertEquals(shown["text/markdown"]!.split("\n"), [
    "| task | n | score, % \\[95 %\\] | loss | rate |",
    "| :--- | ---: | ---: | ---: | ---: |",
    "| imdb | 3 | 81.23 \\[80.39, 82.08\\] | 123.5 | 0.0002500 |",
    '| &lt;b&gt;"kind" &amp; co&lt;/b&gt; | 12 | -4 \\[-5, -3\\] | −0.001 | – |',
  ]);
  const html = shown["text/html"]!;
  assert(
    html.includes(
      `<td align="left" style="text-align: left">imdb</td><td align="right" style="text-align: right">3</td>`,
    ),
  );
  assert(html.includes(`&lt;b&gt;"kind" &amp; co&lt;/b&gt;`));
  assert(!/<(?!\/?(table|thead|tbody|tr|th|td|p)\b)/.test(html), "only a table's own elements");
});

Deno.test("of a long table the first 30 rows are shown, and the number of the others", () => {
  const long = table({ row: Array.from({ length: 47 }, (_, i) => i) });
  const { "text/plain": text, "text/html": html, "text/markdown": markdown } = bundle(long);
  assertEquals(text!.split("\n").slice(-2), [" 29", "… and 17 more rows"]);
  assertEquals(html!.match(/<tr>/g)?.length, 31);
  assert(html!.endsWith("<p>… and 17 more rows</p>") && markdown!.endsWith("… and 17 more rows"));
  assertEquals(bundle(long.slice(0, 30))["text/plain"]!.split("\n").length, 31);
});

Deno.test("a filtered and sorted table shows what it holds, and one without rows its header", () => {
  const sorted = table({ a: [3, 1, 2] }).filter("d => d.a > 1").orderby("a");
  assertEquals(bundle(sorted)["text/plain"], "a\n2\n3");
  assertEquals(bundle(table({ a: [], b: [] }))["text/plain"], "a  b");
});

/** Runs a program that may read nothing: whatever needs the font, and so draws, fails in it. */
async function printed(code: string): Promise<string> {
  const { child, err } = await startCode(code);
  const text = await new Response(child.stdout).text();
  assert((await child.status).success, await err);
  return text;
}

const program = `
  import { table } from "arquero";
  import { show, strip } from "./lib/show/mod.ts";
  const figure = strip([{ name: "gpt1", values: [1.62], mean: 1.62 }], { title: "T", x: "model", y: "bits" });
`;

Deno.test("outside a notebook show prints the text, and draws nothing", async () => {
  const text = await printed(`${program} await show(figure); await show(table({ a: [1.5] }));`);
  assertEquals(text, "T\n\n      bits  n\ngpt1  1.62  1\n    a\n1.500\n");
});

Deno.test("in a notebook show hands the value to the kernel, and then waits until it is sent", async () => {
  const text = await printed(`
    ${program}
    const display = (value) => Promise.resolve(console.log(value === figure));
    Object.defineProperty(globalThis, "Deno", { value: Object.create(Deno, { jupyter: { value: { display } } }) });
    const start = performance.now();
    await show(figure);
    console.log(performance.now() - start >= 29);
  `);
  assertEquals(text, "true\ntrue\n");
});
