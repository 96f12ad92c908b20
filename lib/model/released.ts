import * as tf from "../tfjs.ts";
import { InputError, named, quoted } from "../errors.ts";
import { folderOf, writeAtomic } from "../files.ts";
import { allFinite, parseJson, readWithin } from "../foreign.ts";
import { loadBpe, type Tokenizer } from "../text/mod.ts";
import { tokenizerSetting } from "../text/settings.ts";
import { checked, type SchemaOf, settle, text } from "../settings.ts";
import { PAPER } from "./architectures.ts";
import { checkConfig, type Config, presets, presetSettings, seedSetting } from "./config.ts";
import { checkModel, gpt, type LanguageModel } from "./gpt.ts";
import { sizeOf } from "./leaf.ts";
import { leaves } from "./parameters.ts";
import { shapes } from "./shapes.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";
import { decodeSafetensors, encodeSafetensors, readSafetensors, type StoredTensor } from "./safetensors.ts";

/** Buffers in Hugging Face's files that are not parameters: attention masks and position ids. */
const BUFFER = /^(transformer\.)?(h\.\d+\.attn\.bias|position_ids)$/;

const TOKENS = "tokens_embed.weight";

/** OpenAI split the concatenated parameters into this many files, regardless of tensor boundaries. */
const PARTS = 10;

/** Bytes that WebAssembly addresses: the maximum size of a model. */
const MAX_BYTES = 2 ** 32;
/** Maximum bytes of a file's header, and of the file of shapes. */
const HEADER_BYTES = 2 ** 20;

const action = "load released weights";

/** The options of {@linkcode loadReleased}. */
export interface ReleasedOptions {
  /** The tokenizer that the weights were trained with. Default: the one in the weights' folder. */
  tokenizer?: Tokenizer;
  /** Number of attention heads, which neither format stores. @default 12 */
  heads?: number;
  /** Seed of the embeddings of [Start], [Delim] and [Extract]. @default 1 */
  seed?: number;
}

/** The settings of {@linkcode ReleasedOptions}. */
export const releasedSettings = {
  tokenizer: { ...tokenizerSetting, otherwise: "the vocabulary in the weights' folder" },
  heads: { ...presetSettings.heads, default: presets.gpt1.heads, why: "§4.1" },
  seed: seedSetting,
} satisfies SchemaOf<ReleasedOptions>;

/**
 * Loads the released weights of GPT-1 in either format: OpenAI's folder of `params_shapes.json` and `params_0.npy` …
 * `params_9.npy`, or Hugging Face's `openai-gpt` safetensors.
 *
 * Neither has embeddings of [Start], [Delim] and [Extract]: these are initialised at random. All files are checked
 * before memory for the model is allocated.
 *
 * @param path A folder in OpenAI's format, or a file in Hugging Face's.
 * @throws {InputError} If a file is missing or malformed, a tensor is missing, unknown, of a wrong shape or not finite, or
 * heads or vocabulary do not match the weights.
 *
 * @example
 * ```ts ignore
 * import { generate, loadReleased } from "../mod.ts";
 *
 * const lm = await loadReleased("finetune-transformer-lm/model");
 * console.log(await generate(lm, "the president is", { temperature: 0, tokens: 17 }));
 * ```
 */
export async function loadReleased(
  path: string,
  options: ReleasedOptions = {},
): Promise<LanguageModel> {
  checked(action, "path", text, path);
  const { heads, seed, ...rest } = settle(action, releasedSettings, options);
  const info = await Deno.stat(path).catch(() => null);
  const tokenizer = rest.tokenizer ?? await loadBpe(info?.isDirectory ? path : folderOf(path));
  const stored = info?.isDirectory ? await readOpenAI(path) : await readHuggingFace(path);
  const tokens = stored.get(TOKENS)?.shape;
  const positions = stored.get("positions_embed.weight")?.shape;
  if (tokens?.length !== 2 || positions?.length !== 2) {
    throw new InputError(`Cannot find matrices of tokens and positions in ${named(path)}`);
  }
  if (tokens[0] !== tokenizer.size) {
    throw new InputError(
      `Cannot use a tokenizer of ${tokenizer.size} tokens with ${named(path)} as its weights are for ${
        tokens[0]
      }`,
    );
  }
  const config: Config = {
    ...presets.gpt1,
    vocabulary: tokenizer.size,
    layers: [...stored.keys()].filter((name) => /^h\.\d+\.ln_1\.weight$/.test(name)).length,
    heads,
    width: tokens[1]!,
    context: positions[0]!,
  };
  checkConfig(config);
  checkStored(stored, releasedShapes(config), path);
  const { vocabulary: _, ...preset } = config;
  const lm = gpt(preset, { tokenizer, seed });
  for (const [name, leaf] of leaves(lm.parameters)) {
    const { data, shape } = stored.get(name)!;
    tf.tidy(() => {
      const values = tf.tensor(data, [...shape], "float32");
      leaf.assign(name === TOKENS ? tf.concat([values, leaf.slice(tokenizer.size)]) : values);
    });
  }
  return lm;
}

/**
 * Saves a model's weights in a released format: Hugging Face's if the path ends in `.safetensors`, otherwise a folder in
 * OpenAI's. Neither format stores the special tokens and the task's head.
 *
 * @throws {InputError} If it is no model or no GPT-1, has no position table or position scale `sqrt-width`, which the
 * formats cannot represent, has numbers that are not finite, or the path cannot be written to.
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
export async function saveReleased(lm: LanguageModel, path: string): Promise<void> {
  checkModel(lm, "save a model");
  checked("write released weights", "path", text, path);
  const { parameters, config } = lm;
  const { architecture = PAPER } = config;
  if (architecture !== PAPER) {
    throw new InputError(
      `Cannot write a model of architecture "${architecture}" as the released formats are GPT-1's: saveModel supports it`,
    );
  }
  if (!parameters.positions_embed) {
    throw new InputError(
      `Cannot write a model with positions "${config.positions.kind}" as the released formats store a position table: ` +
        "saveModel supports it",
    );
  }
  if (config.positions.scale === "sqrt-width") {
    throw new InputError(
      'Cannot write a model of position scale "sqrt-width" as the released formats cannot represent ' +
        "scaled token embeddings: saveModel supports it",
    );
  }
  const byName = new Map(leaves(parameters));
  const stored = new Map<string, StoredTensor>();
  for (const [name, shape] of releasedShapes(config)) {
    const data = await byName.get(name)!.data<"float32">();
    if (!allFinite(data)) {
      throw new InputError(`Cannot save a model as ${name} has numbers that are not finite`);
    }
    stored.set(name, { shape, data: data.subarray(0, sizeOf(shape)) });
  }
  if (path.endsWith(".safetensors")) return writeAtomic(path, encodeSafetensors(stored, { format: "pt" }));

  const shapes = openAIShapes(config);
  const flat = new Float32Array(shapes.reduce((sum, shape) => sum + sizeOf(shape), 0));
  let at = 0;
  for (const { data } of stored.values()) {
    flat.set(data, at);
    at += data.length;
  }
  const cut = (part: number) => Math.round(part * flat.length / PARTS);
  for (let part = 0; part < PARTS; part++) {
    await writeAtomic(`${path}/params_${part}.npy`, [encodeNpy(flat.subarray(cut(part), cut(part + 1)))]);
  }
  await writeAtomic(`${path}/params_shapes.json`, [JSON.stringify(shapes)]);
}

/** The shapes of the released parameters, in OpenAI's order: positions, tokens, then twelve per block. */
function releasedShapes(config: Config): Map<string, readonly number[]> {
  const all = new Map(Array.from(shapes(config), ([name, { shape }]) => [name, shape]));
  const [positions, tokens] = ["positions_embed.weight", TOKENS];
  const blocks = [...all].filter(([name]) => name.startsWith("h."));
  return new Map([
    [positions, all.get(positions)!],
    [tokens, [config.vocabulary, config.width]], // Without the special tokens.
    ...blocks,
  ]);
}

/**
 * The content of `params_shapes.json`. OpenAI stored a linear layer as a convolution of width 1, so its weight has a
 * leading dimension of 1.
 *
 * @example
 * ```ts
 * import { presets } from "./config.ts";
 * import { openAIShapes } from "./released.ts";
 *
 * console.log(openAIShapes({ ...presets.gpt1, vocabulary: 40478 })[2]); // [ 1, 768, 2304 ]
 * ```
 */
export function openAIShapes(config: Config): (readonly number[])[] {
  return [...releasedShapes(config)].map(([name, shape]) => isAffine(name) ? [1, ...shape] : shape);
}

function isAffine(name: string): boolean {
  return /\.c_\w+\.weight$/.test(name);
}

async function readOpenAI(folder: string): Promise<Map<string, StoredTensor>> {
  const path = `${folder}/params_shapes.json`;
  const json = new TextDecoder().decode(
    await readWithin(path, "the shapes of OpenAI's weights", HEADER_BYTES),
  );
  const shapes = parseJson(json, "it", (why) => {
    throw new InputError(`Cannot read ${named(path)}: ${why}`);
  });
  const isShape = (shape: unknown) =>
    Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (
    !Array.isArray(shapes) || !shapes.every(isShape) || shapes.length < 14 || (shapes.length - 2) % 12 !== 0
  ) {
    throw new InputError(`Cannot use ${named(path)} as it must list 2 shapes and 12 more for each block`);
  }
  const claimed = shapes.reduce((sum: number, shape: number[]) => sum + sizeOf(shape), 0);
  const parts: Float32Array[] = [];
  for (let part = 0; part < PARTS; part++) {
    const file = `${folder}/params_${part}.npy`;
    const most = Math.min(4 * claimed, MAX_BYTES) + HEADER_BYTES;
    parts.push(decodeNpy(await readWithin(file, "OpenAI's weights", most), file));
  }
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  if (total !== claimed) {
    throw new InputError(
      `Cannot use ${named(folder)} as its files have ${total} numbers and its shapes need ${claimed}`,
    );
  }
  const flat = new Float32Array(total);
  let at = 0;
  for (const part of parts) {
    flat.set(part, at);
    at += part.length;
  }
  at = 0;
  const names = [
    ...releasedShapes({ ...presets.gpt1, layers: (shapes.length - 2) / 12, vocabulary: 1 }).keys(),
  ];
  return new Map(names.map((name, i) => {
    const shape = (shapes as number[][])[i]!;
    const data = flat.subarray(at, at += sizeOf(shape));
    return [name, { shape: isAffine(name) && shape[0] === 1 ? shape.slice(1) : shape, data }];
  }));
}

async function readHuggingFace(path: string): Promise<Map<string, StoredTensor>> {
  const isNeeded = (name: string) => !BUFFER.test(name);
  const bytes = await readSafetensors(path, "Hugging Face's weights", isNeeded);
  const { tensors } = decodeSafetensors(bytes, path, isNeeded);
  const stored = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const bare = name.replace(/^transformer\./, "");
    if (stored.has(bare)) {
      throw new InputError(`Cannot use ${named(path)} as it holds tensor ${quoted(bare)} twice`);
    }
    stored.set(bare, tensor);
  }
  // The output layer is tied: a copy of the token embeddings.
  const [output, tokens] = [stored.get("lm_head.weight"), stored.get(TOKENS)];
  const same = ({ data }: StoredTensor) =>
    data.length === tokens?.data.length && data.every((value, i) => Object.is(value, tokens.data[i]));
  if (output && !same(output)) {
    throw new InputError(
      `Cannot use ${
        named(path)
      } as its output "lm_head.weight" must be its tokens "${TOKENS}": current ones differ`,
    );
  }
  stored.delete("lm_head.weight");
  return stored;
}

/** Checks that no tensor is missing or unknown, that shapes match, and that all numbers are finite. */
function checkStored(
  stored: ReadonlyMap<string, StoredTensor>,
  expected: ReadonlyMap<string, readonly number[]>,
  path: string,
): void {
  for (const name of stored.keys()) {
    if (expected.has(name)) continue;
    throw new InputError(
      `Cannot use tensor ${quoted(name)} of ${named(path)} as GPT-1 has no such parameter`,
    );
  }
  for (const [name, shape] of expected) {
    const found = stored.get(name);
    if (!found) throw new InputError(`Cannot find tensor "${name}" in ${named(path)}`);
    if (found.shape.join() !== shape.join()) {
      throw new InputError(
        `Cannot use tensor "${name}" of ${named(path)} as its shape must be [${shape}]: current shape is ` +
          quoted(found.shape),
      );
    }
    if (!allFinite(found.data)) {
      throw new InputError(
        `Cannot use tensor "${name}" of ${named(path)} as it has numbers that are not finite`,
      );
    }
  }
}
