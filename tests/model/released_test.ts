import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import {
  addHead,
  type Config,
  dispose,
  encodeSafetensors,
  forward,
  gpt,
  type LanguageModel,
  leaves,
  loadReleased,
  type PositionKind,
  presets,
  saveReleased,
  SPECIALS,
  type StoredTensor,
} from "../../lib/model/mod.ts";
import { encodeNpy } from "../../lib/model/npy.ts";
import { openAIShapes } from "../../lib/model/released.ts";
import { saveBpe, trainBpe } from "../../lib/text/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

await backend();

const tokenizer = trainBpe("to be or not to be", { merges: 3 });
const V = tokenizer.size;
const [L, d, H, C] = [3, 8, 2, 6];
const options = { tokenizer, heads: H };

/** Hugging Face's names and shapes in OpenAI's order, written out from the documentation of the two formats. */
function layout(layers = L): [name: string, shape: number[]][] {
  return [
    ["positions_embed.weight", [C, d]],
    ["tokens_embed.weight", [V, d]],
    ...Array.from({ length: layers }, (_, i): [string, number[]][] => [
      [`h.${i}.attn.c_attn.weight`, [d, 3 * d]],
      [`h.${i}.attn.c_attn.bias`, [3 * d]],
      [`h.${i}.attn.c_proj.weight`, [d, d]],
      [`h.${i}.attn.c_proj.bias`, [d]],
      [`h.${i}.ln_1.weight`, [d]],
      [`h.${i}.ln_1.bias`, [d]],
      [`h.${i}.mlp.c_fc.weight`, [d, 4 * d]],
      [`h.${i}.mlp.c_fc.bias`, [4 * d]],
      [`h.${i}.mlp.c_proj.weight`, [4 * d, d]],
      [`h.${i}.mlp.c_proj.bias`, [d]],
      [`h.${i}.ln_2.weight`, [d]],
      [`h.${i}.ln_2.bias`, [d]],
    ]).flat(),
  ];
}

/** Weights of which no two numbers are alike, so that nothing can stand in another's place. */
function weights(layers = L): Map<string, StoredTensor> {
  let count = 0;
  return new Map(
    layout(layers).map(([name, shape]) => {
      const length = shape.reduce((a, b) => a * b, 1);
      return [name, { shape, data: Float32Array.from({ length }, () => Math.sin(++count)) }];
    }),
  );
}

/** OpenAI's folder of these weights, cut after so many numbers. */
async function writeOpenAI(
  folder: string,
  stored: Map<string, StoredTensor>,
  cuts?: number[],
): Promise<void> {
  const flat = Float32Array.from([...stored.values()].flatMap(({ data }) => [...data]));
  cuts ??= Array.from({ length: 9 }, (_, i) => Math.round((i + 1) * flat.length / 10));
  const edges = [0, ...cuts, flat.length];
  for (let part = 0; part < 10; part++) {
    await Deno.writeFile(
      `${folder}/params_${part}.npy`,
      encodeNpy(flat.subarray(edges[part], edges[part + 1])),
    );
  }
  const shapes = [...stored].map(([name, { shape }]) => /c_\w+\.weight/.test(name) ? [1, ...shape] : shape);
  await Deno.writeTextFile(`${folder}/params_shapes.json`, JSON.stringify(shapes));
}

async function writeHuggingFace(path: string, stored: Map<string, StoredTensor>): Promise<void> {
  const chunks = encodeSafetensors(stored, { format: "pt" });
  await Deno.writeFile(path, new Uint8Array(await new Blob(chunks).arrayBuffer()));
}

/** A file's bytes with one text in place of another of its length. */
async function replaceIn(path: string, from: string, to: string): Promise<void> {
  assertEquals(from.length, to.length);
  const text = Array.from(await Deno.readFile(path), (byte) => String.fromCharCode(byte)).join("");
  assert(text.includes(from));
  await Deno.writeFile(path, Uint8Array.from(text.replace(from, to), (char) => char.charCodeAt(0)));
}

/** Calls with a new folder, which is gone afterwards; no tensor may be left. */
async function inFolder(call: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = tf.memory().numTensors;
  try {
    await call(folder);
    assertEquals(tf.memory().numTensors, before);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Fails unless a model has these weights bit for bit, and the rows of special tokens that its seed gives. */
function assertHolds(lm: LanguageModel, stored: Map<string, StoredTensor>): void {
  const fresh = gpt(lm.config, { tokenizer, seed: lm.seed });
  const start = new Map(leaves(fresh.parameters).map(([name, leaf]) => [name, leaf.dataSync<"float32">()]));
  assertEquals(lm.config, {
    ...presets.gpt1,
    vocabulary: V,
    layers: (stored.size - 2) / 12,
    heads: H,
    width: d,
    context: C,
  });
  assertEquals(leaves(lm.parameters).length, stored.size);
  for (const [name, leaf] of leaves(lm.parameters)) {
    const { data, shape } = stored.get(name)!;
    const found = leaf.dataSync<"float32">();
    assertEquals(found.subarray(0, data.length), data, name);
    if (name === "tokens_embed.weight") {
      assertEquals(leaf.shape, [V + SPECIALS, d]);
      assertEquals(found.subarray(V * d), start.get(name)!.subarray(V * d), "the special tokens");
    } else assertEquals(leaf.shape, shape);
    assert(leaf.trainable);
  }
  dispose(fresh.parameters);
}

function states(lm: LanguageModel): Float32Array {
  const ids = tf.tensor2d([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], undefined, "int32");
  const h = tf.tidy(() => forward(lm, ids).h.dataSync<"float32">());
  ids.dispose();
  return h;
}

/** A model that is no start: each leaf has other numbers. */
function trained(positions: Config["positions"] = { kind: "learned" }): LanguageModel {
  const preset = { ...presets.smoke, layers: L, heads: H, width: d, context: C, positions };
  const lm = gpt(preset, { tokenizer, seed: 3 });
  let count = 0;
  for (const [, leaf] of leaves(lm.parameters)) {
    const values = Float32Array.from({ length: leaf.size }, () => Math.cos(++count));
    tf.tidy(() => leaf.assign(tf.tensor(values, leaf.shape)));
  }
  return lm;
}

Deno.test("OpenAI's folder is read, whatever the cut, and the special tokens start at random", async () => {
  await inFolder(async (folder) => {
    const stored = weights();
    const total = [...stored.values()].reduce((sum, { data }) => sum + data.length, 0);
    for (
      const cuts of [
        undefined,
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
        new Array<number>(9).fill(0),
        new Array<number>(9).fill(total),
        [C * d, C * d + V * d, 500, 501, 900, 1234, 1235, 2000, total - 1],
      ]
    ) {
      await writeOpenAI(folder, stored, cuts);
      for (const seed of [1, 8]) {
        const lm = await loadReleased(folder, { ...options, seed });
        assertHolds(lm, stored);
        dispose(lm.parameters);
      }
    }
  });
});

Deno.test("the vocabulary beside the weights is used where none is given", async () => {
  await inFolder(async (folder) => {
    await writeOpenAI(folder, weights());
    await assertRefused(() => loadReleased(folder, { heads: H }), /vocabulary|vocab/);
    await saveBpe(tokenizer, folder);
    const lm = await loadReleased(folder, { heads: H });
    assertEquals([lm.tokenizer.size, lm.tokenizer.encode("ab")], [tokenizer.size, tokenizer.encode("ab")]);
    await saveReleased(lm, `${folder}/model.safetensors`);
    const again = await loadReleased(`${folder}/model.safetensors`, { heads: H });
    assertEquals(again.tokenizer.size, tokenizer.size);
    for (const { parameters } of [lm, again]) dispose(parameters);
  });
});

Deno.test("Hugging Face's file is read, with prefix, tied output and masks or without", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/model.safetensors`;
    for (const prefix of ["", "transformer."]) {
      for (const tied of [false, true]) {
        for (const masks of [false, true]) {
          const stored = weights();
          // Files sort their tensors by name.
          const file = new Map([...stored].reverse().map(([name, tensor]) => [prefix + name, tensor]));
          if (tied) file.set("lm_head.weight", stored.get("tokens_embed.weight")!);
          for (let i = 0; masks && i < L; i++) {
            file.set(`${prefix}h.${i}.attn.bias`, {
              shape: [1, 1, C, C],
              data: new Float32Array(C * C).fill(1),
            });
          }
          await writeHuggingFace(path, file);
          const lm = await loadReleased(path, options);
          assertHolds(lm, stored);
          dispose(lm.parameters);
        }
      }
    }
  });
});

Deno.test("the numbers of positions that some Hugging Face files hold as integers are skipped", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/model.safetensors`;
    const stored = weights(1);
    const file = new Map([...stored].map(([name, tensor]) => [`transformer.${name}`, tensor]));
    file.set("transformer.position_ids", { shape: [2 * C], data: new Float32Array(2 * C) });
    await writeHuggingFace(path, file);
    // The same bytes as integers of 64 bits, half as many.
    const position = '"transformer.position_ids":{"dtype":';
    await replaceIn(path, `${position}"F32","shape":[12]`, `${position}"I64","shape":[6] `);
    const lm = await loadReleased(path, options);
    assertHolds(lm, stored);
    dispose(lm.parameters);
  });
});

Deno.test("what one format saves the other reads: leaves bit for bit, and the same states", async () => {
  await inFolder(async (folder) => {
    const lm = trained();
    const expected = states(lm);
    const paths = [
      `${folder}/openai`,
      `${folder}/a.safetensors`,
      `${folder}/again`,
      `${folder}/b.safetensors`,
    ];
    let current = lm;
    for (const path of paths) {
      await saveReleased(current, path);
      const next = await loadReleased(path, options);
      for (const [i, [name, leaf]] of leaves(next.parameters).entries()) {
        const size = name === "tokens_embed.weight" ? V * d : leaf.size;
        const [found, wanted] = [leaf, leaves(current.parameters)[i]![1]].map((leaf) =>
          leaf.dataSync<"float32">().subarray(0, size)
        );
        assertEquals(found, wanted, name);
      }
      assertEquals(states(next), expected);
      if (current !== lm) dispose(current.parameters);
      current = next;
    }
    dispose(current.parameters);
    dispose(lm.parameters);
    // Both directions wrote the same bytes.
    assertEquals(await Deno.readFile(paths[1]!), await Deno.readFile(paths[3]!));
    for (const { name } of Deno.readDirSync(paths[0]!)) {
      assertEquals(await Deno.readFile(`${paths[0]}/${name}`), await Deno.readFile(`${paths[2]}/${name}`));
    }
  });
});

Deno.test("OpenAI's folder is written in OpenAI's layout: ten vectors of about one size, and the shapes", async () => {
  await inFolder(async (folder) => {
    const lm = trained();
    await saveReleased(lm, `${folder}/model`);
    const names = [...Deno.readDirSync(`${folder}/model`)].map(({ name }) => name).sort();
    assertEquals(names, [
      ...Array.from({ length: 10 }, (_, i) => `params_${i}.npy`),
      "params_shapes.json",
    ]);
    const shapes = JSON.parse(await Deno.readTextFile(`${folder}/model/params_shapes.json`));
    assertEquals(shapes.slice(0, 5), [[C, d], [V, d], [1, d, 3 * d], [3 * d], [1, d, d]]);
    assertEquals(shapes, openAIShapes(lm.config));
    const sizes = names.slice(0, 10).map((name) => Deno.statSync(`${folder}/model/${name}`).size);
    assert(Math.max(...sizes) - Math.min(...sizes) <= 4);
    dispose(lm.parameters);
  });
});

Deno.test("the shapes of a gpt1 are 146, of 116,534,784 numbers", () => {
  const shapes = openAIShapes({ ...presets.gpt1, vocabulary: 40478 });
  assertEquals(shapes.length, 146);
  assertEquals(shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0), 116_534_784);
  assertEquals(shapes.slice(0, 4), [[512, 768], [40478, 768], [1, 768, 2304], [2304]]);
  assertEquals(shapes.slice(-6), [[1, 768, 3072], [3072], [1, 3072, 768], [768], [768], [768]]);
});

const released = new URL("../../../shared/bpe/params_shapes.json", import.meta.url);

Deno.test({
  name:
    "the shapes of a gpt1 are those that OpenAI released (needs OpenAI's params_shapes.json beside the repository)",
  ignore: !await Deno.stat(released).then(() => true, () => false),
  fn: async () => {
    const shapes = JSON.parse(await Deno.readTextFile(released));
    assertEquals(openAIShapes({ ...presets.gpt1, vocabulary: 40478 }), shapes);
  },
});

Deno.test("a fine-tuned model, of any position table, is written without its head", async () => {
  await inFolder(async (folder) => {
    for (const kind of ["sinusoidal", "sinusoidal-trained", "random-frozen"] as const) {
      const lm = trained({ kind, scale: "raw" });
      addHead(lm.parameters, "entailment", 3, 1);
      await saveReleased(lm, `${folder}/model.safetensors`);
      const again = await loadReleased(`${folder}/model.safetensors`, options);
      assertEquals(again.config.positions, { kind: "learned" });
      assertEquals(again.parameters.clf, undefined);
      assertClose(states(again), states(lm), kind);
      dispose(again.parameters);
      dispose(lm.parameters);
    }
  });
});

Deno.test("a model that the formats cannot hold is refused, and nothing is written", async () => {
  await inFolder(async (folder) => {
    for (const path of [`${folder}/model`, `${folder}/model.safetensors`]) {
      for (
        const [kind, scale, message] of [
          [
            "none",
            "matched",
            /^Cannot write a model with positions "none" as the released formats store a position table/,
          ],
          [
            "rotary",
            "matched",
            /^Cannot write a model with positions "rotary" as the released formats store a position table/,
          ],
          [
            "relative",
            "matched",
            /positions "relative" as .* store a position table: saveModel supports it$/,
          ],
          [
            "learned",
            "sqrt-width",
            /^Cannot write a model of position scale "sqrt-width" as the released formats/,
          ],
        ] as [PositionKind, "matched" | "sqrt-width", RegExp][]
      ) {
        const lm = trained({ kind, scale });
        await assertRefused(() => saveReleased(lm, path), message);
        dispose(lm.parameters);
      }
    }
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("a path where nothing is, or nothing can be, is refused by its name", async () => {
  await inFolder(async (folder) => {
    await assertRefused(
      () => loadReleased(`${folder}/none`, options),
      new RegExp(`^Cannot read Hugging Face's weights ${folder}/none: `),
    );
    await assertRefused(
      () => loadReleased(folder, options),
      new RegExp(`^Cannot read the shapes of OpenAI's weights ${folder}/params_shapes\\.json: `),
    );
    await Deno.writeTextFile(`${folder}/file`, "");
    const lm = trained();
    await assertRefused(
      () => saveReleased(lm, `${folder}/file/model`),
      /^Cannot write .*params_0\.npy as .*file is a file and not a folder: /,
    );
    dispose(lm.parameters);
  });
});

Deno.test("heads that do not divide the width, and a vocabulary of another size, are refused", async () => {
  await inFolder(async (folder) => {
    await writeOpenAI(folder, weights());
    await writeHuggingFace(`${folder}/model.safetensors`, weights());
    for (const path of [folder, `${folder}/model.safetensors`]) {
      await assertRefused(
        () => loadReleased(path, { tokenizer, heads: 3 }),
        /^Cannot split 8 features over 3 heads as width must be divisible by heads: current width is 8$/,
      );
      // GPT-1's twelve, unless told.
      await assertRefused(() => loadReleased(path, { tokenizer }), /^Cannot split 8 features over 12 heads/);
      for (const heads of [0, -2, 1.5, NaN]) {
        await assertRefused(
          () => loadReleased(path, { tokenizer, heads }),
          /^Cannot load released weights with heads \S+ as it must be/,
        );
      }
      const other = trainBpe("to be or not to be", { merges: 2 });
      await assertRefused(
        () => loadReleased(path, { ...options, tokenizer: other }),
        new RegExp(
          `^Cannot use a tokenizer of ${other.size} tokens with ${path} as its weights are for ${V}$`,
        ),
      );
      await assertRefused(
        () => loadReleased(path, { ...options, seed: -1 }),
        /^Cannot load released weights with seed -1 /,
      );
    }
  });
});

Deno.test("a damaged folder of OpenAI's is refused in one sentence", async () => {
  await inFolder(async (folder) => {
    const shapesPath = `${folder}/params_shapes.json`;
    await writeOpenAI(folder, weights());
    const shapes: number[][] = JSON.parse(await Deno.readTextFile(shapesPath));
    const refused = (message: RegExp) => assertRefused(() => loadReleased(folder, options), message);

    await Deno.writeTextFile(shapesPath, "[[6, 8],");
    await refused(/^Cannot read .*params_shapes\.json: it is not JSON$/);
    const list = /^Cannot use .*params_shapes\.json as it must list 2 shapes and 12 more for each block$/;
    for (
      const lie of [
        {},
        null,
        "text",
        [],
        shapes.slice(0, 2),
        shapes.slice(0, -1),
        [...shapes, [8]],
        shapes.with(3, [-24]),
        shapes.with(3, [24.5]),
        shapes.with(3, [0]),
        shapes.with(3, ["24"] as unknown as number[]),
        shapes.with(3, null as unknown as number[]),
        shapes.with(3, { length: 1 } as unknown as number[]),
      ]
    ) {
      await Deno.writeTextFile(shapesPath, JSON.stringify(lie));
      await refused(list);
    }

    const total = /^Cannot use .* as its files have \d+ numbers and its shapes need .*$/;
    for (
      const lie of [shapes.slice(0, -12), shapes.with(3, [25]), shapes.with(3, new Array(40).fill(2 ** 52))]
    ) {
      await Deno.writeTextFile(shapesPath, JSON.stringify(lie));
      await refused(total);
    }

    // As many numbers as there are, but in other shapes.
    const swapped = (a: number, b: number) => shapes.with(a, shapes[b]!).with(b, shapes[a]!);
    for (
      const [lie, message] of [
        [
          shapes.with(2, [1, 3 * d, d]),
          /^Cannot use tensor "h\.0\.attn\.c_attn\.weight" of .* as its shape must be/,
        ],
        [
          shapes.with(2, [2, d, 3 * d / 2]),
          /^Cannot use tensor "h\.0\.attn\.c_attn\.weight" of .* is \[2,8,12\]$/,
        ],
        [shapes.with(2, [3 * d * d]), /^Cannot use tensor "h\.0\.attn\.c_attn\.weight" of .* is \[192\]$/],
        [shapes.with(3, [3, d]), /^Cannot use tensor "h\.0\.attn\.c_attn\.bias" of .* is \[3,8\]$/],
        [
          swapped(3, 5),
          /^Cannot use tensor "h\.0\.attn\.c_attn\.bias" of .* as its shape must be \[24\]: .* \[8\]$/,
        ],
        [swapped(0, 1), /^Cannot use a tokenizer of \d+ tokens with .* as its weights are for 6$/],
        [shapes.with(1, [V * d]), /^Cannot find matrices of tokens and positions in /],
        // A leading axis that is not 1, with the numbers of it taken from elsewhere.
        [
          shapes.with(2, [2, d, 3 * d]).with(8, [1, d, d]),
          /^Cannot use tensor "h\.0\.attn\.c_attn\.weight" of .* as its shape must be \[8,24\]: .* \[2,8,24\]$/,
        ],
      ] as const
    ) {
      await Deno.writeTextFile(shapesPath, JSON.stringify(lie));
      await refused(message);
    }

    await writeOpenAI(folder, weights());
    const part = `${folder}/params_4.npy`;
    const whole = await Deno.readFile(part);
    await Deno.writeFile(part, whole.subarray(0, -4));
    await refused(
      /^Cannot read .*params_4\.npy as a NumPy array: its shape .* needs \d+ bytes and it has \d+$/,
    );
    await Deno.writeFile(part, encodeNpy(new Float32Array(3)));
    await refused(total);
    await Deno.writeFile(part, whole);
    await replaceIn(part, "'<f4'", "'<f8'");
    await refused(
      /^Cannot read .*params_4\.npy as a NumPy array: expected little-endian float32 in C order: /,
    );
    await Deno.writeTextFile(part, "<html>404</html>");
    await refused(/^Cannot read .*params_4\.npy as a NumPy array: it does not start with the magic bytes$/);
    await Deno.remove(part);
    await refused(/^Cannot read OpenAI's weights .*params_4\.npy: /);
  });
});

Deno.test("a damaged file of Hugging Face's is refused in one sentence", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/model.safetensors`;
    const refused = async (message: RegExp, change?: (file: Map<string, StoredTensor>) => void) => {
      if (change) {
        const file = weights();
        change(file);
        await writeHuggingFace(path, file);
      }
      await assertRefused(() => loadReleased(path, options), message);
    };
    const of = (...shape: number[]): StoredTensor => ({
      shape,
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
    });

    for (const [name] of layout()) {
      await refused(
        name === "tokens_embed.weight" || name === "positions_embed.weight"
          ? /^Cannot find matrices of tokens and positions in /
          : /^Cannot (find|use) tensor "h\.\d\.[\w.]+" (in|of) .*model\.safetensors( as GPT-1 has no such parameter)?$/,
        (file) => file.delete(name),
      );
    }
    await refused(
      /^Cannot use tensor "score\.weight" of .* as GPT-1 has no such parameter$/,
      (file) => file.set("score.weight", of(8, 2)),
    );
    await refused(
      /^Cannot use tensor "h\.9\.ln_1\.weight" of .* as GPT-1 has no such/,
      (file) => file.set("h.9.ln_1.weight", of(8)),
    );
    await refused(
      /^Cannot use tensor "__proto__" of .* as GPT-1 has no such/,
      (file) => file.set("__proto__", of(1)),
    );
    await refused(
      /^Cannot use tensor "a\\n\\u001b" of .* as GPT-1 has no such/,
      (file) => file.set("a\n\x1b", of(1)),
    );
    await refused(
      /^Cannot use .* as it holds tensor "h\.0\.ln_1\.bias" twice$/,
      (file) => file.set("transformer.h.0.ln_1.bias", of(8)),
    );
    await refused(
      /^Cannot use tensor "h\.1\.mlp\.c_fc\.weight" of .* as its shape must be \[8,32\]: current shape is \[32,8\]$/,
      (file) => file.set("h.1.mlp.c_fc.weight", of(32, 8)),
    );
    await refused(
      /^Cannot find matrices of tokens and positions in /,
      (file) => file.set("positions_embed.weight", of(6, 8, 1)),
    );
    await refused(
      /^Cannot use tensor "positions_embed\.weight" of .* as its shape must be \[6,8\]: current shape is \[6,4\]$/,
      (file) => file.set("positions_embed.weight", of(6, 4)),
    );
    await refused(
      /^Cannot build a model with context 1 as it must be a whole number from 2 to 65,536$/,
      (file) => file.set("positions_embed.weight", of(1, 8)),
    );
    await refused(
      /^Cannot build a model with layers 0 as it must be a whole number from 1 to 1,000$/,
      (file) => [...file.keys()].forEach((name) => name.startsWith("h.") && file.delete(name)),
    );
    await refused(
      /^Cannot use a tokenizer of \d+ tokens with .* as its weights are for 50$/,
      (file) => file.set("tokens_embed.weight", of(50, 8)),
    );
    for (const head of [of(V, d), of(V - 1, d), of(0, d)]) {
      await refused(
        /^Cannot use .* as its output "lm_head\.weight" must be its tokens "tokens_embed\.weight": current ones differ$/,
        (file) => file.set("lm_head.weight", head),
      );
    }

    // Names that cost nothing and speak of a model that would take all memory.
    await refused(/^Cannot build a model of \d+ parameters as memory holds at most /, (file) => {
      file.set("tokens_embed.weight", of(V, 2000));
      file.set("positions_embed.weight", of(C, 2000));
      for (let i = L; i < 1000; i++) file.set(`h.${i}.ln_1.weight`, of(0));
    });
    await refused(/^Cannot use tensor "h\.0\.attn\.c_attn\.weight" of /, (file) => {
      file.set("tokens_embed.weight", of(V, 2000));
      file.set("positions_embed.weight", of(C, 2000));
    });

    await writeHuggingFace(path, weights());
    const whole = await Deno.readFile(path);
    for (const length of [0, 5, 100, 2000, whole.length - 1]) {
      await Deno.writeFile(path, whole.subarray(0, length));
      await refused(/^Cannot read .*model\.safetensors as safetensors: /);
    }
    await Deno.writeTextFile(path, "PK\x03\x04 a pickle of PyTorch's");
    await refused(/^Cannot read .*model\.safetensors as safetensors: its header should have /);
    await Deno.writeFile(path, whole);
    await replaceIn(path, '"dtype":"F32"', '"dtype":"F64"');
    await refused(
      /^Cannot read .* as safetensors: tensor "positions_embed\.weight" has dtype "F64", expected "F32" or "F16"/,
    );
  });
});

Deno.test("files larger than any that is meant are refused before they are read, however large", async () => {
  const used = () => {
    const { heapTotal, external } = Deno.memoryUsage(); // Of this test file, while others run in the same process.
    return heapTotal + external;
  };
  const folder = await Deno.makeTempDir(), before = used(), begin = performance.now();
  const lm = gpt(presets.smoke, { tokenizer });
  await saveReleased(lm, `${folder}/model`);
  await saveReleased(lm, `${folder}/model.safetensors`);
  dispose(lm);
  const heads = presets.smoke.heads, large = 5 * 2 ** 30; // Holes take no place on the disk.
  for (
    const [file, from, why] of [
      [
        "model.safetensors",
        "model.safetensors",
        /^Cannot read .* as safetensors: its tensors take \d+ bytes and the file has \d+/,
      ],
      [
        "model/params_3.npy",
        "model",
        /^Cannot read OpenAI's weights .*params_3\.npy as it must have at most \d+ bytes: /,
      ],
      [
        "model/params_shapes.json",
        "model",
        /shapes\.json as it must have at most 1048576 bytes: current size is 5368709120$/,
      ],
    ] as const
  ) {
    await Deno.truncate(`${folder}/${file}`, large);
    await assertRefused(() => loadReleased(`${folder}/${from}`, { tokenizer, heads }), why);
  }
  await Deno.truncate(`${folder}/model.safetensors`, 0);
  await Deno.truncate(`${folder}/model.safetensors`, large);
  await assertRefused(
    () => loadReleased(`${folder}/model.safetensors`, { tokenizer, heads }),
    /^Cannot read .* as safetensors: its header is not JSON$/,
  );
  assert(performance.now() - begin < 5000 && used() - before < 300 * 2 ** 20);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("numbers that are not finite are refused in either format, and not written in either", async () => {
  const folder = await Deno.makeTempDir();
  for (const path of [`${folder}/model`, `${folder}/model.safetensors`]) {
    const lm = gpt(presets.smoke, { tokenizer });
    await saveReleased(lm, path);
    const file = path.endsWith("model") ? `${path}/params_9.npy` : path;
    const bytes = await Deno.readFile(file);
    for (const number of [NaN, Infinity, -Infinity]) {
      new DataView(bytes.buffer).setFloat32(bytes.length - 4, number, true);
      await Deno.writeFile(file, bytes);
      await assertRefused(
        () => loadReleased(path, { tokenizer, heads: presets.smoke.heads }),
        /^Cannot use tensor "h\.1\.ln_2\.bias" of .* as it has numbers that are not finite$/,
      );
      const [name, leaf] = leaves(lm).at(-1)!;
      leaf.assign(tf.fill(leaf.shape, number) as typeof leaf);
      await assertRefused(
        () => saveReleased(lm, path),
        new RegExp(`^Cannot save a model as ${name} has numbers that are not finite$`),
      );
    }
    dispose(lm);
  }
  await Deno.remove(folder, { recursive: true });
});
