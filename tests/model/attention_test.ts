import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import { attentionMaps, dispose, gpt, presets, withArchitecture } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

await backend();
const tokenizer = trainBpe("to be or not to be that is the question", { merges: 20 });
const text = "to be or not to question";

Deno.test("a head of the first block attends as worked out number by number", async () => {
  const lm = gpt(presets.smoke, { tokenizer, seed: 4 });
  const before = tf.memory().numTensors;
  const { tokens, maps } = await attentionMaps(lm, text);
  assertEquals(tf.memory().numTensors, before);
  const ids = tokenizer.encode(text);
  assertEquals([tokens.length, maps.length, maps[0]!.length], [ids.length, 2, 2]);
  const [{ attn: { c_attn } }] = lm.parameters.h as [typeof lm.parameters.h[0]];
  const table = lm.parameters.tokens_embed.weight.arraySync();
  const places = lm.parameters.positions_embed!.weight.arraySync();
  const [w, b] = [c_attn.weight.arraySync() as number[][], c_attn.bias.arraySync() as number[]];
  const [d, size, head] = [32, 16, 1]; // Queries of head 1 are columns 16 to 31, its keys 48 to 63.
  const column = (t: number, j: number) =>
    table[ids[t]!]!.reduce((sum, x, i) => sum + (x + places[t]![i]!) * w[i]![j]!, b[j]!);
  const vector = (t: number, from: number) => Array.from({ length: size }, (_, i) => column(t, from + i));
  ids.forEach((_, t) => {
    const q = vector(t, head * size);
    const powers = Array.from({ length: t + 1 }, (_, s) => {
      const k = vector(s, d + head * size);
      return Math.exp(q.reduce((sum, x, i) => sum + x * k[i]!, 0) / Math.sqrt(size));
    });
    const sum = powers.reduce((a, b) => a + b);
    maps[0]![head]![t]!.forEach((weight, s) => {
      const expected = s <= t ? powers[s]! / sum : 0;
      assert(Math.abs(weight - expected) < 1e-6, `${t} to ${s}: ${weight} is not ${expected}`);
    });
  });
  dispose(lm.parameters);
});

Deno.test("a block that begins with its norm attends to what the norm gives", async () => {
  const lm = gpt(withArchitecture(presets.smoke, "gpt2"), { tokenizer, seed: 4 });
  const [{ attn: { c_attn }, ln_1 }] = lm.parameters.h as [typeof lm.parameters.h[0]];
  ln_1.weight.assign(tf.linspace(0.5, 3, 32) as tf.Tensor1D);
  ln_1.bias.assign(tf.linspace(-1, 1, 32) as tf.Tensor1D);
  const { maps } = await attentionMaps(lm, text);
  const ids = tokenizer.encode(text);
  const table = lm.parameters.tokens_embed.weight.arraySync();
  const places = lm.parameters.positions_embed!.weight.arraySync();
  const [gain, bias] = [ln_1.weight.arraySync() as number[], ln_1.bias.arraySync() as number[]];
  const [w, b] = [c_attn.weight.arraySync() as number[][], c_attn.bias.arraySync() as number[]];
  const read = Array.from(ids, (id, t) => {
    const x = table[id]!.map((x, i) => x + places[t]![i]!);
    const mean = x.reduce((a, b) => a + b) / 32;
    const variance = x.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 32;
    return x.map((x, i) => (x - mean) / Math.sqrt(variance + 1e-5) * gain[i]! + bias[i]!);
  });
  const size = 16;
  const vector = (t: number, from: number) =>
    Array.from(
      { length: size },
      (_, j) => read[t]!.reduce((sum, x, i) => sum + x * w[i]![from + j]!, b[from + j]!),
    );
  const t = ids.length - 1;
  const powers = Array.from({ length: t + 1 }, (_, s) => {
    const [q, k] = [vector(t, 0), vector(s, 32)];
    return Math.exp(q.reduce((sum, x, i) => sum + x * k[i]!, 0) / Math.sqrt(size));
  });
  const sum = powers.reduce((a, b) => a + b);
  maps[0]![0]![t]!.forEach((weight, s) => {
    assert(Math.abs(weight - powers[s]! / sum) < 1e-5, `${t} to ${s}: ${weight} is not ${powers[s]! / sum}`);
  });
  dispose(lm.parameters);
});

Deno.test("weights sum to 1, and only an encoder looks ahead", async () => {
  for (const architecture of ["gpt1", "gpt2", "bert"] as const) {
    const lm = gpt(withArchitecture(presets.smoke, architecture), { tokenizer, seed: 1 });
    const { maps } = await attentionMaps(lm, text);
    for (const map of maps.flat()) {
      for (const [t, row] of map.entries()) {
        assert(Math.abs(row.reduce((a, b) => a + b) - 1) < 1e-5);
        assertEquals(
          row.slice(t + 1).some((weight) => weight > 0),
          architecture === "bert" && t < map.length - 1,
        );
      }
    }
    dispose(lm.parameters);
  }
});

Deno.test("attention that is not there is refused", async () => {
  const lstm = gpt(withArchitecture(presets.smoke, "lstm"), { tokenizer, seed: 1 });
  await assertRefused(
    () => attentionMaps(lstm, text),
    /^Cannot draw attention of a model that has no attention$/,
  );
  const lm = gpt(presets.smoke, { tokenizer, seed: 1 });
  await assertRefused(() => attentionMaps(lm, " "), /^Cannot draw attention on an empty text/);
  await assertRefused(
    () => attentionMaps(lm, text.repeat(9)),
    /^Cannot read \d+ tokens as the context is 32$/,
  );
  for (const { parameters } of [lstm, lm]) dispose(parameters);
});
