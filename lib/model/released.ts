import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { readWhole, writeWhole } from "../files.ts";
import type { Tokenizer } from "../text/bpe.ts";
import { type Config, presets } from "./config.ts";
import { gpt, type LanguageModel } from "./gpt.ts";
import { dispose, leaves, type Parameters, SPECIALS } from "./parameters.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";
import { decodeSafetensors, encodeSafetensors, type Stored } from "./safetensors.ts";

/** OpenAI cut its parameters into this many files, without regard to where a tensor ends. */
const PARTS = 10;

/**
 * Reads weights in one of the two formats in which GPT-1 was released: OpenAI's folder of
 * `params_shapes.json` and `params_0.npy` … `params_9.npy`, or Hugging Face's `openai-gpt` safetensors.
 *
 * Neither holds rows for [Start], [Delim] and [Extract], nor a head: those start at random.
 *
 * @param path A folder is read as OpenAI's format, a file as Hugging Face's.
 * @param options.tokenizer The vocabulary that the weights were trained with.
 * @param options.heads Attention heads, which neither format tells; 12 unless given.
 * @param options.seed Of the three rows' random start; 1 unless given.
 * @throws {InputError} If a file is missing or malformed, or a tensor is missing, unknown or of a wrong shape.
 *
 * @example
 * ```ts ignore
 * import { generate, loadBpe, loadReleased } from "../mod.ts";
 *
 * const lm = await loadReleased("finetune-transformer-lm/model", {
 *   tokenizer: await loadBpe("finetune-transformer-lm/model"),
 * });
 * console.log(await generate(lm, "the president is", { temperature: 0, tokens: 17 }));
 * ```
 */
export async function loadReleased(
  path: string,
  { tokenizer, heads = presets.gpt1.heads, seed = 1 }: {
    tokenizer: Tokenizer;
    heads?: number;
    seed?: number;
  },
): Promise<LanguageModel> {
  const info = await Deno.stat(path).catch(() => null);
  const stored = info?.isDirectory ? await readOpenAI(path) : await readHuggingFace(path);
  const tokens = stored.get("tokens_embed.weight")?.shape;
  const positions = stored.get("positions_embed.weight")?.shape;
  if (tokens?.length !== 2 || positions?.length !== 2) {
    throw new InputError(`Cannot find matrices of tokens and positions in ${path}`);
  }
  if (tokens[0] !== tokenizer.size) {
    throw new InputError(
      `Cannot use a tokenizer of ${tokenizer.size} tokens with ${path} as its weights are for ${tokens[0]}`,
    );
  }
  const config = {
    ...presets.gpt1,
    layers: [...stored.keys()].filter((name) => /^h\.\d+\.ln_1\.weight$/.test(name)).length,
    heads,
    width: tokens[1]!,
    context: positions[0]!,
  };
  const lm = gpt(config, { tokenizer, seed });
  try {
    fill(lm.parameters, stored, path);
  } catch (error) {
    dispose(lm.parameters);
    throw error;
  }
  return lm;
}

/**
 * Writes a model's weights in a released format: a path that ends in `.safetensors` in Hugging Face's,
 * any other as a folder in OpenAI's. The rows of the special tokens and the head have no place in either.
 *
 * @throws {InputError} If the model has no position table, which both formats need, or the place cannot be
 * written to.
 *
 * @example
 * ```ts
 * import { trainBpe } from "../text/mod.ts";
 * import { gpt, loadReleased, presets, saveReleased } from "./mod.ts";
 *
 * const tokenizer = trainBpe("to be or not to be", { merges: 3 });
 * const folder = await Deno.makeTempDir();
 * await saveReleased(gpt(presets.smoke, { tokenizer }), folder);
 * const again = await loadReleased(folder, { tokenizer, heads: presets.smoke.heads });
 * console.log(again.config.layers); // 2
 * ```
 */
export async function saveReleased({ parameters, config }: LanguageModel, path: string): Promise<void> {
  if (!parameters.positions_embed) {
    throw new InputError(
      "Cannot write a model without positions as the released formats hold a table of them",
    );
  }
  const names = releasedNames(config);
  const byName = new Map(leaves(parameters));
  const stored = new Map<string, Stored>();
  for (const name of names) {
    const leaf = byName.get(name)!;
    const data = await leaf.data<"float32">();
    const shape = name === "tokens_embed.weight" ? [config.vocabulary, config.width] : leaf.shape;
    stored.set(name, { shape, data: data.subarray(0, product(shape)) });
  }
  if (path.endsWith(".safetensors")) return writeWhole(path, encodeSafetensors(stored, { format: "pt" }));

  const shapes = names.map((name) => openAIShape(name, stored.get(name)!.shape));
  const flat = new Float32Array(shapes.reduce((sum, shape) => sum + product(shape), 0));
  let at = 0;
  for (const { data } of stored.values()) {
    flat.set(data, at);
    at += data.length;
  }
  const cut = (part: number) => Math.round(part * flat.length / PARTS);
  for (let part = 0; part < PARTS; part++) {
    await writeWhole(`${path}/params_${part}.npy`, [encodeNpy(flat.subarray(cut(part), cut(part + 1)))]);
  }
  await writeWhole(`${path}/params_shapes.json`, [JSON.stringify(shapes)]);
}

/** The leaves that were released, in OpenAI's order: positions, tokens, then twelve a block. */
function releasedNames({ layers }: Pick<Config, "layers">): string[] {
  const block = ["attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2"];
  return [
    "positions_embed.weight",
    "tokens_embed.weight",
    ...Array.from(
      { length: layers },
      (_, i) => block.flatMap((part) => [`h.${i}.${part}.weight`, `h.${i}.${part}.bias`]),
    ).flat(),
  ];
}

/** OpenAI stored an affine map as a convolution of width 1: its weight has a leading axis of 1. */
function openAIShape(name: string, shape: readonly number[]): readonly number[] {
  return /\.c_\w+\.weight$/.test(name) ? [1, ...shape] : shape;
}

async function readOpenAI(folder: string): Promise<Map<string, Stored>> {
  const path = `${folder}/params_shapes.json`;
  let shapes: unknown;
  try {
    shapes = JSON.parse(new TextDecoder().decode(await readWhole(path, "the shapes of OpenAI's weights")));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`Cannot read ${path}: it is not JSON`);
  }
  const wanted = (shape: unknown) =>
    Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (
    !Array.isArray(shapes) || !shapes.every(wanted) || shapes.length < 14 || (shapes.length - 2) % 12 !== 0
  ) {
    throw new InputError(`Cannot use ${path} as it must list 2 shapes and 12 more for each block`);
  }
  const parts: Float32Array[] = [];
  for (let part = 0; part < PARTS; part++) {
    const file = `${folder}/params_${part}.npy`;
    parts.push(decodeNpy(await readWhole(file, "OpenAI's weights"), file));
  }
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const claimed = shapes.reduce((sum: number, shape: number[]) => sum + product(shape), 0);
  if (total !== claimed) {
    throw new InputError(
      `Cannot use ${folder} as its files hold ${total} numbers and its shapes claim ${claimed}`,
    );
  }
  const flat = new Float32Array(total);
  let at = 0;
  for (const part of parts) {
    flat.set(part, at);
    at += part.length;
  }
  at = 0;
  return new Map(
    releasedNames({ layers: (shapes.length - 2) / 12 }).map((name, i) => {
      const shape = (shapes as number[][])[i]!;
      const data = flat.subarray(at, at += product(shape));
      const bare = openAIShape(name, [0, 0]).length === 3 && shape.length === 3 ? shape.slice(1) : shape;
      return [name, { shape: bare, data }];
    }),
  );
}

async function readHuggingFace(path: string): Promise<Map<string, Stored>> {
  const { tensors } = decodeSafetensors(await readWhole(path, "Hugging Face's weights"), path);
  const bare = [...tensors].map(([name, stored]) => [name.replace(/^transformer\./, ""), stored] as const);
  // The tied output is a second name for the tokens; old files hold each block's mask as well.
  return new Map(bare.filter(([name]) => name !== "lm_head.weight" && !/^h\.\d+\.attn\.bias$/.test(name)));
}

/** Puts stored values into the leaves that they are named for; the rows of special tokens stay as they are. */
function fill(parameters: Parameters, stored: ReadonlyMap<string, Stored>, path: string): void {
  const known = new Map(leaves(parameters));
  for (const name of stored.keys()) {
    if (!known.has(name)) throw new InputError(`Cannot place tensor "${name}" of ${path} in a GPT-1`);
  }
  for (const [name, leaf] of known) {
    const found = stored.get(name);
    if (!found) throw new InputError(`Cannot find tensor "${name}" in ${path}`);
    const shape = name === "tokens_embed.weight" ? [leaf.shape[0]! - SPECIALS, leaf.shape[1]!] : leaf.shape;
    if (found.shape.join() !== shape.join()) {
      throw new InputError(
        `Cannot use tensor "${name}" of ${path} as its shape must be [${shape}]: current shape is [${found.shape}]`,
      );
    }
    tf.tidy(() => {
      const values = tf.tensor(found.data, shape, "float32");
      leaf.assign(name === "tokens_embed.weight" ? tf.concat([values, leaf.slice(shape[0]!)]) : values);
    });
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
