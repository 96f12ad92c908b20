import { fileURLToPath } from "node:url";
import { InputError, quoted } from "../errors.ts";
import type { LanguageModel, PositionKind } from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import { checked, oneOf, type SchemaOf, settle } from "../settings.ts";
import { loadModel } from "./checkpoint.ts";

/** The name of a pre-trained model that is included. */
export type PretrainedName = "mini";

/** The pre-trained models that are included: the position kinds of each name. */
export const pretrainedModels: Readonly<Record<PretrainedName, readonly PositionKind[]>> = {
  mini: ["learned", "sinusoidal"],
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
 * reviews and speeches; its settings and its held-out loss are in `data/models`.
 *
 * @param name The model's name.
 * @throws {InputError} If there is no such model, or its file is damaged.
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
  return await loadModel(pretrainedFile(name, positions));
}

/**
 * The file of a model: of an included one by its name, `mini` or `mini-sinusoidal`, of any other by its path.
 *
 * @example
 * ```ts
 * import { modelFile } from "./mod.ts";
 *
 * console.log(modelFile("mini").endsWith("data/models/mini-learned.safetensors"), modelFile("./mini")); // true "./mini"
 * ```
 */
export function modelFile(nameOrPath: string): string {
  const included = includedModels.get(nameOrPath);
  return included ? pretrainedFile(...included) : nameOrPath;
}

/** An included model: its name, and its positions. */
export type IncludedModel = readonly [name: PretrainedName, positions: PositionKind];

/** The included models by the names that commands use: `mini`, `mini-learned`, `mini-sinusoidal`. */
export const includedModels: ReadonlyMap<string, IncludedModel> = new Map(
  (Object.entries(pretrainedModels) as [PretrainedName, readonly PositionKind[]][]).flatMap((
    [name, kinds],
  ) => [
    [name, [name, kinds[0]!]] as [string, IncludedModel],
    ...kinds.map((kind): [string, IncludedModel] => [`${name}-${kind}`, [name, kind]]),
  ]),
);

/** The file of an included model. */
export function pretrainedFile(name: PretrainedName, positions: PositionKind): string {
  checked("load a pre-trained model", "name", pretrainedSetting, name);
  const kinds = pretrainedModels[name];
  if (!kinds.includes(positions)) {
    throw new InputError(
      `Cannot load pre-trained model ${name} with positions ${quoted(positions)} as it has ${
        kinds.join(" or ")
      }`,
    );
  }
  return fileURLToPath(new URL(`../../data/models/${name}-${positions}.safetensors`, import.meta.url));
}
