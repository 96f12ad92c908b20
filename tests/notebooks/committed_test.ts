import { fileURLToPath } from "node:url";
import {
  type CodeCell,
  findNotebooks,
  formatNotebook,
  nameOf,
  type Notebook,
  parseNotebook,
  sourcesHash,
} from "../../lib/notebook/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { codeProblems, problems } from "./check.ts";

const notebooks: Record<string, Notebook> = {};
const sizes: number[] = [];
for (const path of await findNotebooks([], fileURLToPath(new URL("../../notebooks", import.meta.url)))) {
  sizes.push((await Deno.stat(path)).size);
  notebooks[nameOf(path)] = parseNotebook(await Deno.readTextFile(path), path);
}

Deno.test("the committed notebooks hold what a full run of their code has put out, and nothing else", () => {
  const wrong = [];
  for (const [name, notebook] of Object.entries(notebooks)) {
    wrong.push(...problems(notebook).map((problem) => `${name}: ${problem}`));
  }
  assertEquals(wrong, []);
  assert(sizes.length > 0 && Math.max(...sizes) <= 1.5e6, `their files have ${sizes} bytes`);
});

Deno.test("the committed notebooks' code type-checks and lints against today's mod.ts", async () => {
  assertEquals(await codeProblems(notebooks), "");
});

Deno.test("no line of code is wider than a page of 1,100 px shows", () => {
  const wide = Object.values(notebooks).flatMap(({ cells }) =>
    cells.filter(({ cell_type }) => cell_type === "code").flatMap(({ source }) => source.split("\n"))
  ).filter((line) => line.length > 90);
  assertEquals(wide, []);
});

const code: CodeCell = {
  cell_type: "code",
  id: "code",
  metadata: {},
  source: "1 + 1;",
  execution_count: 1,
  outputs: [],
};
const kernelspec = { display_name: "Deno", language: "typescript", name: "deno" };

/** A notebook of one cell that was run in full, with what differs. */
function withCell(cell: Partial<CodeCell>, metadata: Notebook["metadata"] = {}): Notebook {
  const cells = [
    { cell_type: "markdown" as const, id: "title", metadata: {}, source: "# Title" },
    { ...code, ...cell },
  ];
  const notebook: Notebook = { cells, metadata: {}, nbformat: 4, nbformat_minor: 5 };
  const gpt1 = { deno: "2.9.6", smoke: false, sources: sourcesHash(notebook) };
  return { ...notebook, metadata: { gpt1, kernelspec, ...metadata } };
}

const data = (
  data: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
) => [{ output_type: "display_data" as const, data, metadata }];
const alt = { "image/png": { alt: "Scores. Bars: learned." } };
const stream = (text: string) => [{ output_type: "stream" as const, name: "stdout", text }];
const plotly = { "application/vnd.plotly.v1+json": { data: [] } };

Deno.test("a notebook that is as it should be has no problem", () => {
  for (
    const cell of [
      {},
      { metadata: { tags: ["figure"] }, outputs: data({ ...plotly, "image/png": "iVBO/tmp/x" }, alt) },
      {
        metadata: { tags: ["table", "finding"] },
        outputs: data({ "text/html": "<table>", "text/plain": "a" }),
      },
      { metadata: { tags: ["finding"] }, outputs: stream("learned is lower") },
      { source: "fetch('https://deno.com/usr');", outputs: stream("3/tmp, either/or, b:\\n") },
    ]
  ) assertEquals(problems(withCell(cell)), []);
});

const made = { deno: "2.9.6", smoke: false, sources: "0" };
const wrongs: [problem: RegExp, cell: Partial<CodeCell>, metadata?: Notebook["metadata"]][] = [
  [/other code/, {}, { gpt1: made }],
  [/not of a full run/, {}, { gpt1: { ...made, smoke: true } }],
  [/holds an error: TypeError: no/, {
    outputs: [{ output_type: "error", ename: "TypeError", evalue: "no", traceback: [] }],
  }],
  [/path of a machine: \/home/, { outputs: stream("Wrote /home/me/model") }],
  [/path of a machine: \/tmp/, { outputs: data({ "text/html": "<td>/tmp/x</td>" }) }],
  [/path of a machine: \/root/, { source: 'Deno.chdir("/root");' }],
  [/path of a machine: file:\/\/\//, { outputs: data({ "application/json": { at: "file:///x" } }) }],
  [/path of a machine: C:\\/, { outputs: stream("C:\\Users\\me") }],
  [/path of a machine: \/Users/, { outputs: stream('at "/Users/me/kit"') }],
  [/cell 2 \(code\) holds scratch metadata: collapsed/, { metadata: { collapsed: true } }],
  [/holds scratch metadata: execution/, { metadata: { execution: {} } }],
  [/^it holds scratch metadata: widgets/, {}, { widgets: {} }],
  [/^it holds scratch metadata: version/, {}, { language_info: { name: "typescript", version: "6.0" } }],
  [/has 13 lines/, { source: "1;\n".repeat(12) + "2;" }],
  [/is empty/, { source: " " }],
  [/not run in its turn/, { execution_count: 7 }],
  [/not run in its turn/, { execution_count: null }],
  [/has the tag "picture": there are figure, table, finding/, { metadata: { tags: ["picture"] } }],
  [/shows no figure/, { metadata: { tags: ["figure"] }, outputs: data(plotly) }],
  [/shows no table/, { metadata: { tags: ["table"] }, outputs: data({ "text/html": "<p>" }) }],
  [/shows no finding/, { metadata: { tags: ["finding"] }, outputs: stream("17.5") }],
  [/a figure that no tag tells of/, { outputs: data({ ...plotly, "image/png": "" }) }],
  [/a figure without an alternative text/, { outputs: data({ ...plotly, "image/png": "" }) }],
  [/a table that no tag tells of/, { outputs: data({ "text/html": "<table>" }) }],
  [/bytes, more than 1500000/, { outputs: data({ "image/png": "A".repeat(1.5e6) }) }],
];

for (const [problem, cell, metadata] of wrongs) {
  Deno.test(`a problem is told: ${problem.source}`, () => {
    const found = problems(withCell(cell, metadata));
    assert(found.some((text) => problem.test(text)), `should be told: ${problem}, was told: ${found}`);
  });
}

Deno.test("a notebook of 16 code cells, one without a heading and one of another kind of run are told of", () => {
  const { cells, metadata } = withCell({});
  const many = Array.from({ length: 16 }, (_, i) => ({ ...code, id: `c${i}`, execution_count: i + 1 }));
  const found = problems({ cells: many, metadata, nbformat: 4, nbformat_minor: 5 }, true);
  for (const problem of [/16 code cells/, /no heading/, /not of a smoke run/]) {
    assert(found.some((text) => problem.test(text)), `${problem}: ${found}`);
  }
  assertEquals(cells.length, 2);
});

Deno.test("wrong types and lint in a cell are told with their place", async () => {
  const types = withCell({ source: 'import { presets } from "../mod.ts";\npresets.huge;' });
  const unknown = withCell({ source: 'import { nothing } from "../mod.ts";\nnothing;' });
  const lint = withCell({ source: "let x = 1;\nx;" });
  const said = await codeProblems({ types, unknown, lint });
  assert(/Property 'huge' does not exist[^]*types\.ipynb, cell 2, line 2/.test(said), said);
  assert(/no exported member[^]*unknown\.ipynb, cell 2, line 1/.test(said), said);
  assert(/prefer-const[^]*lint\.ipynb, cell 2, line 1/.test(said), said);
  assert(!said.includes(".ts:"), said);
  assert(!said.includes("not formatted"), said);
});

Deno.test("a cell that is not formatted is told of", async () => {
  assertEquals(
    await codeProblems({ it: withCell({ source: "1   + 1" }) }),
    "it.ipynb, cell 2 is not formatted",
  );
});

Deno.test("a notebook is written as Jupyter writes it, and read as it was", () => {
  for (const notebook of Object.values(notebooks)) {
    const text = formatNotebook(notebook);
    assertEquals(parseNotebook(text, "it"), notebook);
    assertEquals(formatNotebook(parseNotebook(text, "it")), text);
    assert(text.startsWith('{\n "cells": [\n  {\n   "cell_type": "markdown",\n   "id": '));
  }
});
