/** A result belongs to exactly what it was made from. */
import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { backend, keyOf, words as draws } from "../../lib/engine/mod.ts";
import { isPretraining, type PlannedRun } from "../../lib/study/plan.ts";
import {
  ablate,
  type Predictions,
  type Study,
  type StudyOptions,
  type StudySettings,
} from "../../lib/study/mod.ts";
import { planOf } from "../../lib/study/tuning.ts";
import { keys, store, stored } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { corpus, sky, text, untimed, weather, words } from "./weather.ts";

await backend();

const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    text: `${words[(i + from) % 10]} ${words[(3 * i + from) % 10]} ${i % 2 ? "warm" : "cold"}`,
    label: i % 2,
  }));
const task = sky(rows(24), rows(8, 1), rows(16, 2));
const small: StudySettings = {
  ...weather,
  positions: ["learned"],
  lambda: [0.5],
  seeds: 1,
  tasks: [task],
  finetune: { ...weather.finetune, rate: 1e-2, dropout: 0.1 },
  trainExamples: 24,
  testExamples: 16,
};

/** A study in a folder of its own, and again with something changed: how many updates that took, and both results. */
async function again(
  change: Partial<StudySettings>,
): Promise<{ updates: number; before: Study; after: Study }> {
  const folder = await Deno.makeTempDir();
  try {
    const before = await ablate({ ...small, folder, workers: 1 });
    let updates = 0;
    const second = ablate({ ...small, ...change, folder, workers: 1 });
    for await (const _ of second) updates++;
    return { updates, before, after: await second };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a longer window of the loss by position is read by the models that are there, if their positions can", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const both = {
      ...small,
      positions: ["learned", "sinusoidal"],
      tasks: [],
      lambda: [0],
      folder,
      workers: 1,
    } as const;
    const before = await ablate(both);
    let updates = 0;
    const run = ablate({ ...both, heldoutContext: 30 });
    for await (const _ of run) updates++;
    const { pretrained, byPosition } = await run;
    assertEquals(updates, 0);
    assertEquals(pretrained.map(({ byPosition }) => byPosition!.length), [11, 29]);
    assertEquals(pretrained[0], before.pretrained[0]);
    assertEquals(pretrained[1]!.heldout, before.pretrained[1]!.heldout);
    const bins = 30; // One a position.
    assertEquals(byPosition("positions", { bins }).map(({ x }) => x.length), [11, 29]);
    assertEquals(
      byPosition("positions", { bins, minus: "learned" }).map(({ x, y }) => [x.length, y.length]),
      [[11, 11]],
    );
    await assertRefused(
      () => ablate({ ...both, heldoutContext: 6000 }),
      /^Cannot .* 6000/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("other test labels are scored, by the model that is there", async () => {
  const test = task.test.map((example) => ({ ...example, label: 1 - example.label })) as Task["test"];
  const { updates, before, after } = await again({ tasks: [{ ...task, test } as Task] });
  assertEquals(updates, 0);
  assertEquals(after.finetuned[0]!.value, 1 - before.finetuned[0]!.value);
  const [old, now] = [before, after].map(({ finetuned: [run] }) => {
    const { examples, predictions } = run!.answers!;
    return Array.from(task.test.keys(), (i) => predictions[examples.indexOf(i)]);
  });
  assertEquals(now, old);
});

Deno.test("other measures, and other test texts, are scored by the model that is there", async () => {
  const f1 = await again({ tasks: [{ ...task, measures: ["f1"] }] });
  assertEquals([f1.updates, f1.after.finetuned[0]!.measure], [0, "f1"]);
  const fewer = await again({ tasks: [{ ...task, test: rows(6, 3) } as Task] });
  assertEquals([fewer.updates, fewer.after.finetuned[0]!.examples], [0, 6]);
});

Deno.test("another held-out text is scored, by the model that is there, as the baselines beside it are", async () => {
  const heldout = "a storm of quite another kind came over the hills that night ".repeat(12);
  const { updates, before, after } = await again({ corpus: { ...corpus, heldout } });
  assertEquals(updates, 0);
  const [old, now] = [before, after].map(({ pretrained }) => pretrained[0]!.heldout!);
  assert(
    now!.bitsPerCharacter > old!.bitsPerCharacter,
    `${now!.bitsPerCharacter} after ${old!.bitsPerCharacter}`,
  );
  const [first, then] = [before, after].map(({ pretrained }) => pretrained[0]!.baselines!);
  assert(then!.bigram.bitsPerCharacter > first!.bigram.bitsPerCharacter);
});

Deno.test("other training texts are another training", async () => {
  const { updates, after } = await again({ tasks: [{ ...task, train: rows(23, 1) } as Task] });
  assertEquals([updates, after.finetuned.length], [2, 1]);
  const corpora = await again({ corpus: { ...corpus, train: text.slice(1) } });
  assertEquals([corpora.updates, corpora.after.pretrained.length], [4 + 3, 1]);
});

Deno.test("a run keeps its answer and scores for each test example, and its loss on each held-out window", async () => {
  const { before: { pretrained: [reader], finetuned: [run] } } = await again({});
  const { predictions, scores, width, examples } = run!.answers as Required<Predictions>;
  assertEquals([predictions.length, scores.length, width], [16, 32, 2]);
  const right = predictions.filter((label, i) => label === task.test[examples[i]!]!.label).length;
  assertEquals(right / 16, run!.value);
  predictions.forEach((label, i) => assert(scores[2 * i + label]! >= scores[2 * i + 1 - label]!));
  const { losses = new Float32Array(), loss } = reader!.heldout!;
  assert(losses.length > 3 && Math.abs(losses.reduce((a, b) => a + b) / losses.length - loss) < 1e-5);
  const [reading, tuning] = [reader!, run!].map(({ trained }) => ({ ...trained!, seconds: 1 }));
  assertEquals(reading, {
    updates: 4,
    batch: 2,
    tokens: 4 * 2 * 12,
    flops: 6 * 96 * (1424 - 12 * 8),
    seconds: 1,
  });
  const tokens = 245;
  assertEquals(tuning, {
    updates: 3,
    batch: 8,
    examples: 24,
    tokens,
    flops: 6 * tokens * (1424 - 12 * 8),
    seconds: 1,
  });
});

Deno.test("grades are kept to the last digit, of which their ranks are made", async () => {
  const graded = (split: Task["train"]) => split.map((row, i) => ({ ...row, label: (i % 5) / 4 }));
  const { train, validation, test } = task;
  const measures = ["spearman", "pearson"] as const;
  const grades = {
    ...task,
    train: graded(train),
    validation: graded(validation),
    test: graded(test),
    measures,
  };
  const { updates, before, after } = await again({ tasks: [grades as Task] });
  assertEquals([updates, before.finetuned.length], [3, 1]);
  const options = { ...small, tasks: [grades as Task], workers: 1, folder: await Deno.makeTempDir() };
  assertEquals(untimed(await ablate(options)), untimed(after));
  for await (const _ of ablate(options)) throw new Error("all runs are there");
  assert(after.finetuned[0]!.answers!.predictions instanceof Float64Array);
  await Deno.remove(options.folder, { recursive: true });
});

Deno.test("a report says how much of each task's texts was cut and unknown, a sentence a task", async () => {
  const folder = await Deno.makeTempDir();
  const long = task.test.map((row) => ({ ...row, text: `${"sun rain wind snow ".repeat(4)}日` }));
  const study = await ablate({ ...small, tasks: [{ ...task, test: long } as Task], folder, workers: 1 });
  const [{ texts, cut, unknown }] = study.finetuned as [Study["finetuned"][0]];
  assertEquals([texts, cut], [48, 16]);
  assert(
    study.report.includes(
      `Of sky, 16 of 48 texts were cut to fit the context, and ${
        (100 * unknown!).toFixed(1)
      } % of tokens are \`<unk>\`.`,
    ),
  );
  assert(!(await ablate({ ...small, folder, workers: 1 })).report.includes("Of sky"));
  const vary = { context: [60, 12] }, tasks = [{ ...task, test: long } as Task];
  const both = await ablate({ ...small, tasks, vary, folder, workers: 1 });
  assert(both.report.includes("Of sky, 0 to 16 of 48 texts were cut to fit the context"), both.report);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an encoder, which answers no task without fine-tuning, stands in a study of models that do", async () => {
  const folder = await Deno.makeTempDir();
  const options = {
    ...small,
    models: ["gpt1", "bert"] as const,
    lambda: [0],
    zeroShot: [choice],
    folder,
    workers: 1,
  };
  const { complete, pretrained } = await ablate(options);
  assertEquals([complete, ...pretrained.map(({ zeroShot }) => zeroShot?.length)], [true, 1, undefined]);
  for await (const _ of ablate(options)) throw new Error("all runs are there");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("fewer merges than were asked for are told", async () => {
  const warned: string[] = [], { warn } = console;
  console.warn = (text: string) => warned.push(text);
  try {
    await keysOf({ ...small, merges: 5000 });
  } finally {
    console.warn = warn;
  }
  assert(
    warned.some((text) =>
      /^Warning: the corpus has only \d+ pairs to merge of the 5000 requested$/.test(text)
    ),
  );
});

Deno.test("a batch larger than the data is told as large as it was", async () => {
  const folder = await Deno.makeTempDir();
  const finetune = { ...small.finetune, batch: 500 };
  const { finetuned: [run] } = await ablate({ ...small, finetune, folder, workers: 1 });
  const { updates, batch, examples } = run!.trained!;
  assertEquals({ updates, batch, examples }, { updates: 1, batch: 24, examples: 24 });
  await Deno.remove(folder, { recursive: true });
});

/** Draws, from which tests generate what they try: the same at each run. */
function drawing(name: string) {
  let at = 0;
  return (below: number) => draws(keyOf(0, name, at++), 2)[0]! % below;
}

/** The first fine-tuning of a study. */
async function finetuningOf(study: StudySettings): Promise<PlannedRun> {
  return (await planOf(study)).runs.find((run) => !isPretraining(run))!;
}

/** Keys of a study's runs: of what is trained and of what is found. */
async function keysOf(study: StudySettings): Promise<{ trained: string[]; found: string[] }> {
  const { runs } = await planOf(study);
  return { trained: runs.map(({ trained }) => trained), found: runs.map(({ key }) => key) };
}

Deno.test("two studies that differ in one thing that a run reads have no run in common where it is read", async () => {
  const draw = drawing("differences");
  const own = await keysOf({ ...small, zeroShot: [choice] });
  const changed = (value: string) => {
    const at = draw(value.length);
    const other = String.fromCharCode(97 + (value.charCodeAt(at) + 1 + draw(24)) % 26);
    return value.slice(0, at) + (value[at] === other ? "Q" : other) + value.slice(at + 1);
  };
  const replaced = <T>(list: readonly T[], change: (item: T) => T) => {
    const at = draw(list.length);
    return list.map((item, i) => i === at ? change(item) : item);
  };
  const example = (split: "train" | "test", what: "text" | "label") => ({
    tasks: [{
      ...task,
      [split]: replaced(
        task[split] as ReturnType<typeof rows>,
        (row) => what === "text" ? { ...row, text: changed(row.text) } : { ...row, label: 1 - row.label },
      ),
    } as Task],
  });
  const { preset, pretrain, finetune } = small;
  type Change = [of: "pretrained" | "finetuned" | "both", part: "trained" | "found", Partial<StudySettings>];
  const number = (value: number) => value * (1 + 2 ** -(1 + draw(20)));
  const changes: (() => Change)[] = [
    () => ["finetuned", "trained", example("train", "text")],
    () => ["finetuned", "trained", example("train", "label")],
    () => ["finetuned", "found", example("test", "text")],
    () => ["finetuned", "found", example("test", "label")],
    () => ["finetuned", "found", { tasks: [{ ...task, validation: rows(8, 2 + draw(6)) } as Task] }],
    () => ["finetuned", "trained", { tasks: [{ ...task, labels: replaced(task.labels, changed) }] }],
    () => ["finetuned", "found", { tasks: [{ ...task, measures: draw(2) ? ["f1"] : ["accuracy", "f1"] }] }],
    () => ["finetuned", "trained", { trainExamples: 1 + draw(23) }],
    () => ["finetuned", "found", { testExamples: 9 + draw(7) }],
    () => ["both", "trained", { corpus: { ...corpus, train: changed(text) } }],
    () => ["pretrained", "found", { corpus: { ...corpus, heldout: changed(corpus.heldout) } }],
    () => ["pretrained", "found", { heldoutWindows: 1 + draw(15) }],
    () => ["pretrained", "found", {
      zeroShot: [{ ...choice, test: replaced(choice.test, reworded) } as Task],
    }],
    () => ["both", "trained", { merges: 1 + draw(19) }],
    () => ["both", "trained", { preset: { ...preset, width: 2 * (5 + draw(50)) } }],
    () => ["both", "trained", { preset: { ...preset, heads: 1 + 3 * draw(2) } }],
    () => ["both", "trained", { preset: { ...preset, layers: 2 + draw(9) } }],
    () => ["both", "trained", { preset: { ...preset, context: 13 + draw(9) } }],
    () => ["both", "trained", { preset: { ...preset, variant: "paper" } }],
    () => ["both", "trained", { preset: { ...preset, positions: { ...preset.positions, scale: "raw" } } }],
    () => ["both", "trained", { positions: [(["sinusoidal", "none", "random-frozen"] as const)[draw(3)]!] }],
    () => ["both", "trained", { models: ["gpt2"] }],
    ...(["rate", "warmup", "decay", "clip", "dropout", "updates", "batch"] as const).map(
      (name) => (): Change => {
        const whole = name === "updates" || name === "batch";
        const value = whole ? pretrain[name] + 1 + draw(9) : number(pretrain[name] || 0.25);
        return ["both", "trained", { pretrain: { ...pretrain, [name]: value } }];
      },
    ),
    () => ["both", "trained", { pretrain: { ...pretrain, schedule: "warmup_constant" } }],
    ...(["rate", "warmup", "decay", "clip", "dropout", "epochs", "batch"] as const).map(
      (name) => (): Change => {
        const whole = name === "epochs" || name === "batch";
        const value = whole ? finetune[name] + 1 + draw(9) : number(finetune[name] || 0.25);
        return ["finetuned", "trained", { finetune: { ...finetune, [name]: value } }];
      },
    ),
    () => ["finetuned", "trained", { finetune: { ...finetune, schedule: "warmup_constant" } }],
    () => ["finetuned", "trained", { finetune: { ...finetune, keep: "best" } }],
    () => ["finetuned", "trained", { finetune: { ...finetune, lambdaSchedule: "linear" } }],
    () => ["finetuned", "trained", { finetune: { ...finetune, adaptEpochs: 1 + draw(9) } }],
    () => ["finetuned", "trained", { lambda: [number(0.5)] }],
    () => ["finetuned", "trained", { transfer: [-draw(2)] }],
  ];
  const PAIRS = 1000;
  const [reader, tuned] = [0, 1];
  for (let pair = 0; pair < PAIRS; pair++) {
    const [of, part, change] = changes[pair % changes.length]!();
    const other = await keysOf({ ...small, zeroShot: [choice], ...change });
    const told = `${JSON.stringify(change).slice(0, 300)}`;
    for (const run of [...of !== "finetuned" ? [reader] : [], ...of !== "pretrained" ? [tuned] : []]) {
      assert(own.found[run] !== other.found[run], `${told} leaves the key of run ${run}`);
      const trains = own.trained[run] !== other.trained[run];
      assertEquals(trains, part === "trained", `${told}: whether run ${run} is trained again`);
    }
    if (of === "finetuned") assertEquals(own.found[reader], other.found[reader], told);
    if (of === "pretrained") assertEquals(own.found[tuned], other.found[tuned], told);
  }
});

const reworded = (row: unknown) => ({ ...(row as { context: string }), context: "storm rain" });
const choices = rows(8).map(({ text, label }) => ({
  context: text,
  choices: ["rain wind", "wind calm"],
  label,
}));
const choice: Task = {
  ...task,
  name: "weather",
  kind: "choice",
  train: choices,
  validation: choices,
  test: choices,
};

Deno.test("a text whose words stand in another order is another text, though its tokenizer is the same", async () => {
  const train = text.split(" ").reverse().join(" ");
  const [one, other] = [await planOf(small), await planOf({ ...small, corpus: { ...corpus, train } })];
  assertEquals(JSON.stringify(one.tokenizers), JSON.stringify(other.tokenizers));
  assert(one.runs[0]!.trained !== other.runs[0]!.trained);
});

Deno.test("fine-tunings of one model that comes with the kit have a key for each seed and each such model", async () => {
  const positions = ["learned", "sinusoidal"] as const;
  const { trained } = await keysOf({ ...small, pretrained: "mini", positions, seeds: 2 });
  assertEquals(new Set(trained).size, 4);
});

Deno.test("keys are what they were, so that no result is computed again for nothing", async () => {
  const key = keys().keyOf({
    seed: 1,
    options: { rate: 0.001, batch: Infinity },
    text: "Ahab",
    ids: Int32Array.of(1, 2),
  });
  assertEquals(key, "255eaf76d42c7f33767a1f2b4b29d457992ca684ffc2e6743437492da46d5fa0");
  const { trained: [, trained], found: [, found] } = await keysOf(small);
  assertEquals([small.finetune.keep, trained, found], [
    "last",
    "25fe040a9aceeb0f43c59eab6ec900239825e5caa6468dea2059624e78da1681",
    "b641d52a022580910bcc6425305ea668f08888e149c294f4fae0b3c210b4658f",
  ]);
  for (
    const [keep, lambda, trained] of [
      ["best", 0.5, "412d3640ebbcff5c2fead0629edb308aa41317c0411f622f33e9f6edf88dcb32"],
      ["last", 0, "9ff066f1c217843ce2b62ad55d3906c98d9412a32408895bc362205654cc4444"],
      ["best", 0, "c793300ac76e0db41e6d7bda9b5dc56f4bcbab43aab5bf305d5ef8474b36b896"],
    ] as const
  ) {
    const finetune = { ...small.finetune, keep };
    const found = await keysOf({ ...small, lambda: [lambda], finetune });
    assertEquals(found.trained[1], trained, `keep ${keep}, λ = ${lambda}`);
  }
});

Deno.test("validation examples and the primary metric are in a training's key where they choose its epoch", async () => {
  const best = { ...small, finetune: { ...small.finetune, keep: "best" as const } };
  const of = async (change: Partial<Task>, study: StudySettings = best) => {
    const { trained: [, trained], found: [, found] } = await keysOf({
      ...study,
      tasks: [{ ...task, ...change } as Task],
    });
    return { trained, found };
  };
  const own = await of({}), validation = rows(8, 4);
  const last = await of({}, small);
  const others = [await of({ validation }), await of({ measures: ["f1", "accuracy"] }), last];
  assertEquals(new Set([own, ...others].map(({ trained }) => trained)).size, 4);
  assertEquals((await of({ validation }, small)).trained, last.trained);
  const scored = await of({ measures: ["accuracy", "f1"] }); // By another metric, too.
  assertEquals([scored.trained === own.trained, scored.found === own.found], [true, false]);
  assertEquals(await of({ about: "renamed" }), own);
});

Deno.test("what does not matter to a run changes no key", async () => {
  const own = await keysOf(small);
  const same: Partial<StudySettings>[] = [
    { folder: "elsewhere" },
    { saveEvery: 7 },
    { tasks: [{ ...task, source: "another", licence: "CC0", about: "renamed" }] },
    { tasks: [structuredClone(task)] },
    { corpus: { ...corpus, name: "elsewhere/weather.txt", licence: "CC0" } },
    { margins: { points: 1, bits: 0.1 } },
    { seeds: [1] },
    { sample: "once" },
    { vary: { "preset.heads": [small.preset.heads], trainExamples: [24] } },
    { trainExamples: Infinity, testExamples: 1000 },
    { words: 99 },
  ];
  for (const change of same) assertEquals(await keysOf({ ...small, ...change }), own, JSON.stringify(change));
});

Deno.test("what is in no key of a training changes no parameter of it", async () => {
  const folder = await Deno.makeTempDir();
  const bytes: string[] = [];
  const others: Task[] = [
    task,
    { ...task, test: rows(5, 7) } as Task,
    { ...task, validation: rows(5, 4), measures: ["f1"], about: "renamed", source: "another" } as Task,
  ];
  for (const [i, other] of others.entries()) {
    const own = `${folder}/${i}`;
    await ablate({ ...small, tasks: [other], folder: own, workers: 1 });
    const [model] = [...Deno.readDirSync(own)].filter(({ name }) => /^sky-.*safetensors$/.test(name));
    const file = await Deno.readFile(`${own}/${model!.name}`);
    const header = Number(new DataView(file.buffer).getBigUint64(0, true));
    bytes.push(file.subarray(8 + header).toBase64());
  }
  assertEquals(new Set(bytes).size, 1);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a width of the softmax that test texts make is in the key where it is read", async () => {
  const long = [{ text: "sun rain wind snow frost cloud storm calm", label: 0 }];
  const longer = { tasks: [{ ...task, test: [...task.test, ...long] } as Task], testExamples: 99 };
  const trained = async (variant: "clean" | "paper", change: Partial<StudySettings>) => {
    const preset = { ...small.preset, context: 40, variant };
    return (await keysOf({ ...small, preset, ...change })).trained;
  };
  assertEquals(await trained("clean", longer), await trained("clean", {}));
  const [paper, wider] = [await trained("paper", {}), await trained("paper", longer)];
  assertEquals([wider[0] === paper[0], wider[1] === paper[1]], [true, false]);
});

Deno.test("two tasks of one name are refused, with the way out", async () => {
  const few = { ...task, train: rows(8) } as Task;
  await assertRefused(
    () => ablate({ ...small, tasks: [few, task] }),
    /^Cannot run a study of two tasks called "sky": give each a different name, as \{ \.\.\.task, name: "sky-2" \} does$/,
  );
  await assertRefused(() => ablate({ ...small, tasks: [task], zeroShot: [few] }), /two tasks called "sky"/);
  await assertRefused(
    () => ablate({ ...small, tasks: ["kind", { ...task, name: "kind" }] }),
    /called "kind"/,
  );
});

Deno.test("two runs of one name are both made, and counted", async () => {
  const folder = await Deno.makeTempDir();
  const twin = { ...task, name: "sky-gpt2", train: rows(20, 3) } as Task;
  const options = { ...small, models: ["gpt1", "gpt2"] as const, positions: ["sinusoidal"] as const };
  const study = { ...options, lambda: 0, tasks: [task, twin], folder, workers: 1 };
  assertEquals((await ablate(study)).finetuned.length, 4);
  for (const { name } of Deno.readDirSync(folder)) {
    if (!/^sky-gpt2-sinusoidal-.*json$/.test(name)) continue;
    const text = await Deno.readTextFile(`${folder}/${name}`);
    await Deno.remove(`${folder}/${name}`);
    const { complete, finetuned } = await ablate(study);
    assertEquals([complete, finetuned.length], [true, 4]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${folder}/${name}`)).key, JSON.parse(text).key);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("lists are used as they were when a study was asked for", async () => {
  const folder = await Deno.makeTempDir();
  const lambda = [0.5], positions: ("learned" | "none")[] = ["learned"];
  const study = ablate({ ...small, lambda, positions, folder, workers: 1 });
  lambda.push(0.5);
  positions[0] = "none";
  const { finetuned } = await study;
  assertEquals(finetuned.map(({ levels: { lambda, positions } }) => [lambda, positions]), [[0.5, "learned"]]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("columns that the kit does not know, and the order of fields, change no key, no draw, and trouble no worker", async () => {
  const wide = (split: Task["train"]) =>
    split.map((row) => {
      const { text, label } = row as { text: string; label: number };
      return {
        label: label === 0 ? -0 : label,
        id: 7n,
        day: new Date(0),
        text,
        self: {} as unknown,
        note: () => 1,
      };
    });
  for (const limits of [{}, { trainExamples: 7, testExamples: 5 }]) {
    const { train, validation, test } = task;
    const noted = {
      ...task,
      train: wide(train),
      validation: wide(validation),
      test: wide(test),
      note: () => 1,
    };
    const folder = await Deno.makeTempDir();
    const plain = await ablate({ ...small, ...limits, folder, workers: 1 });
    for await (const _ of ablate({ ...small, ...limits, tasks: [noted as unknown as Task], folder })) {
      throw new Error("all runs are there");
    }
    const other = await Deno.makeTempDir();
    const beside = await ablate({
      ...small,
      ...limits,
      tasks: [noted as unknown as Task],
      folder: other,
      workers: 2,
    });
    assertEquals([beside.failures, untimed(beside)], [[], untimed(plain)]);
    for (const each of [folder, other]) await Deno.remove(each, { recursive: true });
  }
});

Deno.test("a model from scratch is not trained again where only the pre-training changes", async () => {
  const pretrain = { ...small.pretrain, updates: 5 };
  const folder = await Deno.makeTempDir();
  const options = { ...small, transfer: [-1], folder, workers: 1 };
  const before = await ablate(options);
  const runs = new Set<string>();
  const study = ablate({ ...options, pretrain });
  for await (const { run } of study) runs.add(run);
  assertEquals([[...runs], (await study).finetuned], [["pretrain-learned-seed1"], before.finetuned]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a model from scratch has another key with another tokenizer or shape", async () => {
  const scratch = { ...small, transfer: [-1] };
  const of = async (change: Partial<StudySettings>) => (await keysOf({ ...scratch, ...change })).trained[1]!;
  const wide = { ...small.preset, width: 16 };
  assertEquals(new Set([await of({}), await of({ merges: 12 }), await of({ preset: wide })]).size, 3);
});

Deno.test("an example that stands twice is two examples", async () => {
  const [one, two] = task.test as [Task["test"][0], Task["test"][0]];
  const { before } = await again({});
  assert(before.complete);
  const folder = await Deno.makeTempDir();
  const test = [one, two, one, two, one, two] as Task["test"];
  const { finetuned: [run] } = await ablate({
    ...small,
    tasks: [{ ...task, test } as Task],
    folder,
    workers: 1,
  });
  assertEquals([...run!.answers!.examples].sort(), [0, 1, 2, 3, 4, 5]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("what cannot be scored is refused before the training", async () => {
  const folder = await Deno.makeTempDir();
  let updates = 0;
  await assertRefused(async () => {
    for await (const _ of ablate({ ...small, corpus: { ...corpus, heldout: "sun" }, folder, workers: 1 })) {
      updates++;
    }
  }, /^Cannot evaluate on \d+ tokens as a window needs 12$/);
  assertEquals(updates, 0);
  await assertRefused(
    () => ablate({ ...small, corpus: { train: text } as unknown as typeof corpus }),
    /^Cannot run a study on a corpus whose heldout must be a text: current value is undefined$/,
  );
  await assertRefused(
    () => ablate({ ...small, tasks: [{ ...task, name: "held-out text" }] }),
    /^Cannot run a study of a task called "held-out text": give it another name$/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("one arm that fails does not keep the others from being made, and the report says so", async () => {
  const folder = await Deno.makeTempDir();
  await ablate({ ...small, folder, workers: 1, seeds: 2 });
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const broken = names.find((name) => /^sky-learned-lambda0\.5-seed1-.*safetensors$/.test(name))!;
  await Deno.writeTextFile(`${folder}/${broken}`, "no model at all");
  const study = await ablate({
    ...small,
    folder,
    workers: 1,
    seeds: 2,
    tasks: [{ ...task, measures: ["f1"] }],
  });
  assertEquals([study.complete, study.finetuned.length, study.failures.length], [false, 1, 1]);
  assert(study.report.startsWith("**Not finished**: Cannot finish sky-learned-lambda0.5-seed1: "));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a report that was changed or removed is written again; a study's seconds are those of its runs", async () => {
  const folder = await Deno.makeTempDir();
  const study = await ablate({ ...small, folder, workers: 1 });
  const path = `${folder}/report.md`;
  for (const change of [() => Deno.writeTextFile(path, "| sky | 99.9 |"), () => Deno.remove(path)]) {
    await change();
    await ablate({ ...small, folder, workers: 1 });
    assertEquals(await Deno.readTextFile(path), study.report);
  }
  const read = async (name: RegExp) => {
    const files = [...Deno.readDirSync(folder)].filter((file) => name.test(file.name));
    const all = await Promise.all(files.map(({ name }) => Deno.readTextFile(`${folder}/${name}`)));
    return all.map((text) => JSON.parse(text)).reduce((sum, { provenance }) => sum + provenance.seconds, 0);
  };
  assert(Math.abs(await read(/^(sky|pretrain).*json$/) - await read(/^study\.json$/)) < 0.06);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a result says what trained its model, though it is asked again by other code; a mixture is told", async () => {
  const folder = await Deno.makeTempDir(), two = { ...small, lambda: [0, 0.5], folder, workers: 1 };
  await ablate(two);
  const { result, key, settings } = await finetuningOf(two);
  const found = (await stored(result, key))!;
  assertEquals(found.training!.code, found.provenance.code);
  assert(/^[0-9a-f]{16}$/.test(found.training!.code!));
  assert(!(await ablate(two)).report.includes("versions of the kit"));
  await store(result, { key, settings }, found.result, 1, { ...found.training!, code: "0".repeat(16) });
  const mixed = await ablate(two);
  assert(mixed.report.startsWith("**Of 2 versions of the kit's code**: "));
  const tuned = { ...two, tune: { "finetune.rate": [1e-3, 2e-3], seeds: 1 } };
  await ablate(tuned);
  await store(result, { key, settings }, found.result, 1, found.training);
  const tried = (await planOf(tuned)).runs.find(({ isTuning }) => isTuning)!;
  const one = (await stored(tried.result, tried.key))!;
  await store(tried.result, tried, one.result, 1, { ...one.training!, code: "0".repeat(16) });
  assert(!(await ablate(tuned)).report.includes("versions of the kit"), "of models that are not compared");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an encoder is fine-tuned with λ = 0, which must be among those that are asked for", async () => {
  await assertRefused(
    () => ablate({ ...small, models: ["gpt1", "bert"], lambda: 0.5 }),
    /^Cannot run a study of bert with lambda \[0\.5\] as it has no L1 and needs λ = 0: add 0$/,
  );
});

Deno.test("two starts that are one are refused: their runs would be counted twice", async () => {
  await assertRefused(
    () => ablate({ ...small, transfer: ["all", 1] }),
    /^Cannot run a study with transfer \["all",1\] as all is 1 layers: each may occur once$/,
  );
  const folder = await Deno.makeTempDir();
  await assertRefused(
    () => ablate({ ...small, folder, pretrained: "mini", transfer: ["all", 4] }),
    /all is 4 layers/,
  );
  await assertRefused(
    () => ablate({ ...small, folder, pretrained: "mini", transfer: 5 }),
    /^Cannot transfer 5 layers/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a preset's settings that a study would pass over are refused", async () => {
  const change = (preset: StudyOptions["preset"]) => () =>
    ablate({ ...small, preset: { ...small.preset, ...preset } });
  await assertRefused(
    change({ architecture: "gpt2" }),
    /^Cannot run a study with preset\.architecture "gpt2" as models determine it: /,
  );
  await assertRefused(
    change({ units: 9 }),
    /^Cannot run a study with preset\.units 9 as models determine them: lstm or/,
  );
  await assertRefused(
    change({ dropout: 0 }),
    /^Cannot run a study with preset\.dropout 0 as pretrain\.dropout and finetune/,
  );
  await assertRefused(
    change({ positions: { kind: "none" } }),
    /^Cannot run a study with preset\.positions\.kind "none" as positions determine it: current ones are learned$/,
  );
});

Deno.test("a task that is changed while its study runs is used as it was when the study was asked for", async () => {
  const folder = await Deno.makeTempDir();
  const mine = structuredClone(task) as { test: { label: number }[] } & Task;
  const study = ablate({ ...small, tasks: [mine], folder, workers: 1 });
  for await (const _ of study) for (const example of mine.test) (example as { label: number }).label = 0;
  const found = await study;
  assertEquals(found.finetuned[0]!.constant, 0.5);
  assertEquals((await ablate({ ...small, folder, workers: 1 })).finetuned, found.finetuned);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a result that was changed, is another's, or cannot be read is refused before anything is computed", async () => {
  const folder = await Deno.makeTempDir();
  const options = { ...small, folder, workers: 1 };
  await ablate(options);
  const name = [...Deno.readDirSync(folder)].find(({ name }) => /^sky-.*json$/.test(name))!.name;
  const other = [...Deno.readDirSync(folder)].find(({ name }) => /^pretrain-.*json$/.test(name))!.name;
  const path = `${folder}/${name}`, whole = await Deno.readTextFile(path);
  const { value } = JSON.parse(whole).result;
  const refused = async (text: string | undefined, why: RegExp) => {
    if (text !== undefined) await Deno.writeTextFile(path, text);
    let updates = 0;
    await assertRefused(async () => {
      for await (const _ of ablate(options)) updates++;
    }, why);
    assertEquals(updates, 0);
  };
  const changed = /^Cannot use .*sky-.*json as a result as it was modified: remove it to run again$/;
  await refused(whole.replace(`"value": ${value}`, '"value": 7.5'), changed);
  await refused(whole.replace(`"value": ${value}`, '"value": 1e999'), changed);
  await refused(whole.replace(/"result": \{[^]*?\n {2}\},/, '"result": {},'), changed);
  await refused(whole.replace('"tfjs": "4.22.0"', '"tfjs": "4.23.0"'), changed);
  await refused(whole.slice(0, -30), /is incomplete: remove it/);
  await refused("null", /is not of format/);
  await refused("{}", /is not of format/);
  await refused(await Deno.readTextFile(`${folder}/${other}`), /is of another run: remove it/);
  await Deno.remove(path);
  await Deno.mkdir(path);
  await refused(undefined, /^Cannot read a result .*sky-.*json: /);
  await Deno.remove(path);
  await Deno.writeTextFile(path, whole);
  await Deno.chmod(path, 0);
  if (await Deno.readTextFile(path).then(() => false, () => true)) { // Root may read anything.
    await refused(undefined, /^Cannot read a result .*sky-.*json: /);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a result whose checksum was made to fit is refused where its numbers cannot be", async () => {
  const folder = await Deno.makeTempDir();
  const options = { ...small, folder, workers: 1 };
  await ablate(options);
  const { result: path, key, settings } = await finetuningOf({ ...small, folder });
  const found = await stored<Record<string, unknown>>(path, key);
  const values: Record<string, unknown>[] = [
    null as unknown as Record<string, unknown>,
    {},
    { ...found!.result, value: 7.5 },
    { ...found!.result, loss: -1 },
    { ...found!.result, measures: { accuracy: { value: 0.99, low: 0.9, high: 1 } } },
    {
      ...found!.result,
      answers: { predictions: Float32Array.of(1), scores: Float32Array.of(1, 1), width: 2 },
    },
    { ...found!.result, examples: 3 },
  ];
  for (const value of values) {
    await store(path, { key, settings }, value, 1);
    await assertRefused(
      () => ablate(options),
      /^Cannot use .*sky-.*json as a result: its .*; remove it to run again$/,
    );
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a model that another run made is not taken for a run's own", async () => {
  const folder = await Deno.makeTempDir();
  await ablate({ ...small, folder, workers: 1, seeds: 2 });
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const [first, second] = names.filter((name) => /^pretrain-.*safetensors$/.test(name)).sort();
  await Deno.copyFile(`${folder}/${second}`, `${folder}/${first}`);
  const { complete, failures } = await ablate({ ...small, folder, workers: 1, lambda: [0.25], seeds: 2 });
  assertEquals([complete, failures.length], [false, 1]);
  assert(
    /^Cannot finish sky-learned-lambda0\.25-seed1: Cannot use .*pretrain-learned-seed1-.*safetensors as another run trained it: remove it to train it again$/
      .test(failures[0]!),
    failures[0],
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a study in the folder of one that version 0.1 made is refused, and that one stays as it is", async () => {
  const folder = await Deno.makeTempDir(), path = `${folder}/study.json`;
  const before = '{ "settings": {}, "result": { "findings": [] } }';
  await Deno.writeTextFile(path, before);
  await assertRefused(
    () => ablate({ ...small, folder }),
    /^Cannot run a study in .* as it has a study of version 0\.1: choose another folder$/,
  );
  assertEquals(await Deno.readTextFile(path), before);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("no tensor is left by a study that only evaluates trained models again", async () => {
  const before = tf.memory().numTensors;
  await again({ tasks: [{ ...task, measures: ["f1"] }] });
  assertEquals(tf.memory().numTensors, before);
});
