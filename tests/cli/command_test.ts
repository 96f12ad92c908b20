import { backend } from "../../lib/engine/mod.ts";
import { gpt, leaves, presets } from "../../lib/model/mod.ts";
import { tokenizerFrom, trainBpe } from "../../lib/text/mod.ts";
import { loadModel, saveModel } from "../../lib/train/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, root, startTask } from "../programs.ts";
import { smallModel, text } from "./weather.ts";

await backend();

const start = (name: string, ...args: string[]) => startTask(name, args);
const run = (name: string, ...args: string[]) => endOf(start(name, ...args));

const folder = await Deno.makeTempDir();
await Deno.writeTextFile(`${folder}/empty.txt`, "");
await Deno.writeTextFile(`${folder}/poem.safetensors`, "a poem of more than eight letters");
const model = `${folder}/model.safetensors`;
const tokenizer = trainBpe(text, { merges: 10 });
await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer }), model);

const short = await smallModel(folder);

const refused: [sentence: RegExp, ...command: string[]][] = [
  [
    /^Cannot use "--lambdas" as there is no such option: did you mean --lambda\?$/,
    "ablate",
    "--lambdas",
    "1",
  ],
  [/^Cannot use --preset "huge" as it must be one of gpt1, mini, smoke$/, "ablate", "--preset", "huge"],
  [
    /^Cannot use --positions "circular" as it must be one of learned, sinusoidal, .*$/,
    "ablate",
    "--positions",
    "circular",
  ],
  [
    /^Cannot use --seeds "many" as it must be a whole number from 1 to 1,000, or a list of different seeds$/,
    "ablate",
    "--seeds",
    "many",
  ],
  [/^Cannot use --seeds 1000000000 as it must be .*$/, "ablate", "--seeds", "1e9"],
  [/^Cannot use --lambda -1 as it must be 0 or a number from 1e-6 to 1,000$/, "ablate", "--lambda=-1"],
  [/^Cannot use --lambda "NaN" as it must be .*$/, "ablate", "--lambda", "0,NaN"],
  [
    /^Cannot use --lambda \[0,0\] as it must hold at least one value, and none twice$/,
    "ablate",
    "--lambda",
    "0,0",
  ],
  [
    /^Cannot use --merges with --pretrained as mini is pre-trained already$/,
    ...["ablate", "--pretrained", "mini", "--merges", "9"] as const,
  ],
  [
    /^Cannot use --layers with --pretrained as mini is pre-trained already$/,
    ...["ablate", "--pretrained", "mini", "--layers", "2"] as const,
  ],
  [
    /^Cannot use --pretrain-rate with --pretrained as mini is pre-trained already$/,
    ...["suite", "--pretrained", "mini", "--pretrain-rate", "1e-3"] as const,
  ],
  [
    /^Cannot use --seeds twice: it has one value$/,
    ...["ablate", "--seeds", "3", "--seeds", "4"] as const,
  ],
  [/^Cannot use --heldout-windows -1 as it must be .*$/, "ablate", "--heldout-windows=-1"],
  [/^Cannot use --finetune-dropout -1 as it must be .*$/, "ablate", "--finetune-dropout=-1"],
  [/^Cannot use --workers 0 as it must be a whole number from 1 to 256$/, "ablate", "--workers", "0"],
  [/^Cannot use --threads 200 as it must be a whole number from 1 to 64$/, "pretrain", "--threads", "200"],
  [/^Cannot use --batch -1 as it must be a whole number from 1 to 65,536$/, "finetune", "--batch=-1"],
  [/^Cannot use --keep "?first"? as it must be one of last, best$/, "finetune", "--keep=first"],
  [
    /^Cannot use --lambda-schedule "?cosine"? as it must be one of constant, linear$/,
    ...["finetune", "--lambda-schedule=cosine"] as const,
  ],
  [
    /^Cannot use --finetune-adapt-epochs -1 as it must be a whole number from 0 to 10,000$/,
    ...["ablate", "--finetune-adapt-epochs=-1"] as const,
  ],
  [
    /^Cannot split 10 features over 4 heads as width must be divisible by heads: current width is 10$/,
    "ablate",
    "--smoke",
    "--width",
    "10",
    "--heads",
    "4",
  ],
  [
    /^Cannot use --tasks "imbd" as there is no such name: did you mean imdb\?$/,
    "ablate",
    "--tasks",
    "kind,imbd",
  ],
  [
    /^Cannot use --zero-shot "kimd" as there is no such name: .*$/,
    "pretrain",
    "--out",
    "x",
    "--zero-shot",
    "kimd",
  ],
  [
    /^Cannot open corpus "boks" as there is no such corpus, file or folder: did you mean books\?$/,
    "suite",
    "--corpus",
    "boks",
  ],
  [/^Cannot .*empty\.txt/m, "ablate", "--smoke", "--corpus", `${folder}/empty.txt`],
  [
    /^Cannot write .*weather\.txt\/results.*$/,
    "ablate",
    "--smoke",
    "--seeds",
    "1",
    "--folder",
    `${folder}/weather.txt/results`,
  ],
  [/^Cannot run deno task pretrain as --out <file> is required$/, "pretrain"],
  [/^Cannot use --out <file> as its value is missing$/, "pretrain", "--out"],
  [/^Cannot write .*model\.safetensors as it exists already: .*$/, "pretrain", "--out", model],
  [
    /^Cannot open corpus "no-such-corpus" as .*$/,
    "pretrain",
    "--out",
    `${folder}/x`,
    "--corpus",
    "no-such-corpus",
  ],
  [
    /^Cannot use --updates 0 as it must be a whole number from 1 to 100,000,000$/,
    "pretrain",
    "--out",
    `${folder}/x`,
    ...short,
    "--updates",
    "0",
  ],
  [
    /^Cannot write .*weather\.txt\/x.*$/,
    "pretrain",
    "--out",
    `${folder}/weather.txt/x`,
    ...short,
    "--updates",
    "1",
  ],
  [
    /^Cannot read .*poem\.safetensors as safetensors: /m,
    "finetune",
    "--task",
    "kind",
    "--model",
    `${folder}/poem.safetensors`,
  ],
  [/^Cannot read a model .*absent.*$/, "generate", "--model", `${folder}/absent`, "hello"],
  [
    /^Cannot read a vocabulary .*absent.*$/,
    "generate",
    "--model",
    model,
    "--bpe",
    `${folder}/absent`,
    "hello",
  ],
  [
    /^Cannot find model "maxi" as there is no such model or file: did you mean mini\?$/,
    "generate",
    "--model",
    "maxi",
    "x",
  ],
  [/^Cannot read a task .*absent\.tsv: .*$/, "finetune", "--model", model, "--task", `${folder}/absent.tsv`],
  [
    /^Cannot use --words with rows of one's own as it is for a task by its name$/,
    ...["finetune", "--model", model, "--task", "mine.tsv", "--words", "90"] as const,
  ],
  [
    /^Cannot use --text with task imdb as it is for a file of rows only$/,
    "finetune",
    "--model",
    model,
    "--task",
    "imdb",
    "--text",
    "a",
  ],
  [/^Cannot run deno task generate as prompt is required$/, "generate", "--model", model],
  [
    /^Cannot run deno task generate as it has too many arguments: .*$/,
    "generate",
    "--model",
    model,
    "a",
    "b",
  ],
  [/^Cannot continue an empty prompt.*$/, "generate", "--model", model, ""],
  [/^Cannot use --temperature -1 as it must be .*$/, "generate", "--model", model, "sun", "--temperature=-1"],
  [/^Cannot download data sets with name "sst" as there is no such name: did you mean .*\?$/, "data", "sst"],
  [/^Cannot use --timeout 0 as it must be a number from 1 .*$/, "notebooks", "--timeout", "0"],
];

for (const [sentence, name, ...args] of refused) {
  const shown = args.map((arg) => arg.replace(folder, "…")).join(" ");
  Deno.test(`${name} ${shown} is refused with exit code 2 and no stack`, async () => {
    const before = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    const { code, out, err } = await run(name!, ...args);
    assertEquals([code, out], [2, ""], err);
    assert(sentence.test(err), err);
    assert(sentence.flags === "m" || !err.includes("\n"), `more than one sentence: ${err}`);
    assert(!/\n\s+at /.test(err), err);
    assertEquals(
      [...Deno.readDirSync(folder)].map((entry) => entry.name).sort(),
      before,
      "nothing is left behind",
    );
  });
}

Deno.test("each command explains itself", async () => {
  for (
    const name of [
      "ablate",
      "compare",
      "suite",
      "pretrain",
      "finetune",
      "generate",
      "data",
      "notebooks",
      "render",
    ]
  ) {
    const { code, out } = await run(name, "--help");
    assertEquals(code, 0);
    assert(out.startsWith(`Usage: deno task ${name}`), out);
  }
});

Deno.test("a text file becomes a model that goes on with a prompt", async () => {
  const out = `${folder}/weather.safetensors`;
  const { code, out: said, err } = await run(
    "pretrain",
    "--out",
    out,
    ...short,
    "--updates",
    "100", // So many that their time does not round to 0.0 s.
    "--batch",
    "4",
    "--dropout",
    "0",
    "--half",
  );
  assertEquals(code, 0, err);
  const bits = Object.fromEntries(
    [...said.matchAll(/^(\S+) +([\d.]+) \[[\d., ]+\] bits/gm)].map(([, name, n]) => [name!, Number(n)]),
  );
  assert(bits["model"]! > 0 && bits["bigram"]! < bits["unigram"]!, said);
  assert(bits["Kneser–Ney"]! < bits["bigram"]!, said);
  assert(
    !(await Deno.stat(`${out}.part`).catch(() => null)),
    "the checkpoint is gone when the model is there",
  );
  const { settings, result, provenance } = JSON.parse(await Deno.readTextFile(`${folder}/weather.json`));
  assertEquals([settings.options.updates, settings.merges, settings.options.dropout], [100, 10, 0]);
  assertEquals(result.heldout.bitsPerCharacter.toFixed(3), bits["model"]!.toFixed(3));
  assert(provenance.seconds > 0 && provenance.versions.deno === Deno.version.deno);
  const lm = await loadModel(out);
  assertEquals(lm.config.dropout, presets.smoke.dropout); // What fine-tuning drops.
  for (const [name, leaf] of leaves(lm.parameters)) {
    const weights = leaf.dataSync();
    assertEquals([name, weights], [name, weights.map(Math.f16round)]);
  }
  const generated = await run("generate", "--model", out, "sun and", "--tokens", "4", "--temperature", "0");
  assertEquals(generated.code, 0, generated.err);
  assert(generated.out.startsWith("sun and "), generated.out);
});

Deno.test("fine-tuning says which rate, batch and dropout it uses: those of the model's width, or what is given", async () => {
  const args = ["--model", model, "--task", "kind", "--train-examples", "32", "--test-examples", "16"];
  for (
    const [given, sentence] of [
      [[], "Fine-tuning with learning rate 0.001, batch size 16 and dropout 0"],
      [
        ["--rate", "2e-4", "--batch", "8"],
        "Fine-tuning with learning rate 0.0002, batch size 8 and dropout 0",
      ],
    ] as const
  ) {
    const { code, out, err } = await run("finetune", ...args, "--epochs", "1", ...given);
    assertEquals(code, 0, err);
    assert(err.split("\n").includes(sentence), err);
    assert(/^test +accuracy .*, 16 examples, /m.test(out), out);
  }
});

/** Runs a command and interrupts it after its first update. */
async function interrupted(name: string, ...args: string[]): Promise<{ code: number; err: string }> {
  const command = ["run", "--allow-read", "--allow-write", `${root}lib/cli/${name}.ts`, ...args];
  const child = new Deno.Command(Deno.execPath(), { args: command, stdout: "null", stderr: "piped" }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let [err, sent] = ["", false];
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    err += step.value;
    if (sent || !/update \d/.test(step.value)) continue;
    child.kill("SIGINT"); // Later a second one would not wait for the update's end.
    await new Promise((resume) => setTimeout(resume, 10));
    child.kill("SIGINT"); // As npx passes it on, beside the terminal.
    sent = true;
  }
  return { code: (await child.status).code, err };
}

Deno.test("interrupted, pre-training ends cleanly, and the same command goes on", async () => {
  const out = `${folder}/interrupted.safetensors`;
  const args = ["--out", out, ...short, "--updates", "2000", "--batch", "4"];
  const { code, err } = await interrupted("pretrain", ...args);
  assertEquals(code, 130, err);
  assert(/Stopped before the end: the same command resumes from .*\.part$/m.test(err), err);
  assert((await Deno.stat(`${out}.part`)).isFile);
  const again = await run("pretrain", "--out", out, ...short, "--updates", "2001", "--batch", "4");
  assert(
    /^Cannot resume from .*\.part as its updates is 2000: current updates is 2001$/m.test(again.err),
    again.err,
  );
  await Deno.writeTextFile(`${folder}/weather.txt`, text.replace("sun", "nus"));
  const other = await run("pretrain", ...args);
  await Deno.writeTextFile(`${folder}/weather.txt`, text);
  assertEquals(other.code, 2);
  assert(/^Cannot resume from .*\.part as /m.test(other.err), other.err);
});

Deno.test("generated text is printed without what a terminal would obey", async () => {
  const hostile = tokenizerFrom({
    pieces: ["<unk>", "a</w>", "\u001b[31m\u0007</w>", "\u202eb</w>"],
    merges: [],
  });
  const path = `${folder}/hostile.safetensors`;
  await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer: hostile }), path);
  const { code, out, err } = await run(
    "generate",
    "--model",
    path,
    "a",
    "--tokens",
    "30",
    "--temperature",
    "9",
  );
  assertEquals(code, 0, err);
  assert(out.includes("\\u001b[31m\\u0007 ") && out.includes("\\u202eb "), out);
  assert(/^[\P{C}\n\t]*$/u.test(out), out);
});

Deno.test("interrupted, fine-tuning does not go on with another model", async () => {
  const [out, other] = [`${folder}/tuned.safetensors`, `${folder}/other.safetensors`];
  await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 2 }), other);
  const args = ["--out", out, "--task", "kind", "--train-examples", "32", "--test-examples", "16"];
  const { code, err } = await interrupted("finetune", "--model", model, ...args, "--epochs", "2000");
  assertEquals(code, 130, err);
  const again = await run("finetune", "--model", other, ...args, "--epochs", "2000");
  assertEquals(again.code, 2, again.err);
  assert(
    /^Cannot resume from .*\.part as its run started from another model: remove it /m.test(again.err),
    again.err,
  );
});

Deno.test("a pre-training that was killed while it scored goes on, and nothing is left but what it makes", async () => {
  const own = await Deno.makeTempDir();
  const out = `${own}/model.safetensors`;
  const args = ["pretrain", "--out", out, ...short, "--updates", "5", "--batch", "4"] as const;
  const child = start(...args);
  while (!await Deno.stat(out).catch(() => undefined)) await new Promise((resume) => setTimeout(resume, 1));
  child.kill("SIGKILL");
  await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
  const there = [...Deno.readDirSync(own)].map(({ name }) => name);
  assert(there.includes("model.safetensors.part") && !there.includes("model.json"), there.join());
  const before = await Deno.readFile(out);
  await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 2 }), out);
  const refused = await run(...args);
  assertEquals(refused.code, 2, refused.err);
  assert(
    /^Cannot write .* as another model was written there meanwhile: remove it or choose another file$/m.test(
      refused.err,
    ),
  );
  await Deno.remove(out);
  const { code, out: said, err } = await run(...args);
  assertEquals(code, 0, err);
  assert(/^model +[\d.]+ \[/m.test(said), said);
  assertEquals(await Deno.readFile(out), before);
  assertEquals([...Deno.readDirSync(own)].map(({ name }) => name).sort(), [
    "model.json",
    "model.safetensors",
  ]);
  const again = await run(...args);
  assertEquals([again.code, /as it exists already: remove it or choose another file$/.test(again.err)], [
    2,
    true,
  ]);
  await Deno.remove(own, { recursive: true });
});

Deno.test("stopped while it answers tasks, pre-training goes on with these answers, and its curve has all points", async () => {
  const own = await Deno.makeTempDir();
  const args = (name: string) => [
    ...["--out", `${own}/${name}.safetensors`, ...short, "--updates", "4", "--batch", "2"],
    ...["--zero-shot", "kind", "--zero-shot-examples", "1000"],
  ];
  const curve = async (name: string) =>
    JSON.parse(await Deno.readTextFile(`${own}/${name}.zeroshot.json`)).result;
  assertEquals((await run("pretrain", ...args("whole"))).code, 0);
  const { code, err } = await interrupted("pretrain", ...args("broken")); // At its first update, whose answers follow.
  assertEquals(code, 130, err);
  assertEquals((await run("pretrain", ...args("broken"))).code, 0);
  assertEquals((await curve("whole")).map(({ update }: { update: number }) => update), [1, 2, 4]);
  assertEquals(await curve("broken"), await curve("whole"));
  await Deno.remove(own, { recursive: true });
});

Deno.test("two commands that write one model are one command and a sentence", async () => {
  const own = await Deno.makeTempDir();
  const args = ["pretrain", "--out", `${own}/model.safetensors`, ...short, "--updates", "200"] as const;
  const ends = await Promise.all(Array.from({ length: 3 }, () => run(...args)));
  assertEquals(ends.map(({ code }) => code).sort(), [0, 2, 2], ends.map(({ err }) => err).join("\n"));
  for (const { err } of ends.filter(({ code }) => code === 2)) {
    assert(
      /Cannot write .* as process \d+( on \S+)? is writing it: wait for its end or choose another file$/.test(
        err,
      ),
      err,
    );
  }
  assertEquals([...Deno.readDirSync(own)].map(({ name }) => name).sort(), [
    "model.json",
    "model.safetensors",
  ]);
  await Deno.remove(own, { recursive: true });
});

Deno.test({
  name: "pre-training whose terminal is closed saves and ends",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const [signal, exit] of [["SIGHUP", 129], ["SIGTERM", 143]] as const) {
      const out = `${folder}/closed.safetensors`;
      const child = start("pretrain", "--out", out, ...short, "--updates", "100000", "--batch", "4");
      const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
      for (let step = await reader.read(); !/update \d/.test(step.value!); step = await reader.read());
      await reader.cancel(); // From here on what it writes is an error.
      child.kill(signal);
      assertEquals((await child.status).code, exit);
      await child.stdout.cancel();
      await Deno.remove(`${out}.part`);
    }
  },
});

Deno.test("a study's runs are listed: done, running and pending", async () => {
  const own = await Deno.makeTempDir();
  const tiny = ["--tasks", "kind", "--seeds", "1", "--positions", "learned", "--folder", own, ...short];
  const limits = [
    "--train-examples",
    "16",
    "--test-examples",
    "16",
    "--pretrain-updates",
    "5",
    "--workers",
    "1",
  ];
  const list = async () => (await run("ablate", ...tiny, ...limits, "--list")).out.split("\n");
  assert(
    /^0 of 3 runs done, 0 running, 3 pending; about \d+ s with 1 in parallel$/.test((await list()).at(-1)!),
  );
  const { code, err } = await run("ablate", ...tiny, ...limits);
  assertEquals(code, 0);
  assert(/^3 of 3 runs to do: about \d+ s with 1 in parallel, and 1 MB in /m.test(err), err);
  const made = await list();
  assert(/^pretrain-learned-seed1 +done, \d+ s$/.test(made[0]!), made[0]);
  assertEquals(made.at(-1), "3 of 3 runs done, 0 running, 0 pending");
  const result =
    [...Deno.readDirSync(own)].find(({ name }) => /^kind-learned-lambda0-.*json$/.test(name))!.name;
  await Deno.remove(`${own}/${result}`);
  const model =
    [...Deno.readDirSync(own)].find(({ name }) => /^kind-learned-lambda0-.*tensors$/.test(name))!.name;
  const claimed = `${own}/${model.replace("safetensors", "claim")}`;
  const holder = { host: "elsewhere", process: 7, since: "2026-01-01T00:00:00.000Z" };
  await Deno.writeTextFile(claimed, JSON.stringify({ ...holder, token: "x" }));
  const busy = await list();
  assert(
    /^kind-learned-lambda0-seed1 +running, about \d+ s, by process 7 on elsewhere since 2026/.test(
      busy[1]!,
    ),
    busy[1],
  );
  assert(busy.at(-1)!.startsWith("2 of 3 runs done, 1 running, 0 pending; about "), busy.at(-1));
  await Deno.remove(own, { recursive: true });
});

globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
