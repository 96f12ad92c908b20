import { fileURLToPath } from "node:url";
import { backend } from "../../lib/engine/mod.ts";
import { published, studies, type StudyOptions } from "../../lib/study/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

await backend();

const folder = (name: string) => fileURLToPath(new URL(`../../data/studies/${name}`, import.meta.url));

Deno.test("a published study opens as it was found, to the letter of its report", async () => {
  const study = await published({ ...studies.compare, folder: folder("compare") });
  assertEquals(study.report, await Deno.readTextFile(`${folder("compare")}/report.md`));
  assertEquals([study.complete, study.pretrained.length, study.finetuned.length], [true, 12, 24]);
});

const kind: StudyOptions = {
  ...studies.suite,
  ...{ pretrained: "mini", tasks: ["kind"], lambda: [0, 0.5], transfer: ["all"], seeds: 3 },
  ...{ trainExamples: 250, testExamples: 1000, folder: folder("auxiliary-250") },
};

Deno.test("a part of a published study opens, and what was not published is named", async () => {
  const study = await published(kind);
  const files = [...Deno.readDirSync(folder("auxiliary-250"))].map(({ name }) => name)
    .filter((name) => /^kind-learned-lambda0(\.5)?-/.test(name)).sort();
  const recorded = await Promise.all(files.map(async (name) => {
    const { result } = JSON.parse(await Deno.readTextFile(`${folder("auxiliary-250")}/${name}`));
    return [result.lambda, result.seed, result.value];
  }));
  const found = study.finetuned.map(({ levels, seed, value }) => [levels["lambda"], seed, value]);
  assertEquals(found.toSorted(), recorded.toSorted());
  await assertRefused(
    () => published({ ...kind, lambda: [0.75] }),
    /^Cannot read a run of a published study .*auxiliary-250\/kind-learned-lambda0\.75-seed1-\w+\.json: /,
  );
});

Deno.test("studies beside each other are one, of a factor in which they differ", async () => {
  const sizes = [250, 1000, 4000];
  const study = await published({ ...kind, vary: { trainExamples: sizes }, folder: folder("auxiliary") });
  assertEquals(study.finetuned.length, 3 * 2 * 3);
  assertEquals(study.effect("lambda").map(({ levels }) => levels["trainExamples"]), sizes);
  const alone = await published(kind);
  const own = study.finetuned.filter(({ levels }) => levels["trainExamples"] === 250);
  assertEquals(own.map(({ value }) => value), alone.finetuned.map(({ value }) => value));
});

Deno.test("a published run that was changed into what cannot be is refused", async () => {
  const copy = await Deno.makeTempDir();
  for await (const { name } of Deno.readDir(folder("auxiliary-250"))) {
    if (/^kind-/.test(name)) await Deno.copyFile(`${folder("auxiliary-250")}/${name}`, `${copy}/${name}`);
  }
  const options = { ...kind, folder: copy };
  const before = await published(options);
  const path = `${copy}/${
    [...Deno.readDirSync(copy)].find(({ name }) => name.startsWith("kind-learned-lambda0-seed1"))!.name
  }`;
  const text = await Deno.readTextFile(path);
  for (
    const [from, to] of [
      [/"value": [\d.]+/, '"value": 7.5'],
      [/"low": [\d.]+/, '"low": 1e999'],
      [/"result": \{[^]*?\n {2}\}/, '"result": {}'],
      [/"rate": 0.0005/, '"rate": 0.001'],
      [/"measure": "accuracy"/, '"measure": null'],
    ] as const
  ) {
    const changed = text.replace(from, to);
    assert(changed !== text);
    await Deno.writeTextFile(path, changed);
    await assertRefused(
      () => published(options),
      /^Cannot use .*\.json as the run kind-learned-lambda0-seed1 of a published study$/,
    );
  }
  await Deno.writeTextFile(path, text);
  assertEquals((await published(options)).finetuned, before.finetuned);
  await Deno.remove(copy, { recursive: true });
});
