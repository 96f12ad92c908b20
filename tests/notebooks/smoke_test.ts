import { findNotebooks, findPython, nameOf, parseNotebook } from "../../lib/notebook/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, root, startTask } from "../programs.ts";
import { problems } from "./check.ts";

const ignore = !await findPython().then(() => true, () => false);
if (ignore) console.log("There is no Python with nbclient: no notebook is run");

const folder = await Deno.makeTempDir();

for (const path of await findNotebooks([], `${root}notebooks`)) {
  const name = nameOf(path);
  Deno.test({ name: `${name} runs in small, and shows what it should`, ignore }, async () => {
    const begin = performance.now();
    const { code, err } = await endOf(startTask("notebooks", ["--smoke", "--out", folder, name]));
    assertEquals(code, 0, err);
    assert(performance.now() - begin < 180e3, "a minute, or three on a busy machine");
    const written = `${folder}/${name}.ipynb`;
    assertEquals(problems(parseNotebook(await Deno.readTextFile(written), written), true), []);
  });
}
