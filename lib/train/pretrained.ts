import { fileURLToPath } from "node:url";
import { downloadShared, type Pinned } from "../data/mod.ts";
import { InputError, quoted } from "../errors.ts";
import type { LanguageModel, PositionKind } from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import { checked, oneOf, type SchemaOf, settle } from "../settings.ts";
import { loadModel } from "./checkpoint.ts";

/** The name of a pre-trained model that is included. */
export type PretrainedName = "mini";

/** The pre-trained models that are included: the file of each name and position kind. */
export const pretrainedModels: Readonly<
  Record<PretrainedName, Readonly<Partial<Record<PositionKind, Omit<Pinned, "url">>>>>
> = {
  mini: {
    learned: {
      bytes: 4013208,
      sha256: "cdf4939edd10d6332b49496f616937cd9b6acea0199f543ade089563f25d803a",
    },
    sinusoidal: {
      bytes: 4013208,
      sha256: "6f9210c53c5ce927f07cdea8e8e31cdfa54237c7fa212fa34c622002a0d10b54",
    },
  },
};

/** The options of {@linkcode pretrained}. */
export interface PretrainedOptions {
  /** Its position encoding. @default "learned" */
  positions?: PositionKind;
}

/** The settings of {@linkcode PretrainedOptions}. */
export const pretrainedSettings = {
  positions: { ...presetSettings.positions.kind, default: "learned" as const },
} satisfies SchemaOf<PretrainedOptions>;

/** A pre-trained model's name, as an option. */
export const pretrainedSetting = {
  ...oneOf(Object.keys(pretrainedModels) as PretrainedName[]),
  about: "an included model to start from, without pre-training",
  otherwise: "none",
};

/**
 * Loads an included pre-trained model, so that fine-tuning starts in seconds. `mini` is pre-trained on novels, film
 * reviews and speeches; its settings and its held-out loss are in `data/models`. Where the kit itself was loaded over
 * https, the model (4 MB) is downloaded once, to `data/cache/models`, and its checksum is verified.
 *
 * @param name The model's name.
 * @throws {InputError} If there is no such model, or its file is damaged or cannot be downloaded.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { countParameters } from "../model/mod.ts";
 * import { pretrained } from "./mod.ts";
 *
 * await backend();
 * const lm = await pretrained("mini");
 * console.log(lm.config.layers, countParameters(lm.parameters)); // 4 1870720
 * ```
 */
export async function pretrained(
  name: PretrainedName,
  options: PretrainedOptions = {},
): Promise<LanguageModel> {
  const { positions } = settle("load a pre-trained model", pretrainedSettings, options);
  return await loadModel(await pretrainedFile(name, positions));
}

/**
 * The file of a model: of an included one by its name, `mini` or `mini-sinusoidal`, of any other by its path.
 *
 * @example
 * ```ts
 * import { modelFile } from "./mod.ts";
 *
 * const file = await modelFile("mini");
 * console.log(file.endsWith("data/models/mini-learned.safetensors"), await modelFile("./mini")); // true "./mini"
 * ```
 */
export async function modelFile(nameOrPath: string): Promise<string> {
  const included = includedModels.get(nameOrPath);
  return included ? await pretrainedFile(...included) : nameOrPath;
}

/** An included model: its name, and its positions. */
export type IncludedModel = readonly [name: PretrainedName, positions: PositionKind];

/** The included models by the names that commands use: `mini`, `mini-learned`, `mini-sinusoidal`. */
export const includedModels: ReadonlyMap<string, IncludedModel> = new Map(
  (Object.keys(pretrainedModels) as PretrainedName[]).flatMap((name) => {
    const kinds = Object.keys(pretrainedModels[name]) as PositionKind[];
    return [
      [name, [name, kinds[0]!]] as [string, IncludedModel],
      ...kinds.map((kind): [string, IncludedModel] => [`${name}-${kind}`, [name, kind]]),
    ];
  }),
);

/** The file of an included model: in the kit's folder, or downloaded from where the kit was loaded. */
export async function pretrainedFile(name: PretrainedName, positions: PositionKind): Promise<string> {
  checked("load a pre-trained model", "name", pretrainedSetting, name);
  const pinned = pretrainedModels[name][positions];
  if (!pinned) {
    throw new InputError(
      `Cannot load pre-trained model ${name} with positions ${quoted(positions)} as it has ${
        Object.keys(pretrainedModels[name]).join(" or ")
      }`,
    );
  }
  const file = `${name}-${positions}.safetensors`;
  const url = new URL(`../../data/models/${file}`, import.meta.url);
  if (url.protocol === "file:") return fileURLToPath(url);
  const path = `data/cache/models/${file}`;
  await downloadShared({ ...pinned, url: url.href }, path);
  return path;
}
