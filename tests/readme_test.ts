import { assert, assertEquals } from "./assert.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../${path}`, import.meta.url));

Deno.test("the README's studies are those that stand in data/studies, to the digit", async () => {
  const readme = await read("README.md");
  // The formatter aligns tables; what they hold is the same.
  const bare = (text: string) =>
    text.replace(/-{2,}:?/g, "-").replace(/[\s|:]+/g, " ").replace(/\\|_|\*/g, "");
  let seen = 0;
  for await (const { name } of Deno.readDir(new URL("../data/studies", import.meta.url))) {
    const [, shown = ""] = readme.split(`<!-- ${name} -->`);
    const report = await read(`data/studies/${name}/report.md`);
    assert(report.length > 300);
    assert(
      bare(shown).includes(bare(report).trim()),
      `README.md does not hold data/studies/${name}/report.md`,
    );
    const { result } = JSON.parse(await read(`data/studies/${name}/study.json`));
    assertEquals(result.complete, true);
    seen++;
  }
  assert(seen > 0);
});

Deno.test("every command that the README gives is a task", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const named = [...(await read("README.md")).matchAll(/deno(?:@[\d.]+)? task (\w+)/g)].map(([, name]) =>
    name!
  );
  assert(named.length > 5);
  for (const name of named) assert(Object.hasOwn(tasks, name), `there is no task ${name}`);
});
