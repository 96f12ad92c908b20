import * as tf from "../../lib/tfjs.ts";
import { backend, started } from "../../lib/engine/mod.ts";
import { dispose, forward, generate, gpt, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { pretrain } from "../../lib/train/mod.ts";
import { assert, assertEquals } from "../assert.ts";

// No backend is chosen in this file before the last test: each test file is a program of its own.
const text = "to be or not to be that is the question ".repeat(20);
const tokenizer = trainBpe(text, { merges: 10 });
const make = () => gpt({ ...presets.smoke, dropout: 0 }, { tokenizer, seed: 1 });
const states = (lm: ReturnType<typeof make>) =>
  tf.tidy(() => forward(lm, tf.tensor2d([[1, 2, 3]], [1, 3], "int32")).h.dataSync());

const early = make();
const before = states(early);

Deno.test("a model that is made before any backend works at once, and after one has started", async () => {
  assertEquals(tf.getBackend(), "cpu");
  const continued = await generate(early, "to be", { tokens: 4, temperature: 0 });
  assertEquals(
    tf.getBackend(),
    "wasm",
    "the fastest backend starts with the first call that can wait for it",
  );
  const late = make();
  assertEquals(await generate(late, "to be", { tokens: 4, temperature: 0 }), continued);
  const after = states(early);
  assert(before.every((x, i) => Math.abs(x - after[i]!) < 1e-5));
  dispose(late);
});

Deno.test("a model of before learns by the same bits as one of after", async () => {
  const late = make();
  for (const lm of [early, late]) await pretrain(lm, { train: text }, { updates: 3, batch: 2, rate: 1e-2 });
  const other = leaves(late);
  for (const [i, [name, leaf]] of leaves(early).entries()) {
    assertEquals(leaf.dataSync(), other[i]![1].dataSync(), name);
  }
  dispose(early);
  dispose(late);
});

Deno.test("a backend that was chosen stays", async () => {
  await backend("cpu");
  await started();
  assertEquals(tf.getBackend(), "cpu");
});
