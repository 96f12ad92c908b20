import { backend } from "../../lib/engine/mod.ts";
import { gpt, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { loadModel, saveModel } from "../../lib/train/mod.ts";
import { assert, assertEquals } from "../assert.ts";

await backend();
const root = new URL("../../", import.meta.url).pathname;

/** Runs a command with the permissions that its task in deno.json has. */
async function run(name: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const [, ...command] = (tasks[name] as string).split(" ");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...command, ...args],
    cwd: root,
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: decode(stdout), err: decode(stderr) };
}

const folder = await Deno.makeTempDir();
const text = Array.from(
  { length: 3000 },
  (_, i) => ["sun", "rain", "and", "wind", "."][(i * i + (i >> 4)) % 5],
)
  .join(" ").replaceAll(". ", ".\n");
await Deno.writeTextFile(`${folder}/weather.txt`, text);
await Deno.writeTextFile(`${folder}/empty.txt`, "");
await Deno.writeTextFile(`${folder}/poem.safetensors`, "a poem of more than eight letters");
const model = `${folder}/model.safetensors`;
const tokenizer = trainBpe(text, { merges: 10 });
await saveModel(model, gpt({ ...presets.smoke, context: 16 }, { tokenizer }));

const short = ["--corpus", `${folder}/weather.txt`, "--preset", "smoke", "--context", "16", "--merges", "10"];

const refused: [sentence: RegExp, ...command: string[]][] = [
  [/unknown option '--lambdas'[^]*Did you mean --lambda\?/, "ablate", "--lambdas", "1"],
  [/'huge' is invalid. Allowed choices are gpt1, mini, smoke/, "ablate", "--preset", "huge"],
  [/There is no "circular"; there are learned, sinusoidal/, "ablate", "--positions", "circular"],
  [/A number is wanted/, "ablate", "--seeds", "many"],
  [
    /^Cannot weigh the auxiliary objective with λ = -1 as λ must be a number from 0$/m,
    "ablate",
    "--lambda=-1",
  ],
  [/A number is wanted/, "ablate", "--lambda", "NaN"],
  [
    /^Cannot split 10 features over 4 heads as width must be divisible by heads: current width is 10$/m,
    "ablate",
    "--smoke",
    "--width",
    "10",
    "--heads",
    "4",
  ],
  [/^Cannot .*"nothing" as there is none of that name/m, "ablate", "--smoke", "--tasks", "nothing"],
  [/^Cannot .*empty\.txt/m, "ablate", "--smoke", "--corpus", `${folder}/empty.txt`],
  [
    /^Cannot write .*weather\.txt\/results/m,
    "ablate",
    "--smoke",
    "--seeds",
    "1",
    "--folder",
    `${folder}/weather.txt/results`,
  ],
  [/required option '--out <file>' not specified/, "pretrain"],
  [/^Cannot write .*model\.safetensors as it is there already/m, "pretrain", "--out", model],
  [/^Cannot .*no-such-corpus/m, "pretrain", "--out", `${folder}/x`, "--corpus", "no-such-corpus"],
  [
    /^Cannot train with updates 0 as it must be a whole number from 1$/m,
    "pretrain",
    "--out",
    `${folder}/x`,
    ...short,
    "--updates",
    "0",
  ],
  [
    /^Cannot write .*weather\.txt\/x/m,
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
  [/^Cannot read a checkpoint .*absent/m, "generate", "--model", `${folder}/absent`, "hello"],
  [/missing required argument 'prompt'/, "generate", "--model", model],
  [/^Cannot continue an empty prompt/m, "generate", "--model", model, ""],
  [/^Cannot sample at temperature -1/m, "generate", "--model", model, "sun", "--temperature=-1"],
];

for (const [sentence, name, ...args] of refused) {
  const shown = args.map((arg) => arg.replace(folder, "…")).join(" ");
  Deno.test(`${name} ${shown} is refused with exit code 2 and no stack`, async () => {
    const before = [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
    const { code, out, err } = await run(name!, ...args);
    assertEquals([code, out], [2, ""], err);
    assert(sentence.test(err), err);
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
    "20",
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
  assertEquals([settings.updates, settings.merges, settings.dropout], [20, 10, 0]);
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

Deno.test("interrupted, pre-training ends cleanly, and the same command goes on", async () => {
  const out = `${folder}/interrupted.safetensors`;
  const args = ["--out", out, ...short, "--updates", "2000", "--batch", "4"];
  const command = ["run", "--allow-read", "--allow-write", `${root}lib/cli/pretrain.ts`, ...args];
  const child = new Deno.Command(Deno.execPath(), { args: command, stdout: "null", stderr: "piped" }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let [err, sent] = ["", false];
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    err += step.value;
    if (sent || !/update \d/.test(step.value)) continue;
    child.kill("SIGINT"); // A second one would not wait for the update's end.
    sent = true;
  }
  assertEquals((await child.status).code, 130, err);
  assert(/Stopped before the end: the same command goes on from .*\.part$/m.test(err), err);
  assert((await Deno.stat(`${out}.part`)).isFile);
  const again = await run("pretrain", "--out", out, ...short, "--updates", "2001", "--batch", "4");
  assert(
    /^Cannot resume from .*\.part as its updates is 2000: current updates is 2001$/m.test(again.err),
    again.err,
  );
});

globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
