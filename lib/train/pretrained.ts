import { fileURLToPath } from "node:url";
import { InputError, quoted } from "../errors.ts";
import type { LanguageModel, PositionKind } from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import { checked, oneOf, type SchemaOf, settle } from "../settings.ts";
import { loadModel } from "./checkpoint.ts";

/** The name of a model that comes with the kit. */
export type PretrainedName = "mini";

/** The models that come with the kit: each name's position kinds. */
export const pretrainedModels: Readonly<Record<PretrainedName, readonly PositionKind[]>> = {
  mini: ["learned", "sinusoidal"],
};

/** The options of {@linkcode pretrained}. */
export interface PretrainedOptions {
  /** Its positions. @default "learned" */
  positions?: PositionKind;
}

/** The settings of {@linkcode PretrainedOptions}. */
export const pretrainedSettings = {
  positions: { ...presetSettings.positions.kind, default: "learned" as const },
} satisfies SchemaOf<PretrainedOptions>;

/** A pre-trained model's name, as an option. */
export const pretrainedSetting = {
  ...oneOf(Object.keys(pretrainedModels) as PretrainedName[]),
  about: "begin with this model of data/models, and pre-train none",
  otherwise: "none",
};

/**
 * A pre-trained model that comes with the kit, so that fine-tuning starts in seconds. `mini`, of either positions, is
 * pre-trained on novels, film reviews and speeches; the files beside it in `data/models` say how, and how well it
 * predicts held-out text.
 *
 * @param name Which model.
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
 * The file of a model that a command names: one that comes with the kit by its name, `mini` or `mini-sinusoidal`, any
 * other by its path.
 *
 * @example
 * ```ts
 * import { modelFile } from "./mod.ts";
 *
 * console.log(modelFile("mini").endsWith("data/models/mini-learned.safetensors"), modelFile("./mini")); // true "./mini"
 * ```
 */
export function modelFile(nameOrPath: string): string {
  for (
    const [name, kinds] of Object.entries(pretrainedModels) as [PretrainedName, readonly PositionKind[]][]
  ) {
    if (nameOrPath === name) return pretrainedFile(name, kinds[0]!);
    const kind = kinds.find((kind) => nameOrPath === `${name}-${kind}`);
    if (kind) return pretrainedFile(name, kind);
  }
  return nameOrPath;
}

/** Where such a model is. */
export function pretrainedFile(name: PretrainedName, positions: PositionKind): string {
  checked("load a pre-trained model", "name", pretrainedSetting, name);
  const known = Object.entries(pretrainedModels).flatMap(([name, kinds]) =>
    kinds.map((kind) => `${name}-${kind}`)
  );
  const file = `${name}-${positions}`;
  if (!known.includes(file)) {
    throw new InputError(
      `Cannot load a pre-trained model ${quoted(file)} as those that come with the kit are ${
        known.join(", ")
      }`,
    );
  }
  return fileURLToPath(new URL(`../../data/models/${file}.safetensors`, import.meta.url));
}
