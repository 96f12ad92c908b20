import { InputError, quoted } from "../errors.ts";
import { checked, oneOf, type SchemaOf, seed as seeds, settle, share, whole } from "../settings.ts";
import {
  type Architecture,
  architectureOf,
  architectureRules,
  architectures,
  PAPER,
} from "./architectures.ts";
import { sizeOf } from "./leaf.ts";
import {
  type PositionKind,
  positionKinds,
  positionRule,
  type PositionScale,
  positionScales,
} from "./positions.ts";
import { shapes } from "./shapes.ts";

/** Where the paper is silent: `paper` does as OpenAI's code does, `clean` leaves its two oddities out. */
export const variants: readonly Variant[] = ["paper", "clean"];

/** One of {@linkcode variants}. */
export type Variant = "paper" | "clean";

/** Everything that distinguishes one language model from another. */
export interface Config {
  /** What stands between embeddings and output. Default: `gpt1`. */
  readonly architecture?: Architecture;
  /** Units of an LSTM's layer (§5: 2048), which others do not have. */
  readonly units?: number;
  /** Number of blocks (§4.1: 12). */
  readonly layers: number;
  /** Attention heads of a block; they share the width evenly (§4.1: 12). */
  readonly heads: number;
  /** Width of the states, d (§4.1: 768); the feed-forward layer is four times as wide. */
  readonly width: number;
  /** Longest sequence in tokens (§4.1: 512). */
  readonly context: number;
  /** Number of BPE tokens; [Start], [Delim] and [Extract] follow as three more rows. */
  readonly vocabulary: number;
  /** How a token knows its position. */
  readonly positions: {
    readonly kind: PositionKind;
    /** How large the table is at the start. Default: `matched`. */
    readonly scale?: PositionScale;
  };
  /**
   * `paper`: dropout acts on the embedding matrix itself, which the output shares, and trained positions
   * take part in the softmax, as in OpenAI's code. `clean`: dropout acts on the sum of token and position,
   * and the softmax is over tokens.
   */
  readonly variant: Variant;
  /** Share of elements dropped at each of the paper's sites (§4.1: 0.1). */
  readonly dropout: number;
}

/** A configuration that awaits its tokenizer, which settles the vocabulary. */
export type Preset = Omit<Config, "vocabulary">;

/** The settings of a {@linkcode Preset}. */
export const presetSettings = {
  layers: { ...whole({ from: 1, to: 1000 }), about: "blocks" },
  heads: { ...whole({ from: 1, to: 1000 }), about: "attention heads" },
  width: { ...whole({ from: 1, to: 2 ** 16 }), about: "width of the states" },
  context: { ...whole({ from: 2, to: 2 ** 16 }), about: "longest sequence", unit: "tokens" },
  positions: {
    kind: { ...oneOf(positionKinds), about: "positions: how a token knows its position" },
    scale: {
      ...oneOf(positionScales),
      about: "size of the position table at the start",
      otherwise: "matched",
    },
  },
  variant: { ...oneOf(variants), about: "softmax and dropout where the paper is silent" },
  dropout: { ...share, about: "share dropped at each site" },
  architecture: {
    ...oneOf(architectures),
    about: "what stands between embeddings and output",
    otherwise: PAPER,
  },
  units: { ...whole({ from: 1, to: 2 ** 16 }), about: "units of an LSTM's layer", otherwise: "none" },
} satisfies SchemaOf<Preset>;

/** The settings of a {@linkcode Config}: the memory's end bounds the vocabulary. */
export const configSettings = {
  ...presetSettings,
  vocabulary: { ...whole({ from: 1, to: 2 ** 26 }), about: "number of BPE tokens" },
} satisfies SchemaOf<Config>;

/**
 * Sizes by name. `gpt1` is the paper's (§4.1); `mini` learns English and tasks on a laptop; `smoke` shows in
 * seconds that everything works, and learns next to nothing.
 */
export const presets: { readonly gpt1: Preset; readonly mini: Preset; readonly smoke: Preset } = {
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
};

/**
 * A preset by its name.
 *
 * @throws {InputError} If there is none of that name.
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
 * The preset of another architecture of the same width, context and dropout, for a comparison. A Transformer keeps
 * layers, heads and positions. An LSTM has one layer and no positions, and as many units as give it the number of
 * parameters that the Transformer's blocks have, or those that are given.
 *
 * @param options.units Of an LSTM.
 * @throws {InputError} If the architecture is unknown, units are asked for where there are none, or a variant other
 * than `clean` where that is the only one.
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

/** WebAssembly addresses 4 GiB, which is this many float32 numbers. */
const MOST = 2 ** 30;

/**
 * Checks a configuration, from whatever source it came.
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
  const size = [...shapes(config).values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (size > MOST) {
    throw new InputError(`Cannot build a model of ${size} parameters as memory holds at most ${MOST}`);
  }
}

/**
 * Refuses what a model that sees both sides cannot do: its states depend on what follows them.
 *
 * @param action What was asked for: `continue a text`.
 * @throws {InputError} If the architecture is not causal.
 */
export function checkCausal(config: Pick<Config, "architecture">, action: string): void {
  if (architectureOf(config).causal) return;
  const others = architectures.filter((name) => architectureRules[name].causal);
  throw new InputError(
    `Cannot ${action} with architecture "${config.architecture}" as it fills in masked tokens and predicts no next ` +
      `token: ${others.join(", ")} do`,
  );
}

/** The seed of a model or of a run. */
export const seedSetting = {
  ...seeds,
  about: "seed of all that is random",
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
