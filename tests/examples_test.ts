/**
 * The examples of the code's comments, each a test. `deno test --doc` would start each with the whole kit anew, which
 * takes ten times as long; their types are for `deno check --doc`.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { assert } from "./assert.ts";
import { root } from "./programs.ts";

async function* filesOf(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesOf(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

const folder = await Deno.makeTempDir();
let count = 0;
for (const path of [`${root}mod.ts`, ...await Array.fromAsync(filesOf(`${root}lib`))]) {
  const text = await Deno.readTextFile(path);
  for (const { 1: lines, index } of text.matchAll(/^ \* ```ts\n((?: \*.*\n)*?) \* ```$/gm)) {
    const line = text.slice(0, index).split("\n").length;
    Deno.test(`example of ${path.slice(root.length)}, line ${line}`, async () => {
      const code = lines!.replace(/^ \* ?/gm, "").replace(
        /(from|import\() ?"(\.[^"]*)"/g, // Where the example is written there are other files.
        (_, before, file) => `${before} ${JSON.stringify(new URL(file, pathToFileURL(path)).href)}`,
      );
      const example = `${folder}/${++count}.ts`;
      await Deno.writeTextFile(example, code);
      await import(pathToFileURL(example).href);
    });
  }
}

Deno.test("examples are found", () => assert(count > 100, `${count} examples`));
