/** L1 in fine-tuning: its weight over the updates, and L1 alone before them. */
import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { digest } from "../../lib/digest.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, type LanguageModel, leaves, presets, withArchitecture } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import {
  adamState,
  batchOf,
  disposeAdam,
  encodeTask,
  finetune,
  type FinetuneOptions,
  objective,
  rateAt,
  shuffledByLength,
  train,
  type TrainingRecord,
} from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

await backend("wasm", { threads: 1 });

const words = "sun rain wind snow frost cloud storm calm heat mist".split(" ");
const tokenizer = trainBpe(words.join(" ").repeat(20), { merges: 30 });
const lm = gpt({ ...presets.smoke, layers: 1, context: 16 }, { tokenizer, seed: 1 });
const rows = Array.from({ length: 18 }, (_, i) => ({
  text: `${words[(7 * i) % 10]} ${words[(3 * i + 1) % 10]} ${i % 2 ? "heat" : "frost"}`,
  label: i % 2,
}));
const task: Task = {
  ...{ name: "sky", kind: "classification", labels: ["cold", "warm"] },
  ...toy,
  ...splits(rows),
};

/** Two epochs of 4 updates; 2 of 18 examples are left out of each. */
const options = { epochs: 2, batch: 4, lambda: 0.5, dropout: 0.1, seed: 2, rate: 1e-2 } as const;
const UPDATES = 8;

const bits = (lm: LanguageModel) => leaves(lm).map(([name, leaf]) => [name, digest(leaf.dataSync())]);

/** A run's records and the bits of its model; `last` is the update after which it is stopped. */
async function made(more: FinetuneOptions, last = Infinity, own = task) {
  const stop = new AbortController();
  const records: TrainingRecord[] = [];
  const run = finetune(lm, own, { ...options, ...more, signal: stop.signal });
  for await (const record of run) {
    records.push(record);
    if (record.update === last) stop.abort();
  }
  const tuned = await run, found = [...bits(tuned), tuned.task!.best];
  dispose(tuned);
  return { records, found };
}

const untimed = (records: readonly TrainingRecord[]) => records.map(({ seconds: _, ...record }) => record);

Deno.test("with schedule linear λ is λ·(1 − u/U) at the update after u of U, in the loss that is minimised", async () => {
  const constant = await made({}), linear = await made({ lambdaSchedule: "linear" });
  const weights = ({ records }: typeof linear) => records.map(({ loss, L1, L2 }) => (loss - L2!) / L1!);
  assertEquals(linear.records.length, UPDATES);
  const expected = [8, 7, 6, 5, 4, 3, 2, 1].map((left) => 0.5 * left / 8);
  assertClose(weights(linear), expected, "λ");
  assertClose(weights(constant), Array(UPDATES).fill(0.5), "λ");
  const [first, second, third] = linear.records, [one, two, other] = constant.records;
  assertEquals([first!.loss, first!.norm], [one!.loss, one!.norm]);
  assertEquals(second!.L2, two!.L2); // The first update's rate is 0.
  assert(second!.norm !== two!.norm && third!.L2 !== other!.L2, "the gradient has the decayed weight");
});

Deno.test("the schedule of λ makes no difference to λ = 0, and constant is the default", async () => {
  const folder = await Deno.makeTempDir(), checkpoint = `${folder}/sky.part`;
  const none = await made({ lambda: 0, checkpoint }, 3);
  assertEquals(none.records.length, 3);
  const resumed = await made({ lambda: 0, lambdaSchedule: "linear", checkpoint });
  const whole = await made({ lambda: 0 });
  assertEquals([resumed.records.length, resumed.found], [UPDATES - 3, whole.found]);
  assertEquals((await made({ lambdaSchedule: "constant" })).found, (await made({})).found);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("stopped after any update and resumed, λ goes on decaying where it stood; constant does not resume it", async () => {
  const folder = await Deno.makeTempDir(), checkpoint = `${folder}/sky.part`;
  const more = { lambdaSchedule: "linear", checkpoint } as const;
  const whole = await made({ lambdaSchedule: "linear" });
  for (let last = 1; last <= UPDATES; last++) {
    const { records } = await made(more, last), rest = await made(more);
    assertEquals(untimed([...records, ...rest.records]), untimed(whole.records));
    assertEquals(rest.found, whole.found);
    if (last === UPDATES) break;
    await Deno.remove(checkpoint);
  }
  await assertRefused(
    () => made({ checkpoint }),
    /^Cannot resume from .* as its lambdaSchedule is "linear": current lambdaSchedule is absent$/,
  );
  await assertRefused(
    () => made({ lambdaSchedule: "exponential" as "linear" }),
    /^Cannot fine-tune with lambdaSchedule "exponential" as it must be one of constant, linear$/,
  );
  await Deno.remove(folder, { recursive: true });
});

/** Two epochs of 4 updates before them. */
const adapted = { ...options, adaptEpochs: 2 } as const, ADAPT = 8;

Deno.test("adaptation is training on L1 alone, and then fine-tuning with a fresh optimiser, as by hand", async () => {
  const { records, found } = await made(adapted);
  const tuned = await finetune(lm, task, { ...options, signal: AbortSignal.abort() }); // The model that it starts from.
  const variables = leaves(tuned).map(([, leaf]) => leaf).filter((leaf) => leaf.trainable);
  const { train: examples } = encodeTask(task, tokenizer, lm.config.context);
  const pick = shuffledByLength(2, examples.map(({ length }) => length), 4);
  const sequencesAt = (update: number) => Array.from(pick(update), (i) => examples[i]!.sequences[0]!);
  const dropoutAt = (update: number) => ({ rate: 0.1, seed: 2, update });
  const labelsAt = (update: number) => Float32Array.from(pick(update), (i) => examples[i]!.label);
  const adam = {
    ...{ rate: 1e-2, schedule: "warmup_linear" as const, warmup: 0.1, decay: 0.01, clip: 1 },
    updates: 8,
  };
  const head = bits(tuned).slice(-2), byHand: TrainingRecord[] = [];
  const [first, second] = [adamState(variables), adamState(variables)];
  const body = variables.slice(0, -2); // Without the head.
  const ofL1 = (update: number) =>
    objective(tuned, batchOf(sequencesAt(8 + update)), 1, dropoutAt(8 + update));
  for await (const record of train({ variables: body, adam, state: first, losses: ofL1 })) {
    byHand.push(record);
  }
  assertEquals(bits(tuned).slice(-2), head);
  const ofL3 = (update: number) =>
    objective(tuned, batchOf(sequencesAt(update), labelsAt(update)), 0.5, dropoutAt(update));
  for await (const record of train({ variables, adam, state: second, losses: ofL3 })) byHand.push(record);
  assertEquals(found.slice(0, -1), bits(tuned));
  assertEquals(
    untimed(records),
    untimed(byHand).map((record, i) => ({ ...record, update: i + 1, updates: ADAPT + UPDATES })),
  );
  assertEquals(records.map(({ L1, L2 }) => [L1 !== undefined, L2 !== undefined]), [
    ...Array(ADAPT).fill([true, false]),
    ...Array(UPDATES).fill([true, true]),
  ]);
  const rates = Array.from({ length: 8 }, (_, update) => rateAt(update, adam));
  assertEquals(records.map(({ rate }) => rate), [...rates, ...rates]);
  for (const state of [first, second]) disposeAdam(state);
  dispose(tuned);
});

Deno.test("adaptation lowers the L1 with which fine-tuning begins, also with λ = 0, and none is the default", async () => {
  const long = await made({ ...adapted, adaptEpochs: 10, dropout: 0 });
  const short = await made({ ...options, dropout: 0 });
  const [before, after] = [short.records[0]!.L1!, long.records[40]!.L1!];
  assert(after < 0.8 * before, `${after} is not much less than ${before}`);
  const alone = await made({ ...adapted, lambda: 0 });
  assertEquals(
    alone.records.map(({ loss, L1, L2 }) => [loss === L1, loss === L2]),
    [...Array(ADAPT).fill([true, false]), ...Array(UPDATES).fill([false, true])],
  );
  const both = await made({ ...adapted, lambdaSchedule: "linear" }); // λ decays over fine-tuning alone.
  assertClose(
    both.records.slice(ADAPT).map(({ loss, L1, L2 }) => (loss - L2!) / L1!),
    [8, 7, 6, 5, 4, 3, 2, 1].map((left) => 0.5 * left / 8),
    "λ",
  );
  assertEquals((await made({ adaptEpochs: 0 })).found, (await made({})).found);
});

Deno.test("stopped or killed at any update, an adapted run ends bit for bit where an unbroken one ends", async () => {
  const folder = await Deno.makeTempDir(), checkpoint = `${folder}/sky.part`;
  const before = tf.memory().numTensors;
  const more = { ...adapted, keep: "best", rate: 0.1, checkpoint } as const;
  const { checkpoint: _, ...unsaved } = more;
  const whole = await made(unsaved);
  assertEquals(whole.records.flatMap(({ update, validation }) => validation === undefined ? [] : [update]), [
    ADAPT + 4,
    ADAPT + 8,
  ]);
  for (let last = 1; last <= ADAPT + UPDATES; last++) {
    const { records } = await made(more, last), rest = await made(more);
    assertEquals(untimed([...records, ...rest.records]), untimed(whole.records), `stopped after ${last}`);
    assertEquals(rest.found, whole.found);
    await Deno.remove(checkpoint);
  }
  for (const saveEvery of [3, 8]) { // A kill leaves what was saved last.
    const run = finetune(lm, task, { ...more, saveEvery });
    const copies: string[] = [];
    for await (const { update } of run) {
      if (update <= saveEvery) continue;
      copies.push(`${folder}/${update}.part`);
      await Deno.copyFile(checkpoint, copies.at(-1)!);
    }
    dispose(await run);
    for (const copy of copies) assertEquals((await made({ ...more, checkpoint: copy })).found, whole.found);
    await Deno.remove(checkpoint);
  }
  assertEquals(tf.memory().numTensors, before);
  await made(adapted, 3); // Stopped in the middle of adaptation.
  assertEquals(tf.memory().numTensors, before);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("all choices of an example are adapted to, as many as it has", async () => {
  const choices = rows.map(({ text, label }, i) => ({
    context: text,
    choices: ["cold", "warm", ...i % 3 ? [] : ["calm"]],
    label,
  }));
  const which: Task = { ...task, kind: "choice", labels: ["cold", "warm", "other"], ...splits(choices) };
  const { records } = await made(adapted, Infinity, which);
  assert(records.length === ADAPT + UPDATES && records.every(({ L1 }) => L1! > 0));
});

Deno.test("adaptation that cannot be is refused before anything is computed", async () => {
  const bert = gpt(withArchitecture(presets.smoke, "bert"), { tokenizer, seed: 1 });
  await assertRefused(
    () => finetune(bert, task, { lambda: 0, adaptEpochs: 1 }),
    /^Cannot fine-tune architecture "bert" with adaptEpochs 1 as it .* has no L1: adaptEpochs 0 works$/,
  );
  dispose(bert);
  for (const adaptEpochs of [-1, 0.5, 1e5]) {
    await assertRefused(
      () => finetune(lm, task, { adaptEpochs }),
      /^Cannot fine-tune with adaptEpochs .* as it must be a whole number from 0 to 10,000$/,
    );
  }
  const warm = { ...options, epochs: 20, schedule: "warmup_stable_decay", warmup: 0.01 } as const; // 20 updates.
  await assertRefused(
    () => finetune(lm, task, { ...warm, adaptEpochs: 2 }),
    /^Cannot fine-tune with warmup 0\.01 as .* after update 6: at most 0\.003 works$/,
  );
  const folder = await Deno.makeTempDir(), checkpoint = `${folder}/sky.part`;
  await made({ ...adapted, checkpoint }, 3);
  await assertRefused(
    () => made({ ...options, checkpoint }),
    /^Cannot resume from .* as its updates is 16: current updates is 8$/,
  );
  await assertRefused(
    () => made({ ...adapted, epochs: 3, adaptEpochs: 1, checkpoint }),
    /^Cannot resume from .* as its adaptEpochs is 2: current adaptEpochs is 1$/,
  );
  await Deno.remove(folder, { recursive: true });
});
