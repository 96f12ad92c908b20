/** L1 in fine-tuning: its weight over the updates. */
import type { Task } from "../../lib/data/mod.ts";
import { digest } from "../../lib/digest.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, type LanguageModel, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { finetune, type FinetuneOptions, type TrainingRecord } from "../../lib/train/mod.ts";
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
async function made(more: FinetuneOptions, last = Infinity) {
  const stop = new AbortController();
  const records: TrainingRecord[] = [];
  const run = finetune(lm, task, { ...options, ...more, signal: stop.signal });
  for await (const record of run) {
    records.push(record);
    if (record.update === last) stop.abort();
  }
  const tuned = await run, found = bits(tuned);
  dispose(tuned);
  return { records, found };
}

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
    const losses = [...records, ...rest.records].map(({ seconds: _, ...record }) => record);
    assertEquals(losses, whole.records.map(({ seconds: _, ...record }) => record));
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
