import { gpt, presets } from "../../lib/model/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { tokenizerFrom, trainBpe } from "../../lib/text/mod.ts";
import { saveModel } from "../../lib/train/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, startTask } from "../programs.ts";
import { smallModel } from "./weather.ts";

await backend();

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const rows = Array.from({ length: 60 }, (_, i) => `sun ${i % 2 ? "rain" : "wind"} ${i}\t${i % 2}`);
await Deno.writeTextFile(`${folder}/rows.tsv`, ["text\tlabel", ...rows].join("\n"));

const short = await smallModel(folder);
const study = [
  ...["--tasks", "kind", "--positions", "learned,none", "--lambda", "0", ...short],
  ...["--train-examples", "16", "--test-examples", "16", "--pretrain-updates", "5", "--workers", "1"],
];

const run = (name: string, ...args: string[]) => endOf(startTask(name, args));

/** Runs a command with `--json`, whose standard output must be one document. */
// deno-lint-ignore no-explicit-any
async function json(name: string, ...args: string[]): Promise<{ code: number; result: any; err: string }> {
  const { code, out, err } = await run(name, ...args, "--json");
  assert(out !== "", err);
  return { code, result: JSON.parse(out), err };
}

/** Standard error without warnings, which `--quiet` leaves. */
const notes = (err: string) => err.split("\n").filter((line) => line !== "" && !line.startsWith("Warning: "));

Deno.test("pre-training as JSON: settings, held-out scores in full precision, baselines, the file", async () => {
  const out = `${folder}/model.safetensors`;
  const args = ["--out", out, ...short, "--updates", "3", "--batch", "2"];
  const { code, result, err } = await json("pretrain", ...args);
  assertEquals(code, 0, err);
  assert(/^Computing on .*\n(.*\n)*.* update \d of 3/.test(err), "progress is on standard error");
  assertEquals(
    Object.keys(result),
    ["settings", "parameters", "tokens", "heldout", "baselines", "zeroShot", "file"],
  );
  const stored = JSON.parse(await Deno.readTextFile(`${folder}/model.json`)).result;
  const { losses: _, ...heldout } = stored.heldout;
  assertEquals(result.heldout, heldout);
  assertEquals(Object.keys(result.baselines), ["unigram", "bigram", "kneserNey"]);
  assertEquals([result.file, result.settings.updates, result.settings.context], [out, 3, 16]);
});

Deno.test("fine-tuning as JSON: a score with its interval per split, and null for no file; it is stored, too", async () => {
  const model = `${folder}/untrained.safetensors`; // Of a seed: the run's key, below, is of its weights, too.
  const tokenizer = trainBpe(rows.join("\n"), { merges: 20 });
  await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer }), model);
  const args = ["--model", model, "--task", `${folder}/rows.tsv`, "--epochs", "1"];
  const { code, result, err } = await json("finetune", ...args);
  assertEquals(code, 0, err);
  assertEquals(Object.keys(result), ["settings", "train", "validation", "test", "file"]);
  assertEquals([result.file, result.settings.rate, result.settings.batch], [null, 1e-3, 16]);
  const out = `${folder}/tuned.safetensors`;
  const quiet = await json("finetune", ...args, "--out", out, "--quiet");
  assertEquals([quiet.result.test, quiet.result.file, notes(quiet.err)], [result.test, out, []]);
  const { key, settings, result: stored } = JSON.parse(await Deno.readTextFile(`${folder}/tuned.json`));
  assertEquals(key, "2c60c8a1f128f0a69f5965bcca9c2846d4889d11526a0679b05f320b2860a05c"); // As before `keep` was a setting.
  assertEquals([stored.test, settings.run, settings.model, settings.out], [
    ...[result.test, "finetune", model, undefined],
  ]);
  const { accuracy, examples, loss } = stored.test;
  assertEquals([examples, Object.keys(accuracy)], [12, ["value", "low", "high"]]);
  assert(accuracy.low <= accuracy.value && accuracy.value <= accuracy.high && loss > 0);
  const again = await run("finetune", ...args, "--out", `${folder}/tuned`);
  assert(/^Cannot write .*tuned\.json as it exists already: /.test(again.err), again.err);
});

Deno.test("fine-tuning that keeps the best epoch says which in a note, as JSON and in its record, which repeats it", async () => {
  const [out, again] = [`${folder}/best.safetensors`, `${folder}/again.safetensors`];
  const args = ["--model", "mini", "--task", `${folder}/rows.tsv`, "--epochs", "2", "--keep", "best"];
  const { code, result, err } = await json("finetune", ...args, "--out", out);
  assertEquals(code, 0, err);
  assertEquals(Object.keys(result), ["settings", "best", "train", "validation", "test", "file"]);
  const { best: { epoch, validation }, settings } = result;
  assertEquals([settings.keep, validation], ["best", result.validation.accuracy.value]);
  assert(err.split("\n").includes(`Kept epoch ${epoch} of 2, the best on the validation split`), err);
  const record = JSON.parse(await Deno.readTextFile(`${folder}/best.json`));
  assertEquals([record.settings.keep, record.result.best], ["best", { epoch, validation }]);
  assertEquals((await run("finetune", "--config", out, "--out", again, "--quiet")).code, 0);
  assertEquals(await Deno.readFile(again), await Deno.readFile(out));
});

Deno.test("fine-tuning after adaptation with a decaying λ records both, and repeats it", async () => {
  const [out, again] = [`${folder}/adapted.safetensors`, `${folder}/adapted-again.safetensors`];
  const options = ["--epochs", "2", "--adapt-epochs", "1", "--lambda-schedule", "linear"];
  const args = ["--model", "mini", "--task", `${folder}/rows.tsv`, ...options];
  const { code, result, err } = await json("finetune", ...args, "--out", out);
  assertEquals(code, 0, err);
  assertEquals([result.settings.adaptEpochs, result.settings.lambdaSchedule], [1, "linear"]);
  const { key, settings } = JSON.parse(await Deno.readTextFile(`${folder}/adapted.json`));
  assertEquals([settings.adaptEpochs, settings.lambdaSchedule], [1, "linear"]);
  assertEquals((await run("finetune", "--config", out, "--out", again, "--quiet")).code, 0);
  assertEquals(await Deno.readFile(again), await Deno.readFile(out));
  const plain = `${folder}/plain.safetensors`;
  const none = ["--adapt-epochs", "0", "--lambda-schedule", "constant", "--out", plain];
  assertEquals((await run("finetune", ...args.slice(0, 4), "--epochs", "2", ...none)).code, 0);
  assert(JSON.parse(await Deno.readTextFile(`${folder}/plain.json`)).key !== key);
  assert(`${await Deno.readFile(plain)}` !== `${await Deno.readFile(out)}`);
});

Deno.test("generation as JSON has the text, without what a terminal would obey", async () => {
  const pieces = ["<unk>", "a</w>", "\u001b[31m\u0007</w>", "\u202eb</w>"];
  const path = `${folder}/hostile.safetensors`;
  const tokenizer = tokenizerFrom({ pieces, merges: [] });
  await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer }), path);
  const args = ["--model", path, "a", "--tokens", "30", "--temperature", "9"];
  const { code, out, err } = await run("generate", ...args, "--json");
  assertEquals([code, err], [0, ""]);
  assert(/^[\P{C}\n]*$/u.test(out), out);
  const { settings, prompt, texts } = JSON.parse(out);
  assertEquals([settings.tokens, settings.temperature, prompt, texts.length], [30, 9, "a", 1]);
  assert(texts[0].startsWith("a ") && texts[0].includes("\u202eb") && texts[0].includes("\u001b[31m"), out);
});

Deno.test("a study as JSON: settings, a row per run, differences; as CSV the same rows; as a list its states", async () => {
  const arms = [...study, "--folder", `${folder}/study`], args = [...arms, "--seeds", "2"];
  const csv = `${folder}/runs.csv`;
  const listed = await json("ablate", ...args, "--list");
  const { seconds, ...state } = listed.result.runs[0];
  assertEquals(state, { holder: null, run: "pretrain-learned-seed1", share: 0, state: "pending" });
  assert(seconds > 0, "an estimate");
  const { code, result, err } = await json("ablate", ...args, "--quiet", "--csv", csv);
  assertEquals([code, notes(err)], [0, []]);
  assertEquals(
    Object.keys(result),
    ["settings", "complete", "failures", "scores", "runs", "tuning", "mainContrasts", "differences"],
  );
  assertEquals([result.complete, result.failures, result.runs.length], [true, [], 8]);
  assertEquals([result.settings.seeds, result.settings.tasks], [2, ["kind"]]);
  const [first] = result.runs;
  assertEquals([first.task, first.measure, first.lambda, first.transfer], [
    ...["held-out text", "bits per character", null, null],
  ]);
  assert(first.baseline > first.score - 1, "the unigram baseline");
  assert(String(first.score).length > 10, "numbers have all their digits");
  const lines = (await Deno.readTextFile(csv)).trim().split("\n");
  assertEquals(lines[0], Object.keys(first).join(","));
  assertEquals(lines[1], Object.values(first).map((value) => value ?? "").join(","));
  assertEquals(lines.length, 9);
  const found = result.differences.find(({ where }: { where: string }) => where === "kind");
  assertEquals(Object.keys(found), [
    ...["where", "difference", "label", "levels", "unit", "n", "clusters", "mean", "low", "high", "error"],
    ...["seedShare", "p", "detectable", "finding", "sentence"],
  ]);
  assertEquals([found.difference, found.n], ["learned − none", 2]);
  const again = await run("ablate", ...args, "--csv", csv);
  assertEquals([again.code, again.out], [2, ""]);
  assert(/^Cannot write .*runs\.csv as it exists already: /.test(again.err), again.err);

  const single = await json("ablate", ...arms, "--seeds", "1", "--quiet"); // One seed has no interval.
  assertEquals([single.result.differences[0].low, single.result.scores[0].constant], [null, null]);
  const plain = await run("ablate", ...args, "--quiet");
  assertEquals([plain.code, notes(plain.err), plain.out.includes("**Test scores**")], [0, [], true]);
});

Deno.test("what is wrong leaves standard output empty, with --json and --quiet, too", async () => {
  const { code, out, err } = await run("generate", "--json", "--quiet", "--model", "minni", "x");
  assertEquals([code, out, err], [
    ...[2, "", 'Cannot find model "minni" as there is no such model or file: did you mean mini?'],
  ]);
});
