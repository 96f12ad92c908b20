import { fileURLToPath } from "node:url";
import {
  type CodeCell,
  findNotebooks,
  formatNotebook,
  nameOf,
  type Notebook,
  originalOf,
  parseNotebook,
  readNotebook,
  sourcesHash,
  type TextCell,
  textHash,
  updateTranslation,
} from "../../lib/notebook/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, startTask } from "../programs.ts";
import { translationProblems } from "./check.ts";

const pairs: Record<string, [original: Notebook, translation: Notebook]> = {};
for (const path of await findNotebooks([], fileURLToPath(new URL("../../notebooks/zh", import.meta.url)))) {
  pairs[nameOf(path)] = [await readNotebook(originalOf(path)!), await readNotebook(path)];
}

Deno.test("each notebook of notebooks/zh has its original's cells, code and outputs, and is translated from its present text", () => {
  assert("00_tour" in pairs);
  for (const [name, [original, translation]] of Object.entries(pairs)) {
    assertEquals([name, ...translationProblems(original, translation, Object.keys(pairs))], [name]);
    // An update would change nothing.
    assertEquals(
      formatNotebook(updateTranslation(original, translation).notebook),
      formatNotebook(translation),
    );
  }
});

type Cell = CodeCell | TextCell;
const changed = (notebook: Notebook, change: (cell: Cell) => Cell | undefined): Notebook => ({
  ...notebook,
  cells: notebook.cells.flatMap((cell) => change(cell) ?? []),
});
const only = (id: string, change: (cell: Cell) => object | undefined) => (notebook: Notebook) =>
  changed(notebook, (cell) => {
    if (cell.id !== id) return cell;
    const other = change(cell);
    return other && { ...cell, ...other };
  });
const swap = (from: string, to: string) => ({ source }: Cell) => {
  assert(source.includes(from), `${source} has no ${from}`);
  return { source: source.replace(from, to) };
};

const wrongs: [problem: RegExp, change: (translation: Notebook) => Notebook][] = [
  [/its cells are/, only("markdown-8", () => undefined)],
  [/its cells are/, (it) => ({ ...it, cells: it.cells.toReversed() })],
  [/code-5\) is not the original's/, only("code-5", swap("rate: 5e-4", "rate: 1e-4"))],
  [/code-3\) is not the original's/, only("code-3", swap("../../mod.ts", "../mod.ts"))],
  [/code-11\) is not the original's/, only("code-11", () => ({ outputs: [] }))],
  [/code-7\) is not the original's/, only("code-7", () => ({ metadata: {} }))],
  [/markdown-8\) is not translated$/, only("markdown-8", () => ({ source: "A review becomes this:" }))],
  [
    /markdown-8\) is not translated: and a review becomes/,
    only("markdown-8", ({ source }) => ({ source: `${source} and a review becomes\nthis sequence:` })),
  ],
  [/markdown-8\) translates an earlier text/, only("markdown-8", () => ({ metadata: {} }))],
  [/markdown-1\) has other links/, only("markdown-1", swap("(../04_", "(04_"))],
  [/markdown-1\) has other formulas/, only("markdown-1", swap("P(u_i", "P(u_j"))],
  [/markdown-1\) has other numbers/, only("markdown-1", swap("59.9", "95.9"))],
  [/markdown-23\) has other code/, only("markdown-23", swap("`lambda: 0.5`", "`lambda: 1`"))],
  [/markdown-23\) has other tags/, only("markdown-23", swap("</details>", ""))],
  [/do not say its language/, (it) => ({ ...it, metadata: { ...it.metadata, lang: "en" } })],
  [/metadata are not those/, (it) => ({ ...it, metadata: { ...it.metadata, gpt1: {} } })],
];
for (const [problem, change] of wrongs) {
  Deno.test(`a problem of a translation is found: ${problem.source}`, () => {
    const [original, translation] = pairs["00_tour"]!;
    const found = translationProblems(original, change(translation), ["00_tour"]);
    assert(found.some((text) => problem.test(text)), `${problem}: ${found}`);
  });
}

Deno.test("a change of the original is found: its text, its code, its outputs", () => {
  const [original, translation] = pairs["00_tour"]!;
  for (
    const [problem, change] of [
      [/markdown-8\) translates an earlier text/, only("markdown-8", swap("pieces", "parts"))],
      [/code-5\) is not the original's/, only("code-5", swap("2000", "500"))],
      [/code-19\) is not the original's/, only("code-19", () => ({ outputs: [] }))],
      [/its cells are/, only("markdown-8", () => undefined)],
    ] as [RegExp, (original: Notebook) => Notebook][]
  ) {
    const found = translationProblems(change(original), translation, ["00_tour"]);
    assert(found.some((text) => problem.test(text)), `${problem}: ${found}`);
  }
});

const text = (id: string, source: string, metadata = {}): TextCell => ({
  cell_type: "markdown",
  ...{ id, metadata, source },
});
const of = (...cells: Cell[]): Notebook => ({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 });
const code: CodeCell = {
  cell_type: "code",
  id: "code",
  metadata: { tags: ["finding"] },
  source: 'import { x } from "../mod.ts";\nconst links = `[a](12_b.ipynb) [c](../data) ${x[0](1)}`; // a../b',
  execution_count: 1,
  outputs: [
    { output_type: "stream", name: "stdout", text: 'folder: "../data"' },
    {
      output_type: "display_data",
      data: { "text/markdown": "[a](12_b.ipynb#c) [d](https://e.ipynb)", "image/png": "../" },
      metadata: {},
    },
  ],
};

Deno.test("paths in code, outputs and untranslated text are those of the deeper folder", () => {
  const { notebook } = updateTranslation(of(code, text("a", "See [b](12_b.ipynb), [c](../data).")), of());
  const [moved, words] = notebook.cells;
  assertEquals(
    moved!.source,
    'import { x } from "../../mod.ts";\nconst links = `[a](../12_b.ipynb) [c](../../data) ${x[0](1)}`; // a../b',
  );
  assertEquals((moved as CodeCell).outputs, [
    { output_type: "stream", name: "stdout", text: 'folder: "../../data"' },
    {
      output_type: "display_data",
      data: { "text/markdown": "[a](../12_b.ipynb#c) [d](https://e.ipynb)", "image/png": "../" },
      metadata: {},
    },
  ]);
  assertEquals(words!.source, "See [b](../12_b.ipynb), [c](../../data).");
});

Deno.test("the run's hash is that of the moved code where the original's is of its code", () => {
  const original = of(code);
  const ran = (sources: string) => ({ ...original, metadata: { gpt1: { sources } } });
  const sourcesOf = (notebook: Notebook) =>
    (updateTranslation(notebook, original).notebook.metadata["gpt1"] as { sources: string }).sources;
  assertEquals(
    sourcesOf(ran(sourcesHash(original))),
    sourcesHash(updateTranslation(original, original).notebook),
  );
  assertEquals(sourcesOf(ran("of other code")), "of other code");
});

Deno.test("translated texts are kept by id, and what is to be translated is named", () => {
  const original = of(
    text("kept", "Kept."),
    text("new", "New."),
    text("changed", "Changed."),
    text("formula", "$$L_1$$"),
    text("copied", "Copied."),
    text("fresh", "Fresh.", { tags: ["a"] }),
  );
  const { notebook, ...rest } = updateTranslation(
    original,
    of(
      text("gone", "没有了。"),
      text("changed", "旧的。", { translates: "0123456789ab" }),
      text("kept", "保留。", { translates: textHash("Kept."), tags: ["b"] }),
      text("copied", "Copied once."),
      text("fresh", "新译的。"),
    ),
  );
  assertEquals(rest, { untranslated: ["new", "copied"], outdated: ["changed"], removed: ["gone"] });
  assertEquals(notebook.cells, [
    text("kept", "保留。", { translates: textHash("Kept.") }),
    text("new", "New."),
    text("changed", "旧的。", { translates: "0123456789ab" }),
    text("formula", "$$L_1$$", { translates: textHash("$$L_1$$") }),
    text("copied", "Copied."),
    text("fresh", "新译的。", { tags: ["a"], translates: textHash("Fresh.") }),
  ]);
  assertEquals(notebook.metadata, { lang: "zh" });
  assertEquals(updateTranslation(original, notebook), { notebook, ...rest, removed: [] });
});

Deno.test("a translation that is named is updated and not run, and what is left to translate is on standard error", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/zh`);
  const path = `${folder}/zh/it.ipynb`;
  const ran = { ...code, source: "Deno.exit(3);" };
  await Deno.writeTextFile(`${folder}/it.ipynb`, formatNotebook(of(text("a", "New."), text("b", "B."), ran)));
  const before = formatNotebook(of(text("b", "旧。", { translates: "0" }), text("c", "没有了。")));
  await Deno.writeTextFile(path, before);
  const run = (...args: string[]) => endOf(startTask("notebooks", args));
  const left = [
    `${path}: not translated: a`,
    `${path}: translated from an earlier text (when translated again, remove \`translates\` from the cell's metadata): b`,
    `${path}: no longer in the original: c`,
  ].join("\n");
  // It needs no Python.
  assertEquals(await run("--smoke", "--python", "nothing-here", path), { code: 0, out: "", err: left });
  assertEquals(await Deno.readTextFile(path), before);
  const written = await run("--python", "nothing-here", path);
  assertEquals(written, { code: 0, out: `it: translation written to ${path}`, err: left });
  const { cells } = parseNotebook(await Deno.readTextFile(path), path);
  assertEquals(cells.map(({ source }) => source), ["New.", "旧。", "Deno.exit(3);"]);
});
