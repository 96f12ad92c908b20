/**
 * The examples of the code's comments, each a test. `deno test --doc` would start each with the whole kit anew, which
 * takes ten times as long; their types are for `deno check --doc`.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { assert } from "./assert.ts";
import { sources } from "./sources.ts";

const kit = new URL("../", import.meta.url);
const folder = await Deno.makeTempDir();
let count = 0;
for (const file of [new URL("mod.ts", kit), ...await Array.fromAsync(sources(new URL("lib/", kit)))]) {
  const text = await Deno.readTextFile(file);
  for (const { 1: lines, index } of text.matchAll(/^ \* ```ts\n((?: \*.*\n)*?) \* ```$/gm)) {
    const line = text.slice(0, index).split("\n").length;
    Deno.test(`example of ${file.href.slice(kit.href.length)}, line ${line}`, async () => {
      const code = lines!.replace(/^ \* ?/gm, "").replace(
        /(from|import\() ?"(\.[^"]*)"/g, // Where the example is written there are other files.
        (_, before, path) => `${before} ${JSON.stringify(new URL(path, file).href)}`,
      );
      const example = `${folder}/${++count}.ts`;
      await Deno.writeTextFile(example, code);
      await import(pathToFileURL(example).href);
    });
  }
}

Deno.test("examples are found", () => assert(count > 100, `${count} examples`));
