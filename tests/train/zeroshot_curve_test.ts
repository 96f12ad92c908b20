import * as tf from "../../lib/tfjs.ts";
import type { TaskOf } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { pretrain, stored, zeroShot, zeroShotCurve } from "../../lib/train/mod.ts";
import { assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

await backend();

const text = "the sun is very warm . the snow is very cold . ".repeat(20);
const rows = [
  { context: "the sun is very", choices: ["cold .", "warm ."], label: 1 },
  { context: "the snow is very", choices: ["cold .", "warm ."], label: 0 },
];
const task: TaskOf<"choice"> = {
  ...{ name: "weather", kind: "choice", labels: ["first", "second"] },
  ...toy,
  ...splits(rows),
};
const model = () =>
  gpt({ ...presets.smoke, context: 16 }, { tokenizer: trainBpe(text, { merges: 40 }), seed: 1 });

Deno.test("tasks are scored at updates 1, 2, 4, … and the last, and the scores kept for a run that goes on", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/zeroshot.json`, checkpoint = `${folder}/run.part`;
  const asked = { key: "k", settings: {} };
  const how = { updates: 6, batch: 2, checkpoint };
  const lm = model();
  const { numTensors } = tf.memory();
  const stop = new AbortController();
  const first = await zeroShotCurve([task], file, asked);
  for await (
    const { update } of first.during(
      pretrain(lm, { train: text }, { ...how, signal: stop.signal }),
      lm,
      checkpoint,
    )
  ) if (update === 3) stop.abort();
  assertEquals(first.points.map(({ update }) => update), [1, 2]);
  assertEquals((await stored(file, "k"))?.result, first.points);

  const again = await zeroShotCurve([task], file, asked);
  assertEquals(again.points, first.points);
  const updates: number[] = [];
  for await (const { update } of again.during(pretrain(lm, { train: text }, how), lm, checkpoint)) {
    updates.push(update);
  }
  assertEquals(updates, [4, 5, 6]);
  assertEquals(again.points.map(({ update }) => update), [1, 2, 4, 6]);
  const word: TaskOf<"classification"> = {
    ...{ name: "heat", kind: "classification", labels: ["cold", "warm"], ...toy },
    zeroShot: { by: "word", prompt: "very", words: ["cold", "warm"] },
    ...splits([{ text: "the sun is", label: 1 }, { text: "the snow is", label: 0 }]),
  };
  const words = await zeroShotCurve([word], `${folder}/words.json`, asked);
  for await (const _ of words.during(pretrain(lm, { train: text }, { updates: 1, batch: 2 }), lm, "no file"));
  assertEquals(words.points.map(({ update, calibrated }) => [update, calibrated]), [[1, undefined], [
    1,
    true,
  ]]);
  const { value: isRight } = await zeroShot(lm, word, { calibrate: true });
  assertEquals(words.points[1]!.value, isRight);

  const { value, low, high, measure } = await zeroShot(lm, task);
  assertEquals(again.points.at(-1), { update: 6, task: "weather", measure, value, low, high });
  assertEquals(tf.memory().numTensors, numTensors);

  await assertRefused(() => zeroShotCurve([task], file, { ...asked, key: "l" }), /is of another run/);
  assertEquals((await zeroShotCurve([], file, { ...asked, key: "l" })).points, [], "no tasks, no file");
  dispose(lm.parameters);
  await Deno.remove(folder, { recursive: true });
});
