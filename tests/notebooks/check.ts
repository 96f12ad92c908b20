/**
 * What must hold of a notebook that is committed, or that was run in small.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import {
  type CodeCell,
  format,
  formatNotebook,
  type Notebook,
  type Output,
  type RunMetadata,
  sourcesHash,
  textHash,
  updateTranslation,
} from "../../lib/notebook/mod.ts";

const root = new URL("../../", import.meta.url);
/** Largest file, in bytes. */
const LARGEST = 1.5e6;
const CODE_CELLS = 15;
const CODE_LINES = 12;

/** A notebook of these code cells, which was not run. */
export function notebookOf(sources: readonly string[]): Notebook {
  const cells = sources.map((source, i): CodeCell => ({
    ...{ cell_type: "code", id: `c${i}`, metadata: {}, source },
    ...{ outputs: [], execution_count: null },
  }));
  return { cells, metadata: {}, nbformat: 4, nbformat_minor: 5 };
}

/** What a tag of a code cell demands of its outputs. */
const kinds: Record<string, (outputs: readonly Output[]) => boolean> = {
  figure: (outputs) =>
    outputs.some((output) => has(output, "application/vnd.plotly.v1+json") && has(output, "image/png")),
  table: (outputs) => outputs.some((output) => /<table/.test(String(of(output, "text/html")))),
  finding: (outputs) =>
    outputs.some((output) =>
      /\p{L}/u.test(
        output.output_type === "stream"
          ? output.text
          : String(of(output, "text/markdown") ?? of(output, "text/plain") ?? ""),
      )
    ),
};

const of = (output: Output, type: string): unknown => "data" in output ? output.data[type] : undefined;
/** The alternative text of an output's PNG. */
const altOf = (output: Output): unknown =>
  "metadata" in output && (output.metadata["image/png"] as { alt?: unknown } | undefined)?.alt;
const has = (output: Output, type: string): boolean => of(output, type) !== undefined;

/** A path of some machine's files. */
const machine =
  /file:\/\/\/|(?<![\w.~-])\/(?:home|mnt|opt|private|root|tmp|Users|usr|var|work)\b(?=\/|["'\s:]|$)|\b[A-Z]:\\{1,2}\w{2}/;

/**
 * What is wrong with a notebook, in sentences; none if nothing is.
 *
 * @param notebook As it was read.
 * @param smoke Whether it must be a run in small, rather than a full one.
 */
export function problems(notebook: Notebook, smoke = false): string[] {
  const wrong: string[] = [];
  const { cells, metadata } = notebook;
  const bytes = new TextEncoder().encode(formatNotebook(notebook)).length;
  if (bytes > LARGEST) wrong.push(`it has ${bytes} bytes, more than ${LARGEST}`);
  const made = (metadata["gpt1"] ?? {}) as Partial<RunMetadata>;
  if (made.sources !== sourcesHash(notebook)) {
    wrong.push("its outputs were made by other code: run it again");
  }
  if (made.smoke !== smoke) wrong.push(`its outputs are not of a ${smoke ? "smoke" : "full"} run`);
  const scratch = [
    ...others(metadata, "gpt1", "kernelspec", "language_info"),
    ...others(made, "deno", "smoke", "sources"),
    ...others(metadata["kernelspec"] ?? {}, "display_name", "language", "name"),
    ...Object.keys(metadata["language_info"] ?? {}).filter((key) => key === "version"),
  ];
  if (scratch.length > 0) wrong.push(`it holds scratch metadata: ${scratch}`);
  const codes = cells.filter((cell) => cell.cell_type === "code");
  if (codes.length > CODE_CELLS) wrong.push(`it has ${codes.length} code cells, more than ${CODE_CELLS}`);
  if (!/^# \S/.test(cells[0]?.source ?? "")) wrong.push("its first cell has no heading");

  cells.forEach((cell, i) => {
    const say = (why: string) => wrong.push(`cell ${i + 1} (${cell.id}) ${why}`);
    const more = others(cell.metadata, "tags");
    if (more.length > 0) say(`holds scratch metadata: ${more}`);
    if (machine.test(cell.source)) say(`names a path of a machine: ${machine.exec(cell.source)}`);
    if (cell.source.trim() === "") say("is empty");
    if (cell.cell_type !== "code") return;
    const length = cell.source.split("\n").length;
    if (length > CODE_LINES) say(`has ${length} lines, more than ${CODE_LINES}`);
    if (cell.execution_count !== codes.indexOf(cell) + 1) say("was not run in its turn");
    const tags = (cell.metadata["tags"] ?? []) as string[];
    for (const tag of tags) {
      if (!(tag in kinds)) say(`has the tag "${tag}": there are ${Object.keys(kinds).join(", ")}`);
      else if (!kinds[tag]!(cell.outputs)) say(`shows no ${tag}, which its tag demands`);
    }
    for (const kind of ["figure", "table"]) {
      if (kinds[kind]!(cell.outputs) && !tags.includes(kind)) say(`shows a ${kind} that no tag tells of`);
    }
    for (const output of cell.outputs) {
      if (kinds["figure"]!([output]) && !altOf(output)) say("shows a figure without an alternative text");
      if (output.output_type === "error") say(`holds an error: ${output.ename}: ${output.evalue}`);
      const text = textOf(output);
      if (machine.test(text)) say(`puts out a path of a machine: ${machine.exec(text)}`);
    }
  });
  return wrong;
}

const others = (object: object, ...known: string[]) =>
  Object.keys(object).filter((key) => !known.includes(key));

/** All that an output says, without pictures, whose letters mean nothing. */
function textOf(output: Output): string {
  if (!("data" in output)) return Object.values(output).join("\n");
  return Object.entries(output.data).filter(([type]) => !/^image\/(?!svg)/.test(type))
    .map(([, value]) => typeof value === "string" ? value : JSON.stringify(value)).join("\n");
}

/**
 * What Deno's type checker and linter have to say of notebooks' code, joined to a module each, in one
 * process each; and which cells its formatter would write otherwise.
 *
 * @param notebooks By name.
 * @returns Their words, with places as `01_tokens.ipynb, cell 3, line 2`; empty if there is nothing to say.
 */
export async function codeProblems(notebooks: Readonly<Record<string, Notebook>>): Promise<string> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const places: Record<string, string[]> = {};
  for (const [name, { cells }] of Object.entries(notebooks)) {
    const lines: string[] = [], where: string[] = [];
    cells.forEach(({ cell_type, source }, cell) => {
      if (cell_type !== "code") return;
      source.split("\n").forEach((line, i) => {
        lines.push(line.replaceAll('"../', `"${root}`));
        where.push(`${name}.ipynb, cell ${cell + 1}, line ${i + 1}`);
      });
    });
    places[name] = where;
    await Deno.writeTextFile(`${folder}/${name}.ts`, lines.join("\n") + "\nexport {};\n");
  }
  const config = fileURLToPath(new URL("deno.json", root));
  const said: string[] = [];
  for (const args of [["check", "--quiet", "--config", config], ["lint", "--quiet", "--config", config]]) {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, ...Object.keys(notebooks).map((name) => `${folder}/${name}.ts`)],
      env: { NO_COLOR: "1" },
    }).output();
    if (success) continue;
    const words = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    said.push(
      words.replace(
        /(?:file:\/\/)?[^\s]*\/([\w.-]+)\.ts:(\d+):\d+/g,
        (all, name, line) => places[name]?.[line - 1] ?? all,
      ),
    );
  }
  await Deno.remove(folder, { recursive: true });
  for (const [name, notebook] of Object.entries(notebooks)) {
    (await format(notebook)).cells.forEach(({ source }, cell) => {
      if (source !== notebook.cells[cell]!.source) {
        said.push(`${name}.ipynb, cell ${cell + 1} is not formatted`);
      }
    });
  }
  return said.join("\n");
}

/** What translations keep of a text: formulas, code, links and numbers, each sorted. */
function fixedParts(source: string): Record<string, string[]> {
  const code = /```[^]*?```|`[^`]*`/g, formula = /\$\$[^]*?\$\$|\$[^$]*\$/g, link = /\]\(([^)]*)\)/g;
  const text = source.replace(code, " "), plain = text.replace(formula, " ");
  return {
    code: source.match(code)?.sort() ?? [],
    formulas: text.match(formula)?.sort() ?? [],
    links: [...plain.matchAll(link)].map(([, target]) => target!).sort(),
    numbers: plain.replace(link, " ").match(/\d+(?:[.,]\d+)*/g)?.sort() ?? [],
    tags: plain.match(/<\/?\w+>/g)?.sort() ?? [],
  };
}

/** A text without its formulas, code, links and tags. */
const wordsOf = (source: string): string =>
  source.replace(/```[^]*?```|`[^`]*`|\$\$[^]*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)|<[^>]*>/g, " ");

/**
 * What is wrong with a notebook of `notebooks/zh`, in sentences; none if nothing is.
 *
 * @param original The notebook of the same name in `notebooks`.
 * @param translation As it was read.
 * @param names The notebooks of `notebooks/zh`, to which it may link.
 */
export function translationProblems(
  original: Notebook,
  translation: Notebook,
  names: readonly string[],
): string[] {
  const { notebook: expected } = updateTranslation(original, translation);
  const [ids, shouldBe] = [translation, original].map(({ cells }) => cells.map(({ id }) => id).join());
  if (ids !== shouldBe) return [`its cells are ${ids}, those of the original ${shouldBe}`];
  const wrong: string[] = [];
  if (translation.metadata["lang"] !== "zh") wrong.push("its metadata do not say its language");
  original.cells.forEach((cell, i) => {
    const it = translation.cells[i]!, same = expected.cells[i]!;
    const say = (why: string) => void wrong.push(`cell ${i + 1} (${it.id}) ${why}`);
    if (cell.cell_type !== "markdown") {
      return isDeepStrictEqual(it, same) ? undefined : say("is not the original's");
    }
    if (it.cell_type !== "markdown") return say("is no text");
    if (it.metadata["translates"] !== textHash(cell.source)) say("translates an earlier text");
    const words = wordsOf(it.source);
    if (!/\p{Script=Han}/u.test(words) && /\p{L}/u.test(words)) say("is not translated");
    const english = /(?:[a-z'-]+[,.;:]? +){5}[a-z'-]+/i.exec(words.replace(/\n/g, " "));
    if (english) say(`is not translated: ${english[0]}`);
    const parts = fixedParts(it.source);
    for (const [what, values] of Object.entries(fixedParts(cell.source))) {
      const isLinks = what === "links";
      const expect = isLinks ? values.map((link) => targetOf(link)).sort() : values;
      const found = isLinks ? parts[what]!.map((link) => targetOf(link, names)).sort() : parts[what]!;
      if (found.join("\n") !== expect.join("\n")) {
        say(`has other ${what} than the original: ${found} instead of ${expect}`);
      }
    }
  });
  if (!isDeepStrictEqual(translation.metadata, expected.metadata)) {
    wrong.push("its metadata are not those of the original");
  }
  return wrong;
}

/** Where a link in `notebooks` leads to, or one in `notebooks/zh`; to a translation, its original. */
function targetOf(link: string, translations?: readonly string[]): string {
  if (/^[\w+.-]+:/.test(link)) return link;
  const { pathname } = new URL(link, `file:///notebooks/${translations ? "zh/" : ""}`);
  const isThere = translations?.some((name) => pathname === `/notebooks/zh/${name}.ipynb`);
  return isThere ? pathname.replace("/zh/", "/") : pathname;
}
