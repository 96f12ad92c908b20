import { assert, assertEquals } from "./assert.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../${path}`, import.meta.url));

Deno.test("the README's study is the one that stands in data/studies, to the digit", async () => {
  const readme = await read("README.md");
  const shown = /<!-- study -->\n([^]*)<!-- \/study -->/.exec(readme)?.[1] ?? "";
  const report = await read("data/studies/ablate/report.md");
  // The formatter aligns tables; what they hold is the same.
  const bare = (text: string) =>
    text.replace(/-{2,}:?/g, "-").replace(/[ |:]+/g, " ").replace(/\\|_|\*/g, "");
  assert(report.length > 500);
  assert(bare(shown).includes(bare(report).trim()), "README.md does not hold data/studies/ablate/report.md");
  const { result } = JSON.parse(await read("data/studies/ablate/study.json"));
  assertEquals(result.complete, true);
});

Deno.test("every command that the README gives is a task", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const named = [...(await read("README.md")).matchAll(/deno(?:@[\d.]+)? task (\w+)/g)].map(([, name]) =>
    name!
  );
  assert(named.length > 5);
  for (const name of named) assert(Object.hasOwn(tasks, name), `there is no task ${name}`);
});
