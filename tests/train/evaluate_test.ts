import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, forward, gpt, positionKinds, presets, withArchitecture } from "../../lib/model/mod.ts";
import { charactersOf, tokensOf, trainBpe } from "../../lib/text/mod.ts";
import {
  evaluate,
  finetune,
  type Interval,
  majorityBaseline,
  masked,
  pretrain,
  scoreByPosition,
  scoreMasked,
  scoreText,
  zeroShot,
} from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { toy } from "../toy.ts";

await backend();
const text = "the rain and the wind and the sun are one and all the same to the whale\n".repeat(60);
const tokenizer = trainBpe(text, { merges: 30 });
const lm = gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 1 });
await pretrain(lm, { train: text }, { updates: 30, batch: 4, rate: 1e-2, dropout: 0 });
const near = (a: number, b: number) => assert(Math.abs(a - b) < 1e-5 * Math.abs(b), `${a} is not ${b}`);

Deno.test("the scores of all places have the text's score as their mean, and leave no tensor", async () => {
  const before = tf.memory().numTensors;
  const byPosition = await scoreByPosition(lm, text, { windows: 21 }); // A whole batch and a part of one.
  assertEquals([byPosition.length, tf.memory().numTensors], [15, before]);
  near(
    byPosition.reduce((a, b) => a + b) / 15,
    (await scoreText(lm, text, { windows: 21 })).bitsPerCharacter,
  );
});

Deno.test("the score at a place is what a plain softmax gives there", async () => {
  const ids = tokensOf(text, tokenizer);
  const window = ids.subarray(0, 16);
  const logs = tf.tidy(() => {
    const { h } = forward(lm, tf.tensor2d([...window], [1, 16], "int32"));
    const logits = tf.matMul(
      h.reshape([16, lm.config.width]),
      lm.parameters.tokens_embed.weight,
      false,
      true,
    );
    return logits.logSoftmax().arraySync() as number[][];
  });
  const byPosition = await scoreByPosition(lm, text, { windows: 1 });
  assert(new Set(byPosition).size === 15);
  for (const [t, bits] of byPosition.entries()) {
    near(bits, -logs[t]![window[t + 1]!]! / Math.LN2 * ids.length / (text.length - 1));
  }
});

Deno.test("bits are per character that a model reads: not per space of a run, per byte-order mark or per surrogate", async () => {
  const bits = async (text: string) => (await scoreText(lm, text)).bitsPerCharacter;
  const expected = await bits(text);
  for (
    const other of [text.replaceAll(" ", "    "), `\ufeff\n ${text}\n\n`, text.replaceAll("\n", " \r\n\r\n")]
  ) {
    assertEquals(await bits(other), expected);
  }
  assertEquals([charactersOf("🐋 e\u0301\u001b[1m &amp;\n"), charactersOf(" \n")], [5, 0]);
});

Deno.test("an encoder is scored on the masked tokens of each window, as a plain softmax gives it", async () => {
  const bert = gpt({ ...withArchitecture(presets.smoke, "bert"), context: 16 }, { tokenizer, seed: 1 });
  const { width, vocabulary } = bert.config, ids = tokensOf(text, tokenizer);
  const half = Math.floor(ids.length / 16 / 2) * 16; // Two windows stand at the beginning and in the middle.
  const both = Int32Array.of(...ids.subarray(0, 16), ...ids.subarray(half, half + 16));
  const batch = masked({ ids: both, lengths: Int32Array.of(16, 16) }, vocabulary, 0, 0);
  const { positions, tokens } = batch.masked!;
  const logs = tf.tidy(() => {
    const { h } = forward(bert, tf.tensor2d(batch.ids, [2, 16], "int32"));
    return h.reshape([32, width]).matMul(bert.parameters.tokens_embed.weight, false, true).logSoftmax()
      .arraySync() as number[][];
  });
  const nats = [...positions].map((position, i) => -logs[position]![tokens[i]!]!);
  assertEquals(nats.length, 4); // 15 % of 16, twice.
  const before = tf.memory().numTensors;
  near(
    await scoreMasked(bert, text, 2),
    nats.reduce((a, b) => a + b) / nats.length / Math.LN2 * ids.length / (text.length - 1),
  );
  const all = await scoreMasked(bert, text, 100);
  assert(all > 0 && all === await scoreMasked(bert, text, 100));
  assertEquals(tf.memory().numTensors, before);
  dispose(bert);
});

Deno.test("windows beyond the context are scored where positions go on, and the first of them as before", async () => {
  const can = ["sinusoidal", "none", "rotary", "alibi", "relative"];
  for (const kind of positionKinds) {
    const model = gpt({ ...presets.smoke, context: 16, positions: { kind } }, { tokenizer, seed: 1 });
    const before = tf.memory().numTensors;
    if (can.includes(kind)) {
      const windows = tokensOf(text, tokenizer).length >> 6; // All, as those of 16 tokens.
      const far = await scoreByPosition(model, text, { context: 64, windows: 3 });
      assertEquals(far.length, 63);
      const { loss, tokens } = await scoreText(model, text, { context: 64 });
      assertEquals(tokens, 63 * windows);
      assert(Number.isFinite(loss));
      const [window] = [tokensOf(text, tokenizer).subarray(0, 64)];
      const [short, long] = await Promise.all([16, 64].map((context) =>
        // The beginning of the same window.
        scoreByPosition(model, tokenizer.decode(window), { context, windows: 1 })
      ));
      short!.forEach((bits, t) => near(bits, long![t]!));
    } else {
      await assertRefused(
        () => scoreByPosition(model, text, { context: 64 }),
        new RegExp(
          `^Cannot read 64 tokens with positions "${kind}" as they are limited to the context of 16: sinusoidal, `,
        ),
      );
    }
    assertEquals((await scoreByPosition(model, text, { context: 8, windows: 2 })).length, 7);
    assertEquals(tf.memory().numTensors, before);
    dispose(model);
  }
});

/** Examples a word decides, three of them of one label and one of the other. */
const rows = ["rain", "wind", "sun", "whale"].map((text, i) => ({ text, label: i === 3 ? 1 : 0 }));
const task: Task = {
  name: "whales",
  kind: "classification",
  labels: ["no", "yes"],
  ...toy,
  measures: ["accuracy", "f1"],
  train: rows,
  validation: rows.slice(2),
  test: [...rows, ...rows].map(({ text, label }, i) => ({
    text: `the ${text}${i < 4 ? "" : " all"}`,
    label,
  })),
};
const display = (value: object) => (value as Record<symbol, () => unknown>)[Symbol.for("Jupyter.display")]!();

Deno.test("beside a score stands what predicting one label gives, by the primary measure and split", async () => {
  const tuned = await finetune(lm, task, { epochs: 1 });
  assertEquals((await evaluate(tuned, task)).baseline, 0.75);
  assertEquals((await evaluate(tuned, task, { split: "validation" })).baseline, 0.5);
  assertEquals((await evaluate(tuned, { ...task, measures: ["f1"] })).baseline, 0.4); // All of them yes: 2 · 2 / (8 + 2).
  assertEquals(
    majorityBaseline({ ...task, measures: ["matthews"] }, task.train.map(({ label }) => label)),
    0,
  );
  dispose(tuned);
});

Deno.test("an evaluation shows itself in a few lines, and is compared and written whole", async () => {
  const tuned = await finetune(lm, task, { epochs: 1 });
  const found = await evaluate(tuned, task);
  const { value, low, high, measures, loss } = found;
  const interval = ({ value, low, high }: Interval) =>
    `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
  const lines = [
    "whales, 8 test examples",
    `accuracy ${interval({ value, low, high })}`,
    `f1 of "yes" ${interval(measures.f1!)}`,
    "majority baseline 0.7500",
    `loss ${loss.toFixed(4)}`,
    "0 of 8 texts truncated to the context, 0.0 % of their tokens <unk>",
  ];
  assertEquals(Deno.inspect(found), lines.join("\n"));
  assertEquals(display(found), { "text/plain": lines.join("\n") });
  assertEquals(found, { ...found });
  const names = ["measure", "value", "low", "high", "measures", "predictions", "examples", "baseline"];
  assertEquals(Object.keys(found), [...names, "loss", "cut", "unknown", "logits"]);
  assertEquals(Object.keys(JSON.parse(JSON.stringify(found))), Object.keys(found));
  dispose(tuned);
});

Deno.test("scores of zero-shot answers and of texts show themselves in a few lines, too", async () => {
  const asked: Task = { ...task, zeroShot: { by: "word", prompt: "is", words: ["rain", "whale"] } };
  const answered = await zeroShot(lm, asked);
  assertEquals(Deno.inspect(answered).split("\n").length, 4);
  assert(Deno.inspect(answered).startsWith("whales, 8 test examples\naccuracy "));
  const score = await scoreText(lm, text, { windows: 8 });
  const lines = Deno.inspect(score).split("\n");
  assertEquals(
    lines.map((line) => line.replace(/ -?\d.*/, "")),
    [
      "bits per character",
      "perplexity",
      "loss",
      "120 tokens, 0.0 % <unk>",
    ].map((line) => line.replace(/ -?\d.*/, "")),
  );
  assertEquals(lines[3], "120 tokens, 0.0 % <unk>");
  assertEquals([score, display(score)], [{ ...score }, { "text/plain": lines.join("\n") }]);
});

globalThis.addEventListener("unload", () => dispose(lm.parameters));
