import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import {
  architectures,
  dispose,
  generate,
  gpt,
  type LanguageModel,
  leaves,
  presets,
  saveReleased,
  withArchitecture,
} from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import {
  evaluate,
  finetune,
  loadModel,
  masked,
  pretrain,
  saveModel,
  scoreText,
  zeroShot,
} from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

await backend("wasm", { threads: 2 });

const text = "the cat sat on the mat and the dog sat on the cat while it rained ".repeat(100);
const tokenizer = trainBpe(text, { merges: 30 });
const all = architectures.map((architecture) => withArchitecture(presets.smoke, architecture));

/** Every leaf, bit for bit. */
function bits(lm: LanguageModel): string {
  return JSON.stringify(leaves(lm.parameters).map(([name, leaf]) => [name, [...leaf.dataSync()]]));
}

const rows = ["the cat sat", "the dog sat on the mat", "it rained", "the mat"].map((text, i) => ({
  text,
  label: Number(i > 1),
}));
const task: Task = {
  name: "sitting",
  kind: "classification",
  labels: ["sat", "not"],
  ...toy,
  ...splits(rows),
};

Deno.test("every architecture learns a text: a few dozen updates lower its loss, alike from the same seed", async () => {
  for (const preset of all) {
    const before = tf.memory().numTensors;
    const run = async (seed: number) => {
      const lm = gpt(preset, { tokenizer, seed });
      const losses: number[] = [];
      const options = { updates: 60, batch: 4, rate: 5e-3 };
      for await (const { loss } of pretrain(lm, { train: text }, options)) losses.push(loss);
      const found = bits(lm);
      dispose(lm.parameters);
      return { losses, found };
    };
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    const mean = (losses: number[]) => losses.reduce((a, b) => a + b, 0) / losses.length;
    const { losses } = first;
    const [start, end] = [mean(losses.slice(0, 5)), mean(losses.slice(-5))];
    assert(end < 0.75 * start, `${preset.architecture} from ${start} to ${end}`);
    assertEquals(again, first);
    assert(other.found !== first.found);
    assertEquals(tf.memory().numTensors, before);
  }
});

Deno.test("every architecture is fine-tuned, evaluated, saved and read again, and leaves no tensor", async () => {
  const path = await Deno.makeTempFile();
  for (const preset of all) {
    const before = tf.memory().numTensors;
    const lm = gpt(preset, { tokenizer, seed: 1 });
    const lambda = preset.architecture === "bert" ? 0 : 0.5;
    const options = { lambda, epochs: 20, batch: 4, rate: 5e-3 };
    const tuned = await finetune(lm, task, options);
    const { value, logits } = await evaluate(tuned, task);
    assertEquals(value, 1, preset.architecture);
    await saveModel(tuned, path);
    const loaded = await loadModel(path);
    assertEquals([bits(loaded), loaded.config, loaded.task], [bits(tuned), tuned.config, tuned.task]);
    assertEquals((await evaluate(loaded, task)).logits, logits);
    for (const { parameters } of [lm, tuned, loaded]) dispose(parameters);
    assertEquals(tf.memory().numTensors, before);
  }
  await Deno.remove(path);
});

Deno.test("of every architecture as many layers are taken over as are asked for, its end with the last", async () => {
  for (const preset of all) {
    const lm = gpt(preset, { tokenizer, seed: 1 });
    for (const [, leaf] of leaves(lm.parameters)) tf.tidy(() => leaf.assign(leaf.add(1)));
    const given = new Map(leaves(lm.parameters).map(([name, leaf]) => [name, leaf.dataSync()]));
    for (let transfer = -1; transfer <= preset.layers; transfer++) {
      const options = { transfer, lambda: 0, epochs: 1, rate: 1e-9, decay: 0 };
      const tuned = await finetune(lm, task, options);
      for (const [name, leaf] of leaves(tuned.parameters)) {
        if (name.startsWith("clf") || name.startsWith("tokens")) continue; // The special tokens are always new.
        const layer = /^h\.(\d+)/.exec(name)?.[1];
        const from = name.startsWith("positions") ? 0 : layer ? Number(layer) + 1 : preset.layers;
        const same = leaf.dataSync().every((x, i) => Math.abs(x - given.get(name)![i]!) < 1e-6);
        assertEquals(same, transfer >= from, `${preset.architecture} ${name} at ${transfer}`);
      }
      dispose(tuned.parameters);
    }
    dispose(lm.parameters);
  }
});

Deno.test("an LSTM and a GPT-2 write and score text; bert says in one sentence why it does not", async () => {
  for (const architecture of ["gpt2", "lstm"] as const) {
    const lm = gpt(withArchitecture(presets.smoke, architecture), { tokenizer, seed: 1 });
    const before = tf.memory().numTensors;
    const written = await generate(lm, "the cat", { tokens: 2 * presets.smoke.context, temperature: 0 });
    assert(written.startsWith("the cat") && written.length > 20, written);
    const { loss, tokens } = await scoreText(lm, text.slice(0, 1000));
    assert(tokens > 0 && Math.abs(loss - Math.log(tokenizer.size)) < 1.5, `${architecture}: ${loss}`);
    assertEquals(tf.memory().numTensors, before);
    dispose(lm.parameters);
  }
  const bert = gpt(withArchitecture(presets.smoke, "bert"), { tokenizer, seed: 1 });
  const why =
    'with architecture "bert" as it predicts masked tokens, not the next token: gpt1, gpt2, lstm predict the next token$';
  const refused: [() => unknown, RegExp][] = [
    [() => generate(bert, "the cat"), new RegExp(`^Cannot continue a text ${why}`)],
    [() => scoreText(bert, text), new RegExp(`^Cannot score a text ${why}`)],
    [() => zeroShot(bert, task), new RegExp(`^Cannot answer task "sitting" without fine-tuning ${why}`)],
    [
      () => finetune(bert, task),
      /^Cannot fine-tune architecture "bert" with λ = 0.5 as it .* has no L1: λ = 0 works$/,
    ],
    [
      () => saveReleased(bert, "nowhere"),
      /^Cannot write a model of architecture "bert" as the released formats are GPT-1's: saveModel supports it$/,
    ],
  ];
  for (const [call, message] of refused) await assertRefused(call, message);
  dispose(bert.parameters);
});

Deno.test("15 % of a sequence are masked, of these four fifths by the mask, and the rest by chance or not at all", () => {
  const [N, T, V] = [200, 40, 1000];
  const ids = Int32Array.from({ length: N * T }, (_, i) => i * 7919 % V);
  const lengths = Int32Array.from({ length: N }, (_, n) => n % 2 ? T : 3);
  const found = masked({ ids, lengths }, V, 1, 5);
  const { positions, tokens } = found.masked!;
  assertEquals(positions.length, N / 2 * (6 + 1)); // At least one of a short one.
  assertEquals([...positions].sort((a, b) => a - b), [...positions]);
  assertEquals(new Set(positions).size, positions.length);
  let [asMask, other, same] = [0, 0, 0];
  const places = new Set<number>();
  positions.forEach((position, i) => {
    const n = Math.floor(position / T);
    assert(position - n * T < lengths[n]!);
    if (n % 2) places.add(position - n * T);
    assertEquals(tokens[i], ids[position]);
    if (found.ids[position] === V) asMask++;
    else if (found.ids[position] === tokens[i]) same++;
    else other++;
    assert(found.ids[position]! <= V);
  });
  assertEquals(places.size, T); // Wherever it may be.
  // Three standard deviations of 700 draws.
  assert(Math.abs(asMask / 700 - 0.8) < 0.045, `${asMask}`);
  assert(Math.abs(other / 700 - 0.1) < 0.034, `${other}`);
  assert(Math.abs(same / 700 - 0.1) < 0.034, `${same}`);
  const chosen = new Set(positions);
  found.ids.forEach((id, i) => assert(chosen.has(i) || id === ids[i]));
  assertEquals(masked({ ids, lengths }, V, 1, 5), found);
  for (const [seed, update] of [[1, 6], [2, 5]] as const) {
    assert(`${masked({ ids, lengths }, V, seed, update).masked!.positions}` !== `${positions}`);
  }
});
