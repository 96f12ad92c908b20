import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import {
  dispose,
  forward,
  generate,
  type GenerateOptions,
  gpt,
  type LanguageModel,
  largest,
  leaves,
  type PositionKind,
  positionKinds,
  type Preset,
  presets,
  readLocks,
  tokenLogits,
  withArchitecture,
} from "../../lib/model/mod.ts";
import { type Tokenizer, trainBpe } from "../../lib/text/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

await backend();

const bpe = trainBpe("to be or not to be, that is the question", { merges: 20 });

/** A tokenizer whose text is the ids themselves, so that a test sees them. */
function numerals(size: number): Tokenizer {
  return {
    ...bpe,
    size,
    encode: (text) => Int32Array.from(text.split(" ").filter(Boolean), Number),
    decode: (ids) => [...ids].join(" "),
  };
}

/** A model whose start is larger than GPT-1's, so that it has something to say. */
function talkative(size: number, change: Partial<Preset> = {}, by = 12): LanguageModel {
  const preset: Preset = { ...presets.smoke, context: 10, width: 16, ...change };
  const lm = gpt(preset, { tokenizer: numerals(size), seed: 5 });
  for (const [name, leaf] of leaves(lm.parameters)) {
    if (!name.includes("ln_")) tf.tidy(() => leaf.assign(leaf.mul(by)));
  }
  return lm;
}

/** The scores of the token after these, all of them read at once. */
function scores({ parameters, config }: LanguageModel, ids: number[]): number[] {
  return tf.tidy(() => {
    const { h } = forward({ parameters, config }, tf.tensor2d([ids], undefined, "int32"));
    const last = h.slice([0, ids.length - 1, 0], [1, 1, -1]).reshape<tf.Tensor2D>([1, -1]);
    return [...tokenLogits(parameters, last).dataSync()];
  });
}

/** Greedy decoding without a cache: each token reads the whole window anew. */
function greedy(lm: LanguageModel, prompt: number[], tokens: number): number[] {
  const ids = [...prompt];
  let from = 0;
  for (let i = 0; i < tokens; i++) {
    if (ids.length - from > lm.config.context) from = ids.length - Math.floor(lm.config.context / 2);
    const found = scores(lm, ids.slice(from));
    ids.push(found.indexOf(Math.max(...found)));
  }
  return ids;
}

async function continued(lm: LanguageModel, ids: number[], options: GenerateOptions): Promise<number[]> {
  return (await generate(lm, ids.join(" "), options)).split(" ").map(Number);
}

const kinds: readonly PositionKind[] = positionKinds;

Deno.test("with the cache, greedy text is what it is without, far beyond the context too", async () => {
  for (const kind of kinds) {
    for (const context of [2, 3, 10]) {
      const lm = talkative(30, { context, positions: { kind }, variant: "paper" });
      const expected = greedy(lm, [3, 1, 4], 40);
      assertEquals(await continued(lm, [3, 1, 4], { tokens: 40, temperature: 0 }), expected);
      assert(
        kind === "none" || new Set(expected).size > 3,
        `${kind}: the test needs a text with some variety`,
      );
      dispose(lm.parameters);
    }
  }
});

Deno.test("with the cache, GPT-2's and an LSTM's greedy text is what it is without, beyond the context too", async () => {
  for (const architecture of ["gpt2", "lstm"] as const) {
    for (const context of [2, 10]) {
      const change = { ...presets.smoke, context, width: 16 };
      const lm = talkative(30, withArchitecture(change, architecture), 4);
      const expected = greedy(lm, [3, 1, 4], 40);
      assertEquals(await continued(lm, [3, 1, 4], { tokens: 40, temperature: 0 }), expected);
      assert(new Set(expected).size > 3, `${architecture}: the test needs a text with some variety`);
      dispose(lm.parameters);
    }
  }
});

Deno.test("a prompt as long as the context, or longer, is continued", async () => {
  const lm = talkative(30);
  for (const length of [9, 10, 11, 25, 100]) {
    const prompt = Array.from({ length }, (_, i) => i * i % 30);
    const text = await continued(lm, prompt, { tokens: 12, temperature: 0 });
    assertEquals(text, greedy(lm, prompt, 12));
    assertEquals(text.slice(0, length), prompt);
  }
  dispose(lm.parameters);
});

Deno.test("the same seed gives the same text, another seed another", async () => {
  const lm = talkative(30, {}, 4);
  const text = (seed: number) => continued(lm, [7], { tokens: 30, seed });
  assertEquals(await text(3), await text(3));
  assertEquals(await text(1), await continued(lm, [7], { tokens: 30 }));
  assert(String(await text(3)) !== String(await text(4)));
  dispose(lm.parameters);
});

Deno.test("a longer text begins as a shorter one of its seed", async () => {
  const lm = talkative(30, {}, 4);
  const long = await continued(lm, [7], { tokens: 21 });
  for (const tokens of [0, 1, 2, 13]) {
    assertEquals(await continued(lm, [7], { tokens }), long.slice(0, 1 + tokens));
  }
  dispose(lm.parameters);
});

Deno.test("temperature 0 is greedy whatever the seed, and so is the one likeliest at any temperature", async () => {
  const lm = talkative(30, {}, 4);
  const expected = greedy(lm, [7, 2], 20);
  for (const seed of [1, 2, 3]) {
    assertEquals(await continued(lm, [7, 2], { tokens: 20, temperature: 0, seed }), expected);
    assertEquals(await continued(lm, [7, 2], { tokens: 20, temperature: 0, topK: 5, seed }), expected);
    for (const temperature of [1e-300, 0.01, 1, 1e6]) {
      assertEquals(await continued(lm, [7, 2], { tokens: 20, temperature, topK: 1, seed }), expected);
    }
  }
  assertEquals(await continued(lm, [7, 2], { tokens: 20, temperature: 1e-300 }), expected);
  dispose(lm.parameters);
});

Deno.test("as many likeliest tokens as there are, or more, is all of them", async () => {
  const lm = talkative(30, {}, 4);
  const all = await continued(lm, [7], { tokens: 20 });
  for (const topK of [30, 31, 1e9, Infinity]) {
    assertEquals(await continued(lm, [7], { tokens: 20, topK }), all);
  }
  dispose(lm.parameters);
});

Deno.test("of equal scores the lower id is taken first", async () => {
  const lm = talkative(8, {}, 0);
  assertEquals(await continued(lm, [7], { tokens: 4, temperature: 0 }), [7, 0, 0, 0, 0]);
  const few = await continued(lm, [7], { tokens: 40, topK: 3 });
  assertEquals([...new Set(few.slice(1))].sort(), [0, 1, 2]);
  dispose(lm.parameters);
});

Deno.test("tokens come as often as the softmax of the scores says, at any temperature and cut", async () => {
  const lm = talkative(8, { layers: 1, width: 8 }, 20);
  const logits = scores(lm, [3, 1]);
  const draws = 1000;
  // Three settings, so that each kept token is expected at least 5 times, and χ²'s quantile at 0.999 of its freedoms.
  for (
    const { temperature, topK, quantile } of [
      { temperature: 1, topK: 8, quantile: 24.32 },
      { temperature: 3, topK: 8, quantile: 24.32 },
      { temperature: 0.8, topK: 3, quantile: 13.82 },
    ]
  ) {
    const kept = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, topK);
    const weights = kept.map((id) => Math.exp(logits[id]! / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const counts = new Map<number, number>();
    for (let seed = 0; seed < draws; seed++) {
      const token = (await continued(lm, [3, 1], { tokens: 1, temperature, topK, seed })).at(-1)!;
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    assertEquals([...counts.keys()].filter((id) => !kept.includes(id)), []);
    let chiSquare = 0;
    kept.forEach((id, i) => {
      const expected = draws * weights[i]! / total;
      assert(expected >= 5, `χ² needs 5 expected: ${expected} for token ${id}`);
      chiSquare += ((counts.get(id) ?? 0) - expected) ** 2 / expected;
    });
    assert(chiSquare < quantile, `χ² is ${chiSquare} at temperature ${temperature} of ${topK}`);
  }
  dispose(lm.parameters);
});

Deno.test("a signal that is aborted stops it, at once or while it writes, with the text so far", async () => {
  const lm = talkative(30);
  const before = tf.memory().numTensors;
  assertEquals(await continued(lm, [7, 2], { signal: AbortSignal.abort() }), [7, 2]);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 60);
  const text = await continued(lm, [7, 2], { tokens: 9999, signal: controller.signal });
  assert(text.length > 2 && text.length < 9999, `${text.length} tokens`);
  assertEquals(tf.memory().numTensors, before);
  dispose(lm.parameters);
});

Deno.test("iterated, it gives what each token adds; left before its end, it holds nothing back", async () => {
  const tokenizer = trainBpe("to be or not to be that is the question", { merges: 20 });
  const lm = gpt({ ...presets.smoke, context: 8 }, { tokenizer, seed: 2 });
  for (const prompt of ["to be", "to be or not t"]) {
    const options = { tokens: 30, seed: 3 }, added = [];
    for await (const more of generate(lm, prompt, options)) added.push(more);
    assertEquals(added.length, 30);
    const begin = tokenizer.decode(tokenizer.encode(prompt));
    assertEquals(begin + added.join(""), await generate(lm, prompt, options));
  }
  const before = tf.memory().numTensors;
  let freed = false;
  for await (const _ of generate(lm, "to be")) {
    void readLocks(lm)!.then(() => freed = true);
    await new Promise((resume) => setTimeout(resume));
    assert(!freed, "training waits while it is iterated");
    break;
  }
  await readLocks(lm);
  assert(freed && readLocks(lm) === undefined);
  assertEquals(tf.memory().numTensors, before);
  await assertRefused(() => generate(lm, "to be", { tokens: -1 }), /tokens/);
  assertEquals(Deno.inspect(generate(lm, "to be")).slice(0, 34), "a text that has not been generated");
});

Deno.test("the largest values come in order, of equal ones the first", () => {
  const values = Float32Array.from({ length: 500 }, (_, i) => (i * 7919 % 101 - 50) / 8 * (i % 3 ? 1 : 0));
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
  for (const count of [1, 2, 40, 499, 500, 501, Infinity]) {
    assertEquals([...largest(values, count)], order.slice(0, count), `${count}`);
  }
});

Deno.test("no tensor is left behind, after a failure neither", async () => {
  const lm = talkative(30);
  const before = tf.memory().numTensors;
  await continued(lm, [1, 2, 3], { tokens: 35 });
  await continued(lm, [1, 2, 3], { tokens: 0 });
  assertEquals(tf.memory().numTensors, before);
  // A row that is not finite: of a token that is read, then of one that is only scored.
  tf.tidy(() => {
    const table = lm.parameters.tokens_embed.weight;
    const spoilt = table.dataSync<"float32">().slice().fill(NaN, 16 * 9, 16 * 10);
    table.assign(tf.tensor2d(spoilt, table.shape));
  });
  await assertRefused(
    () => continued(lm, [9], {}),
    /^Cannot continue the text as the model's logits are not finite numbers$/,
  );
  await assertRefused(
    () => continued(lm, [1], {}),
    /^Cannot continue the text as the model's logits are not/,
  );
  assertEquals(tf.memory().numTensors, before);
  dispose(lm.parameters);
});

Deno.test("a text is continued by words of the tokenizer, unknown characters are read as the unknown token", async () => {
  const lm = gpt(presets.smoke, { tokenizer: bpe });
  const text = await generate(lm, "To be or", { tokens: 5, temperature: 0 });
  assert(text.startsWith("to be or"), text);
  assertEquals(await generate(lm, "日本", { tokens: 0 }), "<unk><unk>");
  assert((await generate(lm, "日本 🙂", { tokens: 3 })).startsWith("<unk>"));
  dispose(lm.parameters);
});

Deno.test("a prompt without tokens is refused", async () => {
  const lm = gpt(presets.smoke, { tokenizer: bpe });
  for (const prompt of ["", " ", "\t "]) {
    await assertRefused(
      () => generate(lm, prompt),
      /^Cannot continue an empty prompt as the model needs at least one token$/,
    );
  }
  await assertRefused(
    () => generate(lm, 7 as unknown as string),
    /^Cannot encode a text as it must be a string/,
  );
  dispose(lm.parameters);
});

Deno.test("options that cannot be are refused by their values", async () => {
  const lm = talkative(30);
  const before = tf.memory().numTensors;
  const refused = (option: keyof GenerateOptions, values: unknown[], wanted: string) =>
    Promise.all(values.map((value) =>
      assertRefused(
        () => generate(lm, "1", { [option]: value } as GenerateOptions),
        new RegExp(`^Cannot continue a text with ${option} \\S+ as it must be ${wanted}$`),
      )
    ));
  await refused("tokens", [-1, 1.5, NaN, Infinity, null], "a whole number from 0 to 1,000,000");
  await refused(
    "temperature",
    [-1, NaN, Infinity, -Infinity, null, "1"],
    "a number from 0 to 1,000,000",
  );
  await refused(
    "topK",
    [0, -1, 1.5, NaN, -Infinity, null, "3"],
    "a whole number from 1, or all \\(Infinity\\)",
  );
  await refused("seed", [-1, 1.5, NaN, 2 ** 32, null], "a whole number from 0 to 4,294,967,295");
  await refused("signal", [null, "x", 1], "an AbortSignal");
  assertEquals(tf.memory().numTensors, before);
  dispose(lm.parameters);
});
