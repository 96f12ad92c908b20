import { assert, assertEquals } from "./assert.ts";
import {
  type Feeding,
  feedingReport,
  feedingShares,
  type Made,
  reportOf,
  summaryOf,
} from "./bench/report.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../${path}`, import.meta.url));

/** A text without what the formatter changes: it aligns tables. */
const bare = (text: string) => text.replace(/-{2,}:?/g, "-").replace(/[\s|:]+/g, " ").replace(/\\|_|\*/g, "");

Deno.test("each study in data/studies is whole, and the README shows it to the digit, or a notebook reads it", async () => {
  const readme = await read("README.md");
  const notebooks = await Promise.all(
    [...Deno.readDirSync(new URL("../notebooks", import.meta.url))].map(({ name }) =>
      read(`notebooks/${name}`)
    ),
  );
  const inReadme: string[] = [];
  for await (const { name } of Deno.readDir(new URL("../data/studies", import.meta.url))) {
    const [, shown] = readme.split(`<!-- ${name} -->`);
    const report = await read(`data/studies/${name}/report.md`);
    const { result } = JSON.parse(await read(`data/studies/${name}/study.json`));
    assertEquals(result.complete, true);
    assert(report.length > (result.findings.length > 0 ? 300 : 100)); // An arm alone has nothing to differ from.
    if (shown !== undefined) {
      assert(
        bare(shown).includes(bare(report).trim()),
        `README.md does not hold data/studies/${name}/report.md`,
      );
      inReadme.push(name);
    } else {
      const folder = `../data/studies/${name.replace(/-(raw|\d+)$/, "")}\\"`; // What a notebook adds to it is left out.
      assert(notebooks.some((text) => text.includes(folder)), `no notebook reads data/studies/${name}`);
    }
  }
  assertEquals(inReadme.sort(), ["ablate", "compare", "sst2", "suite"]);
});

Deno.test("the README's benchmark is the one that stands in data/bench", async () => {
  const [, shown = ""] = (await read("README.md")).split("<!-- bench -->");
  const made = JSON.parse(await read("data/bench/bench.json")) as Made;
  assertEquals(await read("data/bench/report.md"), reportOf(made));
  assertEquals(await read("data/bench/summary.md"), summaryOf(made));
  assert(bare(shown).includes(bare(summaryOf(made)).trim()), "README.md does not hold data/bench/summary.md");
  const { results, arms } = made;
  assertEquals(Object.keys(results), ["small", "small-undropped", "middle", "middle-undropped", "gpt1"]);
  assert(arms!.one.length >= 3);
});

Deno.test("feeding the model takes under 5 % of an update, as data/bench says", async () => {
  const made = JSON.parse(await read("data/bench/feeding.json")) as Feeding;
  assertEquals(await read("data/bench/feeding.md"), feedingReport(made));
  assertEquals(made.runs.length, 3);
  for (const run of made.runs) {
    assert(run.updates.length >= 30 && run.batches.length === run.updates.length);
    const { all } = feedingShares(run);
    assert(all > 0 && all < 0.05, `${run.run}: ${all}`);
    if (run.padding) assert(run.padding.byLength < run.padding.shuffled / 2, run.run);
  }
});

Deno.test("the README says of the models that come with the kit what the files beside them say", async () => {
  const readme = (await read("README.md")).replace(/\s+/g, " ");
  for (const kind of ["learned", "sinusoidal"]) {
    const { result: { heldout, baselines } } = JSON.parse(await read(`data/models/mini-${kind}.json`));
    const [bits, low, high, count] = [heldout, heldout.low, heldout.high, baselines.kneserNey]
      .map(({ bitsPerCharacter }) => bitsPerCharacter.toFixed(3));
    assert(new RegExp(`${kind} (positions|ones) ${bits} \\[${low}, ${high}\\] bits`).test(readme), kind);
    assert(readme.includes(`n-grams take ${count}`));
    const { result: points } = JSON.parse(await read(`data/models/mini-${kind}.zeroshot.json`));
    for (const { task, value, low, high } of points.slice(-2)) {
      const [mean, ...ends] = [value, low, high].map((share: number) => (100 * share).toFixed(1));
      assert(readme.includes(`${mean} [${ends.join(", ")}] % of \`${task}\``), `${kind}, ${task}: ${mean}`);
    }
  }
  const { provenance } = JSON.parse(await read("data/models/mini-learned.json"));
  assert(readme.includes(`${(provenance.seconds / 3600).toFixed(1)} hours`));
});

Deno.test("the README links the studies of positions and of λ, and says that no arm of them was tuned", async () => {
  const readme = (await read("README.md")).replace(/\s+/g, " ");
  for (const name of ["positions", "auxiliary-250", "auxiliary-1000", "auxiliary-4000"]) {
    assert(readme.includes(`](data/studies/${name})`), name);
  }
  assert(readme.includes("setting that was not tuned for any of their arms"));
});

Deno.test("every command that the README gives is a task", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const named = [...(await read("README.md")).matchAll(/deno(?:@[\d.]+)? task (\w+)/g)].map(([, name]) =>
    name!
  );
  assert(named.length > 5);
  for (const name of named) assert(Object.hasOwn(tasks, name), `there is no task ${name}`);
});
