import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import {
  addHead,
  clone,
  type Config,
  countParameters,
  dispose,
  init,
  leaves,
  type PositionKind,
  positionKinds,
  positionRule,
  type PositionScale,
  presets,
  SPECIALS,
} from "../../lib/model/mod.ts";
import type { Kind } from "../../lib/text/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

await backend();

const smoke: Config = { ...presets.smoke, vocabulary: 50 };

/** A model's leaves as numbers; the model is gone. */
function values(change: Partial<Config> = {}, seed = 1): Map<string, Float32Array> {
  const parameters = init({ ...smoke, ...change }, seed);
  const found = new Map(leaves(parameters).map(([name, leaf]) => [name, leaf.dataSync<"float32">()]));
  dispose(parameters);
  return found;
}

/** A kind's table of positions at its start. */
function tableOf(kind: PositionKind, scale: PositionScale, context: number, width: number): Float32Array {
  const config = { ...smoke, context, width, positions: { kind, scale } };
  return positionRule(config).table!(config, 1, 0, context);
}

function rootMeanSquare(data: ArrayLike<number>): number {
  return Math.sqrt(Array.from(data).reduce((sum, x) => sum + x * x, 0) / data.length);
}

/** The names of the leaves whose bits differ, or that only one has. */
function differing(a: Map<string, Float32Array>, b: Map<string, Float32Array>): string[] {
  const names = new Set([...a.keys(), ...b.keys()]);
  return [...names].filter((name) => {
    const [left, right] = [a.get(name), b.get(name)];
    return left?.length !== right?.length || !left?.every((x, i) => Object.is(x, right![i]));
  });
}

Deno.test("the gpt1 preset has the paper's 116,534,784 parameters beside the rows of the special tokens", () => {
  const before = tf.memory();
  const parameters = init({ ...presets.gpt1, vocabulary: 40478 }, 1);
  try {
    assertEquals(countParameters(parameters), 116_534_784 + SPECIALS * 768);
    assertEquals(leaves(parameters).length, 2 + 12 * 12);
    assertEquals(tf.memory().numBytes - before.numBytes, 4 * (116_534_784 + SPECIALS * 768));
  } finally {
    dispose(parameters);
  }
  assertEquals([tf.memory().numTensors, tf.memory().numBytes], [before.numTensors, before.numBytes]);
});

Deno.test("a leaf's path is its name in Hugging Face's openai-gpt, in an order that does not change", () => {
  const parameters = init({ ...smoke, layers: 1 }, 1);
  addHead(parameters, "classification", 2, 1);
  const names = [
    "tokens_embed.weight",
    "positions_embed.weight",
    ...["attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2"]
      .flatMap((part) => [`h.0.${part}.weight`, `h.0.${part}.bias`]),
    "clf.weight",
    "clf.bias",
  ];
  assertEquals(leaves(parameters).map(([name]) => name), names);
  addHead(parameters, "entailment", 3, 1);
  assertEquals(leaves(parameters).map(([name]) => name), names);
  const copy = clone(parameters);
  assertEquals(leaves(copy).map(([name]) => name), names);
  dispose(copy);
  dispose(parameters);
});

Deno.test("kernels and embeddings start at N(0, 0.02), biases at 0, gains at 1", () => {
  for (const [name, data] of values({ width: 128, vocabulary: 1000, context: 64 })) {
    if (/\.bias$/.test(name)) assert(data.every((x) => x === 0), name);
    else if (/ln_\d\.weight$/.test(name)) assert(data.every((x) => x === 1), name);
    else {
      // Five standard errors of a deviation and of a mean of so many draws.
      const n = data.length;
      const mean = data.reduce((sum, x) => sum + x, 0) / n;
      assert(Math.abs(rootMeanSquare(data) / 0.02 - 1) < 5 / Math.sqrt(2 * n), `${name}: deviation`);
      assert(Math.abs(mean) < 5 * 0.02 / Math.sqrt(n), `${name}: mean ${mean}`);
      // Not truncated: of n normal draws the largest passes 2.5 deviations, where a truncated one stops at 2.
      assert(data.reduce((most, x) => Math.max(most, x), 0) > 0.05, `${name}: tail`);
    }
  }
});

Deno.test("arms of one seed share every leaf but the positions, bit for bit", () => {
  const learned = values();
  for (const kind of positionKinds) {
    for (const scale of ["matched", "raw", "sqrt-width"] as const) {
      for (const variant of ["paper", "clean"] as const) {
        const other = values({ positions: { kind, scale }, variant, dropout: 0.3 });
        const same = scale === "matched" && (kind === "learned" || kind === "random-frozen");
        const own = kind === "relative" ? ["relative_attention_bias.weight"] : [];
        assertEquals(differing(learned, other), same ? [] : ["positions_embed.weight", ...own]);
      }
    }
  }
});

Deno.test("a longer context, more layers and more tokens leave alone what they do not concern", () => {
  const start = values();
  assertEquals(differing(start, values({ context: 40 })), ["positions_embed.weight"]);
  assertEquals(differing(start, values({ vocabulary: 60 })), ["tokens_embed.weight"]);
  const deeper = values({ layers: 3 });
  assertEquals(differing(start, deeper).length, 12);
  assert(differing(start, deeper).every((name) => name.startsWith("h.2.")));
});

Deno.test("the same seed starts alike, two seeds differ in every random leaf, and so do two leaves", () => {
  assertEquals(differing(values({}, 7), values({}, 7)), []);
  const random = [...values({}, 1)].filter(([name]) => !/\.bias$|ln_/.test(name));
  assertEquals(differing(values({}, 1), values({}, 2)), random.map(([name]) => name));
  const firsts = random.map(([, data]) => data[0]);
  assertEquals(new Set(firsts).size, firsts.length);
});

Deno.test("a seed that is no whole number of 32 bits is refused, and nothing is left behind", async () => {
  const before = tf.memory().numTensors;
  for (const seed of [-1, 0.5, NaN, 2 ** 32]) {
    await assertRefused(
      () => init(smoke, seed),
      /^Cannot draw random numbers with seed .* as it must be a whole number from 0/,
    );
  }
  await assertRefused(() => init({ ...smoke, heads: 5 }, 1), /^Cannot split 32 features over 5 heads/);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("sinusoids stand where the formula puts them", () => {
  const table = tableOf("sinusoidal", "raw", 512, 768);
  // PE(p, 2i) = sin(p / 10000^(2i/768)), PE(p, 2i + 1) = cos of the same.
  for (
    const [place, column, value] of [
      [0, 0, 0],
      [0, 1, 1],
      [0, 766, 0],
      [0, 767, 1],
      [1, 0, Math.sin(1)],
      [1, 1, Math.cos(1)],
      [3, 0, 0.1411200080598672], // sin 3
      [3, 1, -0.9899924966004454], // cos 3
      [100, 384, 0.8414709848078965], // 10000^(384/768) = 100: sin 1
      [100, 385, 0.5403023058681398], // cos 1
      [511, 192, 0.7409726108017196], // 10000^(1/4) = 10: sin 51.1
      [511, 576, 0.48904974715649274], // 10000^(3/4) = 1000: sin 0.511
      [511, 767, Math.cos(511 / 10000 ** (766 / 768))],
    ] as const
  ) {
    assertClose([table[place * 768 + column]!], [value], `PE(${place}, ${column})`, {
      relative: 1e-6,
      zero: value === 0 ? [[0, 1]] : [],
    });
  }
});

Deno.test("sinusoids have a root mean square of √½ raw and 0.02 matched, at any context and width", () => {
  for (const [context, width] of [[1, 2], [32, 32], [77, 130], [512, 768]] as const) {
    for (const kind of ["sinusoidal", "sinusoidal-trained"] as const) {
      const size = (scale: PositionScale) => rootMeanSquare(tableOf(kind, scale, context, width));
      assertClose(
        [size("raw"), size("sqrt-width"), size("matched")],
        [Math.SQRT1_2, Math.SQRT1_2, 0.02],
        kind,
        {
          relative: 1e-7,
        },
      );
    }
  }
});

Deno.test("random tables have about the size of their scale", () => {
  for (const kind of ["learned", "random-frozen"] as const) {
    const size = (scale: PositionScale) => rootMeanSquare(tableOf(kind, scale, 128, 256));
    assertClose([size("raw"), size("sqrt-width")], [Math.SQRT1_2, Math.SQRT1_2], kind, { relative: 0.02 });
    assertClose([size("matched")], [0.02], kind, { relative: 0.02 });
  }
});

Deno.test("positions trained from sinusoids start as the fixed ones, and frozen random ones as the learned", () => {
  for (const scale of ["matched", "raw", "sqrt-width"] as const) {
    const of = (kind: PositionKind) => values({ positions: { kind, scale } }).get("positions_embed.weight");
    assertEquals(of("sinusoidal-trained"), of("sinusoidal"));
    assertEquals(of("random-frozen"), of("learned"));
    assert(of("sinusoidal")![0] !== of("learned")![0]);
    assertEquals(of("none"), undefined);
  }
});

Deno.test("fixed position tables are not trainable, all other leaves are", () => {
  for (const kind of positionKinds) {
    const parameters = init({ ...smoke, positions: { kind } }, 1);
    const fixed = leaves(parameters).filter(([, leaf]) => !leaf.trainable).map(([name]) => name);
    const frozen = kind === "sinusoidal" || kind === "random-frozen";
    assertEquals(fixed, frozen ? ["positions_embed.weight"] : []);
    const copy = clone(parameters);
    assertEquals(leaves(copy).map(([, { trainable }]) => trainable).includes(false), frozen);
    dispose(copy);
    dispose(parameters);
  }
});

Deno.test("a copy has leaves of its own: neither a change nor an end of the one reaches the other", () => {
  const before = tf.memory().numTensors;
  const parameters = init(smoke, 1);
  const copy = clone(parameters);
  const expected = leaves(parameters).map(([, leaf]) => leaf.dataSync());
  for (const [, leaf] of leaves(parameters)) tf.tidy(() => leaf.assign(leaf.add(1)));
  assertEquals(leaves(copy).map(([, leaf]) => leaf.dataSync()), expected);
  dispose(parameters);
  assertEquals(leaves(copy).map(([, leaf]) => leaf.dataSync()), expected);
  dispose(copy);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("a head is new for each task, the old one's memory is given back", () => {
  const before = tf.memory().numTensors;
  const parameters = init(smoke, 1);
  const bare = tf.memory().numTensors;
  const shapes = (kind: Kind, classes: number) => {
    addHead(parameters, kind, classes, 1);
    assertEquals(tf.memory().numTensors, bare + 2);
    return [parameters.clf!.weight.shape, parameters.clf!.bias.shape];
  };
  assertEquals(shapes("classification", 2), [[32, 2], [2]]);
  assertEquals(shapes("entailment", 3), [[32, 3], [3]]);
  assertEquals(shapes("similarity", 6), [[32, 6], [6]]);
  assertEquals(shapes("choice", 4), [[32, 1], [1]]);
  dispose(parameters);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("a head that cannot be is refused, and the old one stays", async () => {
  const parameters = init(smoke, 1);
  addHead(parameters, "classification", 2, 1);
  const before = tf.memory().numTensors;
  const kinds = "classification, entailment, similarity, choice";
  for (const kind of ["ranking", "toString", undefined]) {
    await assertRefused(
      () => addHead(parameters, kind as "choice", 2, 1),
      new RegExp(`^Cannot add a head for ${JSON.stringify(kind)} as the kinds are ${kinds}$`),
    );
  }
  for (const classes of [0, -1, 1.5, NaN, undefined]) {
    await assertRefused(
      () => addHead(parameters, "choice", classes as number, 1),
      new RegExp(`^Cannot add a head for ${classes} labels as their number must be a positive whole number$`),
    );
  }
  await assertRefused(
    () => addHead(parameters, "choice", 2, 0.5),
    /^Cannot draw random numbers with seed 0\.5 /,
  );
  assertEquals(tf.memory().numTensors, before);
  assertEquals(parameters.clf!.weight.shape, [32, 2]);
  assert(parameters.clf!.weight.dataSync().some((x) => x !== 0));
  dispose(parameters);
});
