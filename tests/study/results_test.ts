/** A result file is believed as far as it can be checked. */
import { digest } from "../../lib/digest.ts";
import { backend } from "../../lib/engine/mod.ts";
import { ablate } from "../../lib/study/mod.ts";
import { baselinesOf, isPretraining, type PlannedFinetune } from "../../lib/study/plan.ts";
import { finetunedRows, pretrainedRows } from "../../lib/study/rows.ts";
import { planOf } from "../../lib/study/tuning.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { sky, weather, words } from "./weather.ts";

await backend();

const rows = Array.from({ length: 16 }, (_, i) => ({ text: `${words[i % 10]} sun`, label: i % 2 }));
const folder = await Deno.makeTempDir();
const study = {
  ...weather,
  ...{ tasks: [sky(rows, rows, rows.slice(0, 8))], lambda: [0.5], seeds: 1, positions: ["learned"] as const },
  ...{ trainExamples: 16, testExamples: 8, folder },
};
await ablate({ ...study, workers: 1 });
const plan = await planOf(study), baselines = baselinesOf(plan);
const pretraining = plan.runs.find(isPretraining)!;
const finetuning = plan.runs.find((run) => !isPretraining(run)) as PlannedFinetune;
const tuned = async () => (await finetunedRows(finetuning, plan))[0];
const read = async () => (await pretrainedRows(pretraining, plan, baselines))[0];

// deno-lint-ignore no-explicit-any -- Whatever a file may hold.
type Json = Record<string, any>;

/** Runs with a result file changed and its checksum made right. */
async function changed(path: string, change: (file: Json) => void, use: () => Promise<void>): Promise<void> {
  const text = await Deno.readTextFile(path);
  const file: Json = JSON.parse(text);
  delete file["sha256"];
  change(file);
  const decoded = JSON.parse(JSON.stringify(file), (_, value) => {
    if (typeof value?.float32 !== "string") return value;
    return new Float32Array(Uint8Array.fromBase64(value.float32).buffer);
  });
  await Deno.writeTextFile(path, JSON.stringify({ ...file, sha256: digest(decoded) }));
  try {
    await use();
  } finally {
    await Deno.writeTextFile(path, text);
  }
}

const base64 = (...numbers: number[]) => ({
  float32: new Uint8Array(Float32Array.from(numbers).buffer).toBase64(),
});

Deno.test("fields of a file's own change nothing that a study says of a run", async () => {
  const [before, heldout] = [await tuned(), await read()];
  await changed(finetuning.result, ({ result }) => {
    Object.assign(result, { task: "other", seed: 7, lambda: 9, constant: 1, "\u001b[2J": 1 });
    Object.assign(result.trained, { examples: 1, x: 1 });
    Object.assign(result.answers, { examples: base64(1) });
    Object.assign(result.measures, { f1: { value: 2, low: 2, high: 2 } });
  }, async () => assertEquals(await tuned(), before));
  await changed(pretraining.result, ({ result }) => {
    Object.assign(result, { seed: 7, model: "bert", positions: "none" });
    Object.assign(result.heldout, { x: 1 });
  }, async () => assertEquals(await read(), heldout));
});

Deno.test("what is not of its type and range, or does not follow from the answers, is refused", async () => {
  const long = "x".repeat(1e5);
  const ofTuned: [change: (file: Json) => void, why: RegExp][] = [
    [({ result }) => result.loss = "1", /its loss cannot be "1"/],
    [({ result }) => result.loss = long, /its loss cannot be "x{58}…/],
    [({ result }) => result.trained.updates = 1.5, /its number of updates cannot be 1\.5/],
    [({ result }) => result.answers.width = 0, /its scores of an example cannot be 0/],
    [({ result }) => result.answers.scores = base64(...new Array(15).fill(0), NaN), /^$/],
    [
      ({ result }) => result.answers.scores = base64(NaN, ...new Array(15).fill(0)),
      /its scores cannot be NaN/,
    ],
    [
      ({ result }) => result.answers.scores = base64(Infinity, ...new Array(15).fill(0)),
      /its scores cannot be Infinity/,
    ],
    [({ result }) => result.answers.predictions = new Array(8).fill(0), /its predictions cannot be \[0,0/],
    [
      ({ result }) => result.answers.predictions = base64(...new Array(8).fill(3)),
      /its predictions cannot be 3/,
    ],
    [
      ({ result }) => result.answers.predictions.float32 = "AAA",
      /as it is incomplete: remove it to run again$/,
    ],
    [
      ({ result }) => result.answers.predictions.float32 = "A\u0007",
      /as it is incomplete: remove it to run again$/,
    ],
    [({ result }) => result.measures.accuracy.value = "1", /its interval of accuracy cannot be \["1",/],
    [({ result }) => result.losses.means.pop(), /its training losses cannot be \{"every":1,/],
    [({ result }) => result.losses.means[0] = "1", /its training losses cannot be/],
    [({ result }) => result.losses.updates = 1e6, /its training losses cannot be/],
    [({ result }) => result.measures = null, /its fields are not those of a result; remove it to run again$/],
    [(file) => file["result"] = null, /its fields are not those of a result; remove it to run again$/],
    [(file) => file["provenance"] = null, /as it has no valid provenance: remove it to run again$/],
    [({ provenance }) => provenance.seconds = "1", /as it has no valid provenance/],
    [({ provenance }) => provenance.machine = "\u001b[31m", /as it has no valid provenance/],
    [({ training }) => training.versions = long, /as it has no valid provenance/],
    [(file) => file["settings"] = JSON.parse("[".repeat(1e4) + "]".repeat(1e4)), /as it is incomplete/],
  ];
  for (const [change, why] of ofTuned) {
    try {
      await changed(finetuning.result, change, async () => {
        if (why.source === "^$") return void await tuned(); // An example of fewer choices has fewer scores.
        await assertRefused(tuned, why);
        await assertRefused(tuned, /^Cannot use \P{C}{1,279}$/u);
      });
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error; // It has no right checksum.
      const text = await Deno.readTextFile(finetuning.result), file: Json = JSON.parse(text);
      change(file);
      await Deno.writeTextFile(finetuning.result, JSON.stringify(file));
      await assertRefused(tuned, why);
      await Deno.writeTextFile(finetuning.result, text);
    }
  }
  const ofRead: typeof ofTuned = [
    [({ result }) => delete result.heldout, /its held-out text cannot be undefined/],
    [({ result }) => result.byPosition.pop(), /its number of positions cannot be 10/],
    [({ result }) => result.byPosition[0] = "0", /its bits by position cannot be "0"/],
    [({ result }) => result.heldout.perplexity++, /its perplexity cannot be/],
    [({ result }) => result.heldout.low.bitsPerCharacter *= 2, /its bits per character cannot be/],
    [({ result }) => result.heldout.losses = base64(NaN), /its losses cannot be/],
    [({ result }) => result.heldout.tokens = -1, /its number of tokens cannot be -1/],
    [({ result }) => result.heldout.unknown = 2, /its share of unknown tokens cannot be 2/],
    [({ result }) => result.zeroShot = { length: 0 }, /its fields are not those of a result/],
  ];
  for (const [change, why] of ofRead) {
    await changed(pretraining.result, change, () => assertRefused(read, why));
  }
});

Deno.test("a file larger than any result is refused before it is read", async () => {
  const text = await Deno.readTextFile(finetuning.result);
  await Deno.truncate(finetuning.result, 2 ** 25 + 1);
  const begin = performance.now();
  await assertRefused(tuned, /as it has 33554433 bytes, more than 33554432: remove it to run again$/);
  assert(performance.now() - begin < 500);
  await Deno.writeTextFile(finetuning.result, text);
});
