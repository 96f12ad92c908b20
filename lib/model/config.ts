import { InputError, quoted } from "../errors.ts";
import { checked, oneOf, type SchemaOf, seed as seeds, settle, share, whole } from "../settings.ts";
import {
  type Architecture,
  architectureOf,
  architectureRules,
  architectures,
  PAPER,
} from "./architectures.ts";
import { totalSize } from "./leaf.ts";
import {
  type PositionKind,
  positionKinds,
  positionRule,
  type PositionScale,
  positionScales,
} from "./positions.ts";
import { shapes } from "./shapes.ts";

/** Details that the paper leaves open: `paper` follows OpenAI's code, `clean` omits its peculiarities. */
export const variants: readonly Variant[] = ["paper", "clean"];

/** Details that the paper leaves open: `paper` follows OpenAI's code, `clean` omits its peculiarities. */
export type Variant = "paper" | "clean";

/** The configuration of a language model. */
export interface Config {
  /** The network between the input embeddings and the output layer. @default "gpt1" */
  readonly architecture?: Architecture;
  /** Number of units of an LSTM (§5: 2048); absent for other architectures. */
  readonly units?: number;
  /** Number of Transformer blocks (§4.1: 12). */
  readonly layers: number;
  /** Number of attention heads of a block (§4.1: 12); the width must be divisible by it. */
  readonly heads: number;
  /** Size of the hidden states, d (§4.1: 768); the feed-forward layer is four times as wide. */
  readonly width: number;
  /** Context length: the longest sequence in tokens (§4.1: 512). */
  readonly context: number;
  /** Number of BPE tokens; the embedding matrix has three more rows, for [Start], [Delim] and [Extract]. */
  readonly vocabulary: number;
  /** Position encoding. */
  readonly positions: {
    readonly kind: PositionKind;
    /** Initial scale of the position table. @default "matched" */
    readonly scale?: PositionScale;
  };
  /**
   * `paper`: dropout is applied to the embedding matrix itself, which is tied to the output layer, and the softmax
   * includes trained position embeddings, as in OpenAI's code. `clean`: dropout is applied to the sum of token and
   * position embedding, and the softmax is over tokens only. In fine-tuning, `paper` draws the special tokens from
   * N(0, 0.02²) and pads each batch to the task's longest sequence; `clean` starts them at the mean token embedding.
   */
  readonly variant: Variant;
  /** Dropout probability at each of the paper's dropout sites (§4.1: 0.1). */
  readonly dropout: number;
}

/** A configuration without the vocabulary size, which the tokenizer determines. */
export type Preset = Omit<Config, "vocabulary">;

/** The settings of a {@linkcode Preset}. */
export const presetSettings = {
  layers: { ...whole({ from: 1, to: 1000 }), about: "number of blocks", unit: "blocks" },
  heads: { ...whole({ from: 1, to: 1000 }), about: "attention heads of a block", unit: "heads" },
  width: { ...whole({ from: 1, to: 2 ** 16 }), about: "size of the hidden states", unit: "features" },
  context: { ...whole({ from: 2, to: 2 ** 16 }), about: "context length", unit: "tokens" },
  positions: {
    kind: { ...oneOf(positionKinds), about: "position encoding" },
    scale: {
      ...oneOf(positionScales),
      about: "initial scale of the position table",
      otherwise: "matched",
    },
  },
  variant: { ...oneOf(variants), about: "softmax and dropout: as in OpenAI's code, or simplified" },
  dropout: { ...share, about: "dropout probability at each site" },
  architecture: {
    ...oneOf(architectures),
    about: "network between embeddings and output layer",
    otherwise: PAPER,
  },
  units: {
    ...whole({ from: 1, to: 2 ** 16 }),
    about: "number of units of an LSTM",
    unit: "units",
    otherwise: "none",
  },
} satisfies SchemaOf<Preset>;

/** The settings of a {@linkcode Config}; available memory limits the vocabulary. */
export const configSettings = {
  ...presetSettings,
  vocabulary: { ...whole({ from: 1, to: 2 ** 26 }), about: "number of BPE tokens" },
} satisfies SchemaOf<Config>;

/**
 * Model sizes by name. `gpt1` is the paper's (§4.1); `mini` trains on a laptop; `smoke` is for tests that take seconds
 * and learns almost nothing.
 */
export const presets: { readonly gpt1: Preset; readonly mini: Preset; readonly smoke: Preset } = frozen({
  gpt1: {
    layers: 12,
    heads: 12,
    width: 768,
    context: 512,
    positions: { kind: "learned" },
    variant: "paper",
    dropout: 0.1,
  },
  mini: {
    layers: 4,
    heads: 4,
    width: 128,
    context: 128,
    positions: { kind: "learned" },
    variant: "clean",
    dropout: 0.1,
  },
  smoke: {
    layers: 2,
    heads: 2,
    width: 32,
    context: 32,
    positions: { kind: "learned" },
    variant: "clean",
    dropout: 0.1,
  },
});

/** Freezes an object of plain objects: a change of one model's settings would be one of all later models. */
function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object") frozen(part);
  return Object.freeze(value);
}

/**
 * Looks up a preset by name.
 *
 * @throws {InputError} If there is no preset of that name.
 *
 * @example
 * ```ts
 * import { preset } from "./config.ts";
 *
 * console.log(preset("gpt1").layers); // 12
 * ```
 */
export function preset(name: string): Preset {
  return presets[checked("find a preset", "name", oneOf(presetNames), name)];
}

const presetNames = Object.keys(presets) as (keyof typeof presets)[];

/**
 * Converts a preset to another architecture of the same width, context and dropout, for a comparison. A Transformer
 * keeps layers, heads and positions. An LSTM has one layer and no positions.
 *
 * @param options.units Number of units of an LSTM. Default: as many as match the parameter count of the preset's
 * blocks.
 * @throws {InputError} If the architecture is unknown or does not support the units or the variant.
 *
 * @example
 * ```ts
 * import { presets, withArchitecture } from "./config.ts";
 *
 * console.log(withArchitecture(presets.mini, "lstm").units); // 361
 * console.log(withArchitecture(presets.mini, "lstm", { units: 2048 }).units); // 2048
 * ```
 */
export function withArchitecture(
  preset: Preset,
  architecture: Architecture,
  options: { units?: number } = {},
): Preset {
  const action = "change the architecture";
  checked(action, "architecture", presetSettings.architecture, architecture);
  const { units } = settle(action, { units: presetSettings.units }, options);
  settle(action, presetSettings, preset);
  const { architecture: _, units: _units, ...shape } = preset;
  const { adapt } = architectureRules[architecture];
  const other: Preset = {
    ...shape,
    ...(architecture !== PAPER && { architecture }),
    ...(adapt ? adapt(preset, units) : units !== undefined && { units }),
  };
  checkConfig({ ...other, vocabulary: 1 });
  return other;
}

/** WebAssembly addresses 4 GiB: this many float32 numbers. */
const MAX_PARAMETERS = 2 ** 30;

/**
 * Checks a configuration.
 *
 * @throws {InputError} If a number is out of its range or a name is unknown.
 *
 * @example
 * ```ts
 * import { checkConfig, presets } from "./config.ts";
 *
 * checkConfig({ ...presets.gpt1, vocabulary: 40478 });
 * ```
 */
export function checkConfig(config: Config): void {
  const { heads, width, variant, architecture = PAPER } = settle("build a model", configSettings, config);
  if (width % heads !== 0) {
    throw new InputError(
      `Cannot split ${width} features over ${heads} heads as width must be divisible by heads: ` +
        `current width is ${width}`,
    );
  }
  const positionFault = positionRule(config).fault?.(config);
  if (positionFault) throw new InputError(`Cannot ${positionFault}`);
  const { variants, fault } = architectureRules[architecture];
  const variantFault = variants.includes(variant)
    ? undefined
    : `its variant must be ${variants.map((name) => quoted(name)).join(" or ")}: current variant is ${
      quoted(variant)
    }`;
  const architectureFault = fault(config) ?? variantFault;
  if (architectureFault) {
    throw new InputError(`Cannot build a model of architecture "${architecture}" as ${architectureFault}`);
  }
  const size = totalSize(shapes(config).values());
  if (size > MAX_PARAMETERS) {
    throw new InputError(
      `Cannot build a model of ${size} parameters as memory holds at most ${MAX_PARAMETERS}`,
    );
  }
}

/**
 * Throws if a model is not causal, as `bert` with its bidirectional attention: it does not predict the next token.
 *
 * @param action The action for the error message, such as `continue a text`.
 * @throws {InputError} If the architecture is not causal.
 */
export function checkCausal(config: Pick<Config, "architecture">, action: string): void {
  if (architectureOf(config).causal) return;
  const others = architectures.filter((name) => architectureRules[name].causal);
  throw new InputError(
    `Cannot ${action} with architecture "${config.architecture}" as it predicts masked tokens, not the next ` +
      `token: ${others.join(", ")} predict the next token`,
  );
}

/** Random seed of a model or of a run. */
export const seedSetting = {
  ...seeds,
  about: "random seed",
  unit: "seed",
  default: 1,
};

/**
 * Checks a seed.
 *
 * @throws {InputError} If it is not a whole number from 0 to 2³² − 1.
 */
export function checkSeed(seed: number): void {
  checked("draw random numbers", "seed", seeds, seed);
}
