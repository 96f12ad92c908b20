/** A study opens from its own two files, as it was found, and from no others. */
import type { Task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { digest, sha256 } from "../../lib/digest.ts";
import { ablate, openStudy, smoke, studies, type Study, type StudyOptions } from "../../lib/study/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { sky, weather, words } from "./weather.ts";

await backend();

const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    text: `${words[(i + from) % 10]} ${words[(3 * i + from) % 10]} ${i % 2 ? "warm" : "cold"}`,
    label: i % 2,
  }));
const task: Task = {
  ...sky(rows(24), rows(8, 1), rows(16, 2)),
  zeroShot: { by: "word", prompt: "is", words: ["cold", "warm"] },
};
const options: StudyOptions = {
  ...{
    base: weather,
    positions: ["learned", "none"],
    lambda: [0, 0.5],
    tasks: [task],
    zeroShot: [task],
    seeds: 2,
  },
  ...{
    vary: { trainExamples: [8, Infinity] },
    tune: { "finetune.rate": [1e-4, 1e-2], seeds: 1 },
    mainContrasts: {
      A: {
        ...{ factor: "lambda", between: [0.5, 0] },
        at: { task: "sky", positions: "none", trainExamples: Infinity, transfer: "all" },
      },
      B: { factor: "positions", between: ["learned", "none"], at: { task: "held-out text" } },
    },
    workers: 1,
  },
};
const root = await Deno.makeTempDir(), folder = `${root}/study`;
globalThis.addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));
const made = await ablate({ ...options, folder });

/** A folder with the study's files, changed. */
async function changed(
  change: (files: { study: string; runs: string }) => { study?: string; runs?: string },
) {
  const copy = await Deno.makeTempDir({ dir: root });
  const runs = await new Response(
    new Blob([await Deno.readFile(`${folder}/runs.json.gz`)]).stream().pipeThrough(
      new DecompressionStream("gzip"),
    ),
  ).text();
  const files = { study: await Deno.readTextFile(`${folder}/study.json`), runs };
  const now = { ...files, ...change(files) };
  await Deno.writeTextFile(`${copy}/study.json`, now.study);
  const zip = new Blob([now.runs]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(`${copy}/runs.json.gz`, await new Response(zip).bytes());
  return copy;
}

/** The study's file that names other runs. */
function signed(study: string, runs: string): string {
  const { sha256: _, ...found } = JSON.parse(study);
  const { result } = found;
  const now = { ...found, result: { ...result, runs: sha256(runs) } };
  return JSON.stringify({ ...now, sha256: digest(now) });
}

/** What a study says, in all its forms. */
const said = (study: Study) => ({
  report: study.report,
  csv: study.runs.toCSV(),
  tuning: study.tuning.toCSV(),
  main: study.mainContrasts,
  effects: study.effect("lambda", { by: ["task"] }),
  curves: study.curves("finetune.rate"),
  positions: study.byPosition("positions"),
  losses: study.losses("lambda", { at: { task: "sky" } }),
});

Deno.test("a study opens as it was found, without its data, to the letter of its report", async () => {
  assertEquals(said(await openStudy(folder)), said(made));
  const alone = await changed(() => ({}));
  assertEquals(said(await openStudy(alone)), said(made));
  assertEquals((await openStudy(alone)).report, await Deno.readTextFile(`${folder}/report.md`));
});

Deno.test("a smoke test says in each of its files that its numbers mean nothing, and so does its copy", async () => {
  const small = smoke({ ...studies.ablate, ...weather, tasks: [], seeds: 1 }), own = `${root}/small`;
  const study = await ablate({
    ...small,
    ...weather,
    positions: ["none"],
    lambda: [0],
    tasks: [],
    folder: own,
  });
  const sentence = /^\*\*A test that everything works\*\*: .* have scores that mean nothing\.\n/;
  for (const { report, findings, runs } of [study, await openStudy(own)]) {
    assert(sentence.test(report) && !/\[-?\d/.test(report), report);
    assertEquals([findings.length, sentence.test(`${findings[0]}\n`)], [1, true]);
    const [names, first] = runs.toCSV().split("\n").map((line) => line.split(","));
    assertEquals([names!.at(-1), first!.at(-1)], ["smoke", "true"]);
  }
  const { settings, result } = JSON.parse(await Deno.readTextFile(`${own}/study.json`));
  assertEquals([settings.smoke, result.findings], [true, [...study.findings]]);
  assertEquals(await Deno.readTextFile(`${own}/report.md`), study.report);
  assertEquals(made.runs.columnNames().includes("smoke"), false);
});

Deno.test("a study that was changed, or is none, is refused with what is wrong", async () => {
  await assertRefused(
    () => openStudy(`${folder}/none`),
    /^Cannot open a study in .*none as it has no study\.json/,
  );
  const modified = await changed(({ study }) => ({
    study: study.replace(/"complete": true/, '"complete": false'),
  }));
  await assertRefused(() => openStudy(modified), /^Cannot use .*study\.json as a result as it was modified/);
  const other = await changed(({ runs }) => ({ runs: runs.replace(/"value":0\.\d/, '"value":0.9') }));
  await assertRefused(() => openStudy(other), /as runs\.json\.gz is of another study than study\.json$/);
  await Deno.writeFile(`${other}/runs.json.gz`, new Uint8Array(100));
  await assertRefused(() => openStudy(other), /as runs\.json\.gz is damaged or too large$/);
  await Deno.remove(`${other}/runs.json.gz`);
  await assertRefused(() => openStudy(other), /^Cannot read the runs of a study .*runs\.json\.gz/);
  const old = await changed(({ study }) => {
    const { sha256: _, ...found } = JSON.parse(study);
    const { runs: __, ...result } = found.result;
    const now = { ...found, result };
    return { study: JSON.stringify({ ...now, sha256: digest(now) }) };
  });
  await assertRefused(
    () => openStudy(old),
    /as it was written without its runs: ablate with its settings adds/,
  );
});

Deno.test("values that no run can have are refused, whoever signed them", async () => {
  for (
    const [from, to] of [
      [/"value":[\d.]+/, '"value":7.5'],
      [/"constant":[\d.]+/, '"constant":"<b>"'],
      [/"seed":\d+/, '"seed":-1'],
      [/"stuck":\w+/, '"stuck":"no"'],
      [/"levels":\{/, '"levels":{"line\\nbreak":1,'],
      [/"bitsPerCharacter":[\d.]+/, '"bitsPerCharacter":{"number":"Infinity"}'],
      [/"losses":\{"float32":"/, '"losses":{"float32":"AADAfw=='],
      [/"scores":\[/, '"scores":["x",'],
      [/"orders":\[\[/, '"orders":[[-1,'],
    ] as const
  ) {
    const hostile = await changed(({ study, runs }) => {
      const now = runs.replace(from, to);
      assert(now !== runs, `${from}`);
      return { study: signed(study, now), runs: now };
    });
    await assertRefused(
      () => openStudy(hostile),
      /runs\.json\.gz has (a value that cannot be in \w+, entry 1|values that are not of a study)$/,
    );
  }
  // deno-lint-ignore no-explicit-any
  type Rows = any;
  const inRows: [change: (all: Rows) => void, why: RegExp][] = [
    [({ finetuned: [row] }) => row.value = row.high + 0.01, /a value that cannot be in finetuned, entry 1$/],
    [({ finetuned: [row] }) => row.stuck = !row.stuck, /a value that cannot be in finetuned, entry 1$/],
    [
      ({ finetuned: [row] }) => row.byCluster = { float64: "" },
      /a value that cannot be in finetuned, entry 1$/,
    ],
    [({ finetuned: [row] }) => row.losses.means = [], /a value that cannot be in finetuned, entry 1$/],
    [
      ({ pretrained: [{ zeroShot: [row] }] }) => row.low = 1,
      /a value that cannot be in pretrained, entry 1$/,
    ],
    [
      ({ pretrained: [{ heldout }] }) => heldout.low.bitsPerCharacter *= 9,
      /cannot be in pretrained, entry 1$/,
    ],
    [
      ({ finetuned }) => delete finetuned[1].levels.lambda,
      /a run without a level of lambda in finetuned, entry 2$/,
    ],
    [({ orders: [order] }) => order.pop(), /16 predictions of 15 examples of sky$/],
    [({ finetuned: [row] }) => {
      const { byCluster: { float64 } } = row, scores = Uint8Array.fromBase64(float64);
      row.byCluster = { float64: new Uint8Array([...scores, ...scores]).toBase64() }; // The same mean.
    }, /scores by cluster of different lengths of sky$/],
  ];
  for (const [change, why] of inRows) {
    const hostile = await changed(({ study, runs }) => {
      const all = JSON.parse(runs);
      change(all);
      const now = JSON.stringify(all);
      return { study: signed(study, now), runs: now };
    });
    await assertRefused(() => openStudy(hostile), why);
  }
  for (const name of ["pretrained", "finetuned"] as const) {
    const twice = await changed(({ study, runs }) => {
      const all = JSON.parse(runs), now = JSON.stringify({ ...all, [name]: [...all[name], all[name][0]] });
      return { study: signed(study, now), runs: now };
    });
    await assertRefused(() => openStudy(twice), new RegExp(`has a run twice in ${name}, entry \\d+$`));
  }
  for (const runs of ["[]", "{}", '{"choices":1}', "null", '{"choices":-1}']) {
    const hostile = await changed(({ study }) => ({ study: signed(study, runs), runs }));
    await assertRefused(() => openStudy(hostile), /runs\.json\.gz has no (runs of a study|list)/);
  }
});
