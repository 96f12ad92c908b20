import * as tf from "@tensorflow/tfjs";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, forward, gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { tokensOf } from "../../lib/train/batches.ts";
import { pretrain, scoreByPosition, scoreText } from "../../lib/train/mod.ts";
import { assert, assertEquals } from "../assert.ts";

await backend();
const text = "the rain and the wind and the sun are one and all the same to the whale\n".repeat(60);
const tokenizer = trainBpe(text, { merges: 30 });
const lm = gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 1 });
await pretrain(lm, { train: text }, { updates: 30, batch: 4, rate: 1e-2, dropout: 0 });
const near = (a: number, b: number) => assert(Math.abs(a - b) < 1e-5 * Math.abs(b), `${a} is not ${b}`);

Deno.test("the scores of all places have the text's score as their mean, and leave no tensor", async () => {
  const before = tf.memory().numTensors;
  const byPosition = await scoreByPosition(lm, text, 21); // A whole batch and a part of one.
  assertEquals([byPosition.length, tf.memory().numTensors], [15, before]);
  near(byPosition.reduce((a, b) => a + b) / 15, (await scoreText(lm, text, 21)).bitsPerCharacter);
});

Deno.test("the score at a place is what a plain softmax gives there", async () => {
  const ids = tokensOf(text, tokenizer);
  const window = ids.subarray(0, 16);
  const logs = tf.tidy(() => {
    const { h } = forward(lm.parameters, lm.config, tf.tensor2d([...window], [1, 16], "int32"));
    const logits = tf.matMul(
      h.reshape([16, lm.config.width]),
      lm.parameters.tokens_embed.weight,
      false,
      true,
    );
    return logits.logSoftmax().arraySync() as number[][];
  });
  const byPosition = await scoreByPosition(lm, text, 1);
  assert(new Set(byPosition).size === 15);
  for (const [t, bits] of byPosition.entries()) {
    near(bits, -logs[t]![window[t + 1]!]! / Math.LN2 * ids.length / text.length);
  }
});

globalThis.addEventListener("unload", () => dispose(lm.parameters));
