import { readConfig } from "../../lib/cli/config.ts";
import { presets } from "../../lib/model/mod.ts";
import { smoke, studies, usedOf } from "../../lib/study/mod.ts";
import { settleStudy, studySettings } from "../../lib/study/settings.ts";
import { listTasks } from "../../lib/data/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { endOf, root, startTask } from "../programs.ts";
import { smallModel } from "./weather.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const short = await smallModel(folder);

const run = (name: string, ...args: string[]) => endOf(startTask(name, args));

/** A file of the test's folder with this content. */
async function file(name: string, content: unknown): Promise<string> {
  const path = `${folder}/${name}.json`;
  await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const nested = `${'{"seeds":'.repeat(40)}1${"}".repeat(40)}`;
const refused: [what: string, content: unknown, sentence: RegExp][] = [
  ["not JSON", "{", /as settings: it is not JSON$/],
  ["a list", [1], /as settings: it is not an object$/],
  ["too deep", nested, /as settings: it nests more than 24 levels deep$/],
  [
    "too large",
    " ".repeat(2 ** 25 + 1),
    / as it must have at most 33554432 bytes: current size is 33554433$/,
  ],
  ["an unknown name", { sedes: 1 }, / with sedes as there is no such option: did you mean seeds\?$/],
  ["a prototype", '{ "__proto__": { "seeds": 1 } }', / with __proto__ as there is no such option/],
  ["what no file may have", { signal: {}, config: "x" }, / with signal as there is no such option/],
  ["a wrong number", { seeds: 0 }, / with seeds 0 as it must be a whole number from 1 to 1,000, or a list/],
  [
    "a wrong text",
    { seeds: "many" },
    / with seeds "many" as it must be a whole number from 1 to 1,000, or a list/,
  ],
  ["a wrong name", { tasks: ["imbd"] }, / with tasks "imbd" as there is no such name: did you mean imdb\?$/],
  ["a group's name", { finetune: { rat: 1 } }, / with finetune\.rat as .*: did you mean rate\?$/],
  ["no group", { finetune: 1 }, / with finetune 1 as it must be an object of rate, /],
  ["a wrong preset", { preset: "minni" }, /^Cannot find a preset with name "minni" as .* mean mini\?$/],
  ["one run", { settings: { trained: "x", lambda: 0 } }, /: it is one run, not a study, .* study\.json$/],
  ["one old run", { settings: { run: "finetune" } }, /: it is one run, not a study, .* study\.json$/],
];
for (const [what, content, sentence] of refused) {
  Deno.test(`a file of settings with ${what} is refused`, async () => {
    const { code, out, err } = await run("ablate", "--list", "--config", await file("refused", content));
    assertEquals([code, out], [2, ""], err);
    assert(sentence.test(err) && !err.includes("\n"), err);
  });
}

Deno.test("a study's file repeats it run by run, and options replace its values", async () => {
  const own = `${folder}/study`;
  const limits = ["--train-examples", "16", "--test-examples", "16", "--pretrain-updates", "3"];
  const args = [
    "--tasks",
    "kind",
    "--seeds",
    "1",
    "--positions",
    "none",
    "--lambda",
    "0",
    ...short,
    ...limits,
  ];
  const made = await run("ablate", ...args, "--folder", own, "--json");
  assertEquals(made.code, 0, made.err);
  await Deno.writeTextFile(`${folder}/printed.json`, made.out);
  for (const path of [`${own}/study.json`, `${folder}/printed.json`]) {
    const again = await run("compare", "--config", path, "--folder", own, "--list"); // Another command's defaults.
    assertEquals(again.out.split("\n").at(-1), "2 of 2 runs done, 0 running, 0 pending");
    const more = await run("ablate", "--config", path, "--folder", own, "--list", "--seeds", "2");
    assert(/^2 of 4 runs done, 0 running, 2 pending/.test(more.out.split("\n").at(-1)!), more.out);
  }
  const result = [...Deno.readDirSync(own)].find(({ name }) => /^kind-.*json$/.test(name))!.name;
  const { err } = await run("ablate", "--config", `${own}/${result}`, "--list");
  assert(/: it is one run, not a study/.test(err), err);
});

Deno.test("the studies in data/studies can be repeated from their files, if their tasks still exist", async () => {
  for (const { name, isDirectory } of Deno.readDirSync(`${root}data/studies`)) {
    if (!isDirectory) continue;
    const path = `${root}data/studies/${name}/study.json`;
    const { settings: { digests: _, ...settings } } = JSON.parse(
      await Deno.readTextFile(path),
      (_, value) => value ?? Infinity,
    );
    const gone = settings.tasks.find((name: string) => listTasks().every((task) => task.name !== name));
    if (gone !== undefined) {
      const message = new RegExp(`^Cannot use .* with tasks "${gone}" as it must be one of imdb, `);
      await assertRefused(() => readConfig(path, studySettings, (values) => values), message);
      continue;
    }
    const { values } = await readConfig(path, studySettings, (values) => values);
    const found = settleStudy(studies.ablate, values);
    const { folder: __, saveEvery: ___, ...asked } = found;
    const added = { keep: "last", lambdaSchedule: "constant", adaptEpochs: 0 }; // Which older files do not say, nor the following.
    const finetune = { ...added, ...settings.finetune };
    const { sample, margins } = studies.ablate;
    assertEquals(usedOf(asked), { sample, margins, ...settings, finetune });
    if (name !== "ablate") continue;
    assertEquals({ ...found, folder: "" }, { ...settleStudy(studies.ablate, {}), folder: "" });
    const other = settleStudy(studies.compare, values);
    assertEquals({ ...other, folder: "" }, { ...found, folder: "" }, "with another command's defaults");
  }
});

Deno.test("each plan is a study whose main contrasts are those of the page about them", async () => {
  const page = await Deno.readTextFile(`${root}data/studies/PLAN.md`);
  const named = new Set<string>();
  for (const { name } of Deno.readDirSync(`${root}data/plans`)) {
    const plan = JSON.parse(await Deno.readTextFile(`${root}data/plans/${name}`));
    for (const contrast of Object.keys(plan.mainContrasts ?? {})) named.add(contrast);
    const study = name.replace(/\.json$/, "");
    assertEquals(plan.folder, `data/results/${study}`);
    assert(page.includes(`**\`${study}\`**`), `PLAN.md does not describe ${study}`);
    for (const asked of [plan, smoke({ ...studies.ablate, ...plan })]) settleStudy(studies.ablate, asked); // As in a notebook.
    await readConfig(`${root}data/plans/${name}`, studySettings, (values) => values);
  }
  const asked = page.matchAll(/\b([A-Z])(\d+)(?:–\1(\d+))?(?=[^\w.])/g).flatMap((
    [, letter, from, to = from],
  ) => Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => `${letter}${Number(from) + i}`));
  assertEquals([...named].sort(), [...new Set(asked)].sort());
});

Deno.test("main contrasts in a file are checked, and a level without limit is one as a result writes it", async () => {
  const at = { task: "kind", trainExamples: "Infinity" }, between = [0.5, 0];
  const study = { tasks: ["kind"], positions: ["none"], vary: { trainExamples: [8, "all"] } };
  const settings = async (name: string, mainContrasts: unknown) =>
    ["ablate", "--list", "--json", "--config", await file(name, { ...study, mainContrasts })] as const;
  const good = await run(...await settings("main", { A: { factor: "lambda", between, at } }));
  assertEquals(good.code, 0, good.err);
  assertEquals(JSON.parse(good.out).settings.mainContrasts, { A: { factor: "lambda", between, at } });
  const bad = await run(
    ...await settings("wrong", { A: { factor: "lambda", between, at: { ...at, trainExamples: 9 } } }),
  );
  assertEquals(bad.code, 2);
  assert(
    /^Cannot use main contrast "A" as 9 is no level of trainExamples: its levels are 8, Infinity/.test(
      bad.err,
    ),
    bad.err,
  );
});

Deno.test("a file of one's own has the names of options' settings, texts as on the command line, and null for none", async () => {
  const config = await file("own", {
    ...{ preset: "smoke", seeds: "2", trainExamples: "all", tasks: "kind", positions: "learned,none" },
    ...{ words: null, finetune: { rate: "2e-3" }, pretrained: null, corpus: `${folder}/weather.txt` },
  });
  const { code, out, err } = await run("ablate", "--config", config, "--seeds", "1", "--list", "--json");
  assertEquals(code, 0, err);
  const { settings } = JSON.parse(out);
  assertEquals([settings.preset.width, settings.seeds, settings.trainExamples, settings.tasks], [
    ...[presets.smoke.width, 1, "Infinity", ["kind"]],
  ]);
  assertEquals([settings.positions, settings.words, settings.finetune.rate, settings.finetune.batch], [
    ...[["learned", "none"], studies.ablate.words, 2e-3, 16],
  ]);
  const small = await run("ablate", "--config", config, "--smoke", "--list", "--json");
  const { pretrain, positions, tasks } = JSON.parse(small.out).settings;
  assertEquals([pretrain.updates, positions, tasks], [40, ["learned", "none"], ["kind"]]);
});

Deno.test("a study in small has few updates at every level, of a file or an option, and says so in a line", async () => {
  const config = await file("levels", { tasks: ["kind"], vary: { "pretrain.updates": [1000, "8000"] } });
  const corpus = ["--corpus", `${folder}/weather.txt`];
  const decay = ["--pretrain-schedule", "warmup_stable_decay"]; // Its warm-up would be longer than the run.
  const args = ["--smoke", "--config", config, "--tune", "finetune.epochs=3,10", "--tune", "seeds=1"];
  const { code, out, err } = await run(
    "ablate",
    ...args,
    "--seeds",
    "1",
    ...decay,
    "--finetune-batch",
    "16",
    ...corpus,
    "--list",
    "--json",
  );
  assertEquals(code, 0, err);
  const { settings } = JSON.parse(out);
  assertEquals([settings.pretrain.warmup, settings.vary, settings.tune, settings.finetune.batch], [
    ...[0, { "pretrain.updates": [20, 40] }, { "finetune.epochs": [1, 2], seeds: 1 }, 16],
  ]);
  const line =
    "Smoke test: pretrain.updates 20, 40 instead of 1000, 8000; finetune.epochs 1, 2 instead of 3, 10";
  assertEquals(err.split("\n").filter((line) => !line.startsWith("Warning: ")), [line]);
});

Deno.test("a model's record repeats its pre-training and its fine-tuning bit for bit; options replace its values", async () => {
  const path = (name: string) => `${folder}/${name}.safetensors`;
  const model = [
    ...short,
    "--positions",
    "rotary",
    "--scale",
    "raw",
    "--updates",
    "4",
    "--batch",
    "2",
    "--half",
  ];
  const made = await run("pretrain", "--out", path("one"), ...model, "--seed", "7", "--json");
  assertEquals(made.code, 0, made.err);
  await Deno.writeTextFile(`${folder}/printed.json`, made.out);
  const bytes = await Deno.readFile(path("one"));
  for (const config of [path("one"), `${folder}/one.json`, `${folder}/printed.json`]) {
    const again = await run("pretrain", "--out", path("two"), "--config", config);
    assertEquals(again.code, 0, again.err);
    assertEquals(await Deno.readFile(path("two")), bytes, config);
    for (const name of ["two.safetensors", "two.json"]) await Deno.remove(`${folder}/${name}`);
  }
  const { err } = await run("pretrain", "--out", path("three"), "--config", path("one"), "--preset", "mini");
  const { preset } = JSON.parse(await Deno.readTextFile(`${folder}/three.json`)).settings;
  assertEquals([preset.width, preset.context, preset.positions.kind], [128, 128, "rotary"], err);

  const limits = ["--train-examples", "32", "--test-examples", "16", "--epochs", "1", "--lambda", "0"];
  const tuned = await run(
    "finetune",
    "--model",
    path("one"),
    "--task",
    "kind",
    "--out",
    path("a"),
    ...limits,
  );
  assertEquals(tuned.code, 0, tuned.err);
  const repeated = await run("finetune", "--config", path("a"), "--out", path("b"));
  assertEquals([repeated.code, repeated.out], [0, tuned.out]);
  assertEquals(await Deno.readFile(path("b")), await Deno.readFile(path("a")));
  const other = await run("finetune", "--config", path("a"), "--lambda", "0.5", "--json");
  assertEquals(JSON.parse(other.out).settings.lambda, 0.5);
  const wrong = await run("finetune", "--config", path("one"));
  assert(/one\.json with preset as there is no such option/.test(wrong.err), wrong.err);
});

Deno.test("the record of an included model has its settings, and so has one of version 0.1", async () => {
  const old = await file("old-record", {
    settings: {
      ...{
        layers: 4,
        heads: 4,
        width: 128,
        context: 128,
        positions: { kind: "sinusoidal" },
        variant: "clean",
      },
      ...{ dropout: 0, vocabulary: 8288, seed: 1, corpus: "books", merges: 8000, rate: 1e-3 },
      ...{ schedule: "warmup_cosine", warmup: 0.1, decay: 0.01, clip: 1, updates: 16_000, batch: 16 },
    },
    result: {},
    provenance: {},
  });
  const size = ["--corpus", `${folder}/weather.txt`, "--merges", "10", "--updates", "1", "--batch", "1"];
  for (const [record, rate] of [[`${root}data/models/mini-sinusoidal.json`, 2e-3], [old, 1e-3]] as const) {
    const { out, err } = await run(
      ...["pretrain", "--out", `${folder}/old-${rate}`, "--config", record, ...size, "--zero-shot", "kind"],
      ...["--zero-shot-examples", "1", "--json"],
    );
    const { settings } = JSON.parse(out || err);
    assertEquals([settings.positions, settings.layers, settings.width, settings.rate, settings.dropout], [
      ...["sinusoidal", 4, 128, rate, 0],
    ]);
  }
});

Deno.test("what neither an option nor the file has is asked for by its option", async () => {
  const empty = await file("empty", {});
  const { code, err } = await run("pretrain", "--config", empty);
  assertEquals([code, err], [2, "Cannot run deno task pretrain as --out <file> is required"]);
  const tune = await run("finetune", "--config", await file("half", { model: "mini" }));
  assertEquals(tune.err, "Cannot run deno task finetune as --task <name> is required");
});

Deno.test("a record whose text, model or task is another one now is repeated with a warning", async () => {
  const corpus = `${folder}/changed.txt`, own = `${folder}/changed`, weather = `${folder}/weather.txt`;
  const path = (name: string) => `${folder}/${name}.safetensors`;
  await Deno.copyFile(weather, corpus);
  const rows = `${folder}/rows.csv`;
  const row = (i: number) => `sun ${i},${i % 2 ? "warm" : "cold"}\n`;
  const task = `text,label\n${Array.from({ length: 30 }, (_, i) => row(i)).join("")}`;
  await Deno.writeTextFile(rows, task);
  const small = short.map((arg) => arg === weather ? corpus : arg);
  const all = [
    ["pretrain", ["--out", path("first"), ...small, "--updates", "2", "--batch", "2"]],
    ["finetune", ["--model", path("first"), "--task", rows, "--epochs", "1", "--out", path("tuned")]],
    ["ablate", [
      ...["--tasks", "kind", "--seeds", "1", "--positions", "none", "--lambda", "0", ...small],
      ...["--pretrain-updates", "3", "--train-examples", "16", "--test-examples", "16", "--folder", own],
    ]],
  ] as const;
  for (const [name, args] of all) {
    const { code, err } = await run(name, ...args);
    assertEquals(code, 0, err);
  }
  const warningsOf = async (name: string, ...args: string[]) => {
    const { code, err } = await run(name, ...args);
    assertEquals(code, 0, err);
    return err.split("\n").filter((line) => / records: its SHA-256 is \w{16}, not \w{16}$/.test(line))
      .map((line) => line.replace(/ is not what .*/, ""));
  };
  const repeat = async () => [
    ...await warningsOf("pretrain", "--config", path("first"), "--out", path("again")),
    ...await warningsOf("finetune", "--config", path("tuned"), "--out", path("again-tuned")),
    ...await warningsOf("ablate", "--config", `${own}/study.json`, "--folder", own, "--list"),
  ];
  assertEquals(await repeat(), []);
  for (const name of ["again", "again-tuned"]) {
    for (const file of [path(name), `${folder}/${name}.json`]) await Deno.remove(file);
  }
  await Deno.writeTextFile(corpus, `the sun is cold.\n${await Deno.readTextFile(weather)}`);
  await Deno.writeTextFile(rows, `${task}the rain,cold\n`);
  await Deno.remove(path("first")); // Its record stays, of the text before.
  const record = await Deno.readTextFile(`${folder}/first.json`);
  await Deno.remove(`${folder}/first.json`);
  const { code, err } = await run("pretrain", ...all[0][1], "--seed", "3");
  assertEquals(code, 0, err);
  await Deno.writeTextFile(`${folder}/first.json`, record);
  assertEquals(await repeat(), [
    `Warning: the text of corpus ${corpus}`,
    `Warning: model ${path("first")}`,
    `Warning: task ${rows}`,
    `Warning: the text of corpus ${corpus}`,
  ]);
  assertEquals(
    await warningsOf("pretrain", "--config", path("first"), "--out", path("more"), "--corpus", weather),
    [],
    "a text that an option names",
  );
});
