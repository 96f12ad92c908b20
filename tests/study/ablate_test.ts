import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose } from "../../lib/model/mod.ts";
import {
  ablate,
  type Finetuned,
  type Pretrained,
  studies,
  studyOf,
  type StudyOptions,
} from "../../lib/study/mod.ts";
import { settleStudy } from "../../lib/study/settings.ts";
import { loadModel } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { processes } from "../programs.ts";
import { sky, untimed, weather, words } from "./weather.ts";

await backend();

const rows = Array.from(
  { length: 16 },
  (_, i) => ({ text: `${words[i % 10]} ${i % 2 ? "warm" : "cold"}`, label: i % 2 }),
);
const task = sky(rows, rows, rows);
const small = (folder: string): StudyOptions => ({
  ...weather,
  tasks: [task],
  trainExamples: 16,
  testExamples: 16,
  saveEvery: 1,
  workers: 1,
  folder,
});

Deno.test("a study stopped again and again goes on where it stood and finds what an unbroken one finds", async () => {
  const [whole, broken] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const before = tf.memory().numTensors;
  const expected = await ablate(small(whole));
  assertEquals([expected.complete, expected.pretrained.length, expected.finetuned.length], [true, 4, 8]);

  let [stops, updates] = [0, 0];
  for (let complete = false; !complete;) {
    const stop = new AbortController();
    const study = ablate({ ...small(broken), signal: stop.signal });
    let made = 0;
    for await (const { record } of study) {
      updates++;
      assert(record!.loss > 0);
      if (++made === 3) stop.abort();
    }
    const found = await study;
    complete = found.complete;
    if (!complete) stops++;
    else assertEquals(untimed(found), untimed(expected));
  }
  assertEquals(updates, 4 * 4 + 8 * 2, "no update is made twice");
  assert(stops > 5);
  assertEquals(tf.memory().numTensors, before);
  const names = [...Deno.readDirSync(broken)].map(({ name }) => name);
  assertEquals(names.filter((name) => /\.(part|tmp)$/.test(name)), [], "nothing unfinished stays");
  assertEquals(names.filter((name) => name.endsWith(".safetensors")).length, 12, "each run keeps its model");
  assertEquals(names.filter((name) => name.endsWith(".json")).length, 12 + 1, "and study.json");

  const one = JSON.parse(
    await Deno.readTextFile(`${broken}/${names.find((name) => /^sky-.*\.json$/.test(name))}`),
  );
  assertEquals(Object.keys(one), ["format", "key", "settings", "result", "provenance", "training", "sha256"]);
  assert(
    one.provenance.versions.deno === Deno.version.deno && one.provenance.backend.startsWith(tf.getBackend()),
  );
  const written = async () => await Deno.readTextFile(`${broken}/study.json`);
  const first = await written();
  for await (const _ of ablate(small(broken))) throw new Error("all runs are there");
  assertEquals(await written(), first, "a study that found nothing new keeps its date");
  for (const folder of [whole, broken]) await Deno.remove(folder, { recursive: true });
});

Deno.test("a study that keeps the best epochs, stopped again and again, scores the models of these", async () => {
  const [whole, broken] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const before = tf.memory().numTensors;
  const own = (folder: string): StudyOptions => ({
    ...{ ...small(folder), seeds: 1, positions: "learned", lambda: 0 },
    finetune: { ...small(folder).finetune, epochs: 3, rate: 0.1, keep: "best" },
  });
  const scores: number[] = [];
  const unbroken = ablate(own(whole));
  for await (const { record } of unbroken) {
    if (record!.validation !== undefined) scores.push(record!.validation);
  }
  const expected = await unbroken;
  assertEquals([scores.length, expected.complete], [3, true]);
  for (let complete = false; !complete;) {
    const stop = new AbortController();
    const study = ablate({ ...own(broken), signal: stop.signal });
    for await (const _ of study) stop.abort();
    const found = await study;
    complete = found.complete;
    if (complete) assertEquals(untimed(found), untimed(expected));
  }
  const models: Uint8Array[] = [];
  for (const folder of [whole, broken]) {
    const file = [...Deno.readDirSync(folder)].find(({ name }) => /^sky-.*safetensors$/.test(name))!.name;
    const { task, parameters } = await loadModel(`${folder}/${file}`);
    const validation = Math.max(...scores);
    assertEquals(task!.best, { epoch: scores.indexOf(validation) + 1, validation });
    models.push(new Uint8Array(parameters.clf!.weight.dataSync().slice().buffer));
    dispose(parameters);
    await Deno.remove(folder, { recursive: true });
  }
  assertEquals(models[1], models[0]);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("arms side by side find, bit for bit, what they find one after the other", async () => {
  const [one, two] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const alone = await ablate(small(one));
  let [last, steps] = [0, 0];
  const study = ablate({ ...small(two), workers: 2 });
  for await (const { done, finished, runs } of study) {
    assert(done >= last && done <= 1 && finished <= runs, "progress only grows");
    last = done;
    steps++;
  }
  const beside = await study;
  assertEquals([untimed(beside), beside.failures], [untimed(alone), []]);
  assert(last === 1 && steps >= 12);
  for (const folder of [one, two]) await Deno.remove(folder, { recursive: true });
});

Deno.test("a worker that fails costs its own arm only and says so; the next call makes up for it", async () => {
  const folder = await Deno.makeTempDir();
  const options = { ...small(folder), workers: 2 };
  // A folder stands where one arm's checkpoint has to go.
  const names: string[] = [];
  const first = ablate({ ...options, seeds: 1, positions: ["learned"], workers: 1 });
  for await (const { run } of first) names.push(run);
  const result = [...Deno.readDirSync(folder)].find(({ name }) => /^pretrain-.*json$/.test(name))!.name;
  await Deno.remove(`${folder}/${result}`);
  const model = [...Deno.readDirSync(folder)].find(({ name }) => /^pretrain-.*safetensors$/.test(name))!.name;
  await Deno.remove(`${folder}/${model}`);
  const obstacle = `${folder}/${model.replace(/safetensors$/, "part")}`;
  await Deno.mkdir(obstacle);
  const study = await ablate(options);
  assertEquals([study.complete, study.failures.length, study.pretrained.length], [false, 1, 3]);
  assert(/^Cannot finish .*: Cannot (read|write) .*part/.test(study.failures[0]!), study.failures[0]);
  await Deno.remove(obstacle);
  const again = await ablate(options);
  assertEquals([again.complete, again.failures, again.pretrained.length], [true, [], 4]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "a worker that is killed is replaced and named, and one that is stopped, too (needs ps)",
  ignore: !await processes(),
  async fn() {
    const [one, two] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
    const own = (folder: string) => ({
      ...small(folder),
      ...{ workers: 2, seeds: 1, lambda: 0, saveEvery: 50 },
      pretrain: { ...small(folder).pretrain!, updates: 1500 }, // Both are at work for seconds.
    });
    const { warn } = console;
    const warned: string[] = [];
    console.warn = (text: string) => warned.push(text);
    try {
      const whole = await ablate({ ...own(one), workers: 1 });
      const study = ablate(own(two));
      const kills: string[] = [];
      for await (const { run } of study) {
        if (kills.length === 2 || !run.startsWith("pretrain") || kills.includes(run)) continue;
        const workers = (await processes())!.filter(({ command, state }) =>
          command.includes(`--allow-write=${two} `) && state !== "Z"
        );
        Deno.kill(workers[0]!.id, kills.length === 0 ? "SIGKILL" : "SIGTERM");
        kills.push(run);
      }
      const found = await study;
      assertEquals([found.complete, found.failures, kills.length], [true, [], 2]);
      assertEquals(untimed(found), untimed(whole));
      const named = warned.filter((text) =>
        /^Warning: process \d+ (was|exited) .* during .*: another process/.test(text)
      );
      assertEquals(
        [named.length, named.some((text) => text.includes("was killed by SIGKILL"))],
        [2, true],
        warned.join("\n"),
      );
      const left = [...Deno.readDirSync(two)].filter(({ name }) => /claim|part|tmp/.test(name));
      assertEquals(left.map(({ name }) => name), []);
    } finally {
      console.warn = warn;
    }
    for (const folder of [one, two]) await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("a study with another setting does not take over results of the first", async () => {
  const folder = await Deno.makeTempDir();
  await ablate({ ...small(folder), seeds: 1 });
  let updates = 0;
  for await (const _ of ablate({ ...small(folder), seeds: 1, lambda: [0, 1] })) updates++;
  assertEquals(updates, 2 * 2, "only the arms of the new λ are run");
  await Deno.remove(folder, { recursive: true });
});

const one = { loss: 1, perplexity: Math.E, bitsPerCharacter: 2 };
const score = { ...one, tokens: 1, unknown: 0, losses: Float32Array.of(1), low: one, high: one };
const baselines = {
  unigram: { ...score, bitsPerCharacter: 3 },
  bigram: { ...score, bitsPerCharacter: 2.5 },
  kneserNey: { ...score, bitsPerCharacter: 1.7 },
};
const model = "gpt1";
const read = (
  positions: string | null,
  seed: number,
  heldout: Pretrained["heldout"],
  of = model,
): Pretrained => ({
  levels: { model: of, positions, lambda: null, transfer: null },
  ...{ seed, tuned: {}, stuck: false },
  ...heldout && { heldout, baselines },
});
const run = (
  positions: string | null,
  lambda: number,
  seed: number,
  value: number,
  of = model,
): Finetuned => ({
  task: "sky",
  levels: { model: of, positions, lambda, transfer: "all" },
  seed,
  tuned: {},
  measure: "accuracy",
  measures: {},
  value,
  ...{ low: 0, high: 1, constant: 0.5, stuck: false },
  ...{ loss: 1, examples: 100, cut: 0, unknown: 0 },
});
const studyWith = (
  pretrained: readonly Pretrained[],
  finetuned: readonly Finetuned[],
  study: StudyOptions = {},
) =>
  studyOf({
    study: { ...settleStudy(studies.ablate, study) },
    ...{ pretrained, finetuned, tried: [], choices: 0, complete: true, failures: [] },
  });

Deno.test("tables hold means, intervals and paired differences as worked out by hand", () => {
  const study = studyWith(
    [1, 2].flatMap((seed) => [
      read("learned", seed, { ...score, bitsPerCharacter: 1.8 }),
      read("sinusoidal", seed, { ...score, bitsPerCharacter: 1.8 + seed / 10 }),
    ]),
    [
      run("learned", 0, 1, 0.5),
      run("learned", 0.5, 1, 0.6),
      run("learned", 0, 2, 0.7),
      run("learned", 0.5, 2, 0.81),
      run("sinusoidal", 0, 1, 0.4),
    ],
  );
  assertEquals(study.language.array("model"), [
    "unigram baseline",
    "bigram baseline",
    "Kneser–Ney baseline",
    "learned",
    "sinusoidal",
  ]);
  assertEquals(study.table.array("n"), [2, 2, 1]);
  assertEquals(
    study.scores.slice(3).map(({ where, name, values, constant }) => [where, name, values, constant]),
    [
      ["held-out text", "learned", [1.8, 1.8], undefined],
      ["held-out text", "sinusoidal", [1.8 + 0.1, 1.8 + 0.2], undefined],
      ["sky", "learned, λ = 0", [50, 70], 50],
      ["sky", "learned, λ = 0.5", [60, 81], 50],
      ["sky", "sinusoidal, λ = 0", [40], 50],
    ],
  );
  assertEquals(study.effects.at(-1)!.difference, "λ = 0.5 − λ = 0");
  assertEquals(study.effects.map(({ where }) => where).slice(-2), ["sky, λ = 0", "sky, learned"]);
  // 12.7062 · 0.005: the t quantile of one degree of freedom times the standard error of 10 and 11 points.
  const seeds = "2 seeds without the examples' noise";
  assertEquals(study.findings, [
    `held-out text: learned − bigram baseline = −0.70 [−0.70, −0.70] bits per character, ${seeds}: no variation, cannot tell`,
    `held-out text: sinusoidal − bigram baseline = −0.55 [−1.19, 0.09] bits per character, ${seeds}: not significant, p = 0.17; 80 % power at ±1.28`,
    `held-out text: learned − Kneser–Ney baseline = +0.10 [0.10, 0.10] bits per character, ${seeds}: no variation, cannot tell`,
    `held-out text: sinusoidal − Kneser–Ney baseline = +0.25 [−0.39, 0.89] bits per character, ${seeds}: not significant, p = 0.25; 80 % power at ±1.28`,
    `held-out text: learned − sinusoidal = −0.15 [−0.79, 0.49] bits per character, ${seeds}: not significant, p = 0.25; 80 % power at ±1.28`,
    "sky, λ = 0: learned − sinusoidal = +10.00 points of accuracy, 1 seed: one seed cannot tell",
    `sky, learned: λ = 0.5 − λ = 0 = +10.5 [4.1, 16.9] points of accuracy, ${seeds}: not significant, p = 0.12; 80 % power at ±12.8`,
  ]);
});

Deno.test("what models do without fine-tuning stands beside what they do with it", async () => {
  const folder = await Deno.makeTempDir();
  const choices = rows.map(({ text, label }) => ({
    context: text,
    choices: ["rain wind", "wind calm"],
    label,
  }));
  const choice: Task = {
    ...{ ...task, name: "weather", kind: "choice" },
    ...{ train: choices, validation: choices, test: choices },
  };
  const options: StudyOptions = { ...small(folder), lambda: [0], zeroShot: [choice] };
  const found = await ablate(options);
  assertEquals(
    found.scores.filter(({ where }) => where === "weather").map((
      { name, unit, n, constant },
    ) => [name, unit, n, constant]),
    [["learned, zero-shot", "accuracy, %", 2, 50], [
      "sinusoidal, zero-shot",
      "accuracy, %",
      2,
      50,
    ]],
  );
  assertEquals(found.effects.at(-1)!.where, "weather, zero-shot");
  for await (const _ of ablate(options)) throw new Error("all runs are there");
  // Another test is another run.
  const fewer = { ...choice, test: choice.test.slice(1) };
  assertEquals((await ablate({ ...options, zeroShot: [fewer] })).pretrained[0]!.zeroShot![0]!.examples, 15);
  await Deno.remove(folder, { recursive: true });

  const answer = (seed: number, value: number): Pretrained => ({
    ...read("learned", seed, score),
    zeroShot: [{
      ...{ task: "sky", measure: "accuracy", measures: {}, value, low: 0, high: 1 },
      ...{ examples: 16, constant: 0.5, stuck: false },
    }],
  });
  const both = studyWith(
    [answer(1, 0.4), answer(2, 0.4)],
    [run("learned", 0, 1, 0.5), run("learned", 0, 2, 0.6)],
  );
  // 12.7062 · 0.05: as below.
  assert(
    both.findings.at(-1)!.startsWith(
      "sky: pre-trained − zero-shot = +15 [−49, 79] points of accuracy, 2 seeds without the examples' noise: " +
        "not significant, p = 0.2",
    ),
    both.findings.at(-1),
  );
});

Deno.test("an LSTM, which has no positions, is compared with models of any", () => {
  const study = studyWith(
    [read("learned", 1, score), read(null, 1, score, "lstm")],
    [run("learned", 0, 1, 0.5), run(null, 0, 1, 0.4, "lstm")],
    { models: ["gpt1", "lstm"] },
  );
  assertEquals(study.language.array("model").slice(3), ["gpt1", "lstm"]);
  assertEquals(study.table.columnNames().slice(0, 3), ["task", "measure", "model"]);
  assertEquals(study.findings.slice(-2), [
    "held-out text: gpt1 − lstm = 0.00 bits per character, 1 seed: one seed cannot tell",
    "sky: gpt1 − lstm = +10.00 points of accuracy, 1 seed: one seed cannot tell",
  ]);
});

Deno.test("a study's runs are a table: a row per run with full precision, and a CSV in one call", () => {
  const trained = { updates: 4, batch: 2 };
  const part = { loss: 0.5, perplexity: 2, bitsPerCharacter: 1.7 };
  const heldout = { ...score, loss: 1, bitsPerCharacter: 1 / 3, low: part, high: part };
  const zeroShot: Pretrained["zeroShot"] = [{
    ...{ task: "sky", measure: "accuracy", measures: {}, value: 0.25, low: 0, high: 1 },
    ...{ examples: 16, constant: 0.5, stuck: true },
  }];
  const budget = { ...trained, tokens: 96, flops: 1e6, seconds: 1.5 };
  const { runs } = studyWith(
    [
      { ...read("learned", 1, heldout), zeroShot, trained: budget },
      read("learned", 1, undefined, "bert"),
      read(null, 1, heldout, "lstm"),
    ],
    [{
      ...run("learned", 0.5, 2, 0.1 + 0.2),
      trained: budget,
      validation: { value: 0.4, low: 0.3, high: 0.5 },
      tuned: { "finetune.rate": 1e-3 },
    }],
    { tune: { "finetune.rate": [1e-3, 3e-3] } },
  );
  assertEquals(runs.toCSV().trim().split("\n"), [
    "model,positions,lambda,transfer,seed,task,measure,score,low,high,validation,baseline,stuck,examples,loss," +
    "updates,batch,tokens,flops,seconds,finetune.rate",
    "gpt1,learned,,,1,held-out text,bits per character,0.3333333333333333,1.7,1.7,,3,false,,1,4,2,96,1000000,1.5,",
    "lstm,,,,1,held-out text,bits per character,0.3333333333333333,1.7,1.7,,3,false,,1,,,,,,",
    "gpt1,learned,0.5,all,2,sky,accuracy,0.30000000000000004,0,1,0.4,0.5,false,100,1,4,2,96,1000000,1.5,0.001",
    "gpt1,learned,,zero-shot,1,sky,accuracy,0.25,0,1,,0.5,true,16,,,,,,,",
    "bert,learned,,,1,held-out text,bits per character,,,,,,,,,,,,,,",
  ]);
});

Deno.test("a study that begins with the kit's models fine-tunes them, seed by seed, and pre-trains nothing", async () => {
  const folder = await Deno.makeTempDir();
  const options: StudyOptions = { ...small(folder), pretrained: "mini", seeds: 2, positions: ["learned"] };
  const before = tf.memory().numTensors;
  const found = await ablate(options);
  assertEquals(tf.memory().numTensors, before);
  assertEquals([found.complete, found.pretrained, found.language.numRows()], [true, [], 0]);
  assertEquals(found.finetuned.map(({ levels, seed }) => [levels["lambda"], seed]), [
    [0, 1],
    [0.5, 1],
    [0, 2],
    [0.5, 2],
  ]);
  assertEquals(new Set(found.finetuned.map(({ loss }) => loss)).size, 4);
  assert(!found.report.includes("Held-out") && found.report.includes("sky: λ = 0.5 − λ = 0"));
  for await (const _ of ablate(options)) throw new Error("all runs are there");
  await assertRefused(
    () => ablate({ ...options, zeroShot: ["kind"] }),
    /^Cannot use zeroShot in a study of "mini" as it is evaluated after pre-training: call the function zeroShot$/,
  );
  await assertRefused(
    () => ablate({ ...options, positions: ["learned", "none"] }),
    /^Cannot run a study of none with pre-trained model "mini" as the included models are gpt1: mini with positions learned or sinusoidal$/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a study that cannot be run is refused before anything is read", async () => {
  const folder = await Deno.makeTempDir();
  await assertRefused(() => ablate({ ...small(folder), lambda: [0, -1] }), /with lambda -1 as /);
  await assertRefused(
    () => ablate({ ...small(folder), lambda: [] }),
    /^Cannot run a study with lambda \[\] as it must hold at least one value, and none twice$/,
  );
  await assertRefused(() => ablate({ ...small(folder), seeds: 0 }), /^Cannot run a study with seeds 0 as /);
  await assertRefused(
    () => ablate({ ...small(folder), positions: ["none", "none"] }),
    /^Cannot run a study with positions \["none","none"\] as it must hold at least one value, and none twice$/,
  );
  await assertRefused(() => ablate({ ...small(folder), tasks: ["nothing"] }), /"nothing"/);
  for (
    const [change, message] of [
      [{ lamda: [0], seed: 5 }, /lamda as there is no such option: did you mean lambda\?$/],
      [{ seed: 5 }, /seed as there is no such option: did you mean seeds\?$/],
      [{ finetune: { dropout: -1 } }, /with finetune\.dropout -1 as it must be a number from 0 to below 1$/],
      [{ pretrain: { updates: 5, step: 1 } }, /with pretrain\.step as there is no such option: .*$/],
      [{ preset: { layers: "2" } }, /with preset\.layers "2" as it must be a whole number from 1 to 1,000$/],
      [{ heldoutWindows: 0 }, /with heldoutWindows 0 as it must be a whole number from 1, or all/],
      [{ workers: 0.5 }, /with workers 0\.5 as it must be a whole number from 1 to 256$/],
      [
        { seeds: 1e9 },
        /with seeds 1000000000 as it must be a whole number from 1 to 1,000, or a list of different seeds$/,
      ],
      [{ folder: 5 }, /with folder 5 as it must be a text that is not empty$/],
      [{ signal: {} }, /with signal \{\} as it must be an AbortSignal$/],
      [{ transfer: 9 }, /^Cannot transfer 9 layers as their number must be /],
    ] as const
  ) {
    await assertRefused(() => ablate({ ...small(folder), ...change as object }), message);
  }
  await Deno.writeTextFile(`${folder}/file`, "");
  await assertRefused(() => ablate({ ...small(`${folder}/file/x`) }), /^Cannot write .*file\/x/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("one value stands for a list of one, and of a group what is not given stays the study's own", () => {
  const settled = settleStudy(studies.compare, {
    ...{ lambda: 0.5, positions: "none", models: "gpt2", transfer: -1, zeroShot: task },
    ...{ tasks: undefined as never, pretrain: { updates: 7 }, preset: { heads: 2 } },
  });
  const { preset, pretrain, tasks } = studies.compare;
  assertEquals(settled, {
    ...studies.compare,
    ...{ lambda: [0.5], positions: ["none"], models: ["gpt2"], transfer: [-1], zeroShot: [task], tasks },
    ...{ pretrain: { ...pretrain, updates: 7 }, preset: { ...preset, heads: 2 } },
  });
  for (const study of Object.values(studies)) {
    assertEquals(
      JSON.stringify(settleStudy(study, {})),
      JSON.stringify(study),
      "nothing given changes nothing",
    );
  }
});
