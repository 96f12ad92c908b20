import { InputError } from "../errors.ts";
import type { PositionKind, PositionScale } from "./positions.ts";
import { positionKinds, positionScales } from "./positions.ts";

/** Where the paper is silent: `paper` does as OpenAI's code does, `clean` leaves its two oddities out. */
export const variants = ["paper", "clean"] as const;

/** One of {@linkcode variants}. */
export type Variant = typeof variants[number];

/** Everything that tells one GPT from another. */
export interface Config {
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
  /** How a token knows its place. */
  readonly positions: {
    readonly kind: PositionKind;
    /** How large the table is at the start; `matched` unless given. */
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
  if (!Object.hasOwn(presets, name)) {
    throw new InputError(
      `Cannot find preset "${name}" as the presets are ${Object.keys(presets).join(", ")}`,
    );
  }
  return presets[name as keyof typeof presets];
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
  for (const name of ["layers", "heads", "width", "context", "vocabulary"] as const) {
    const value: unknown = config?.[name];
    const least = name === "context" ? 2 : 1;
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      throw new InputError(
        `Cannot build a model as ${name} must be a whole number from ${least}: current ${name} is ${
          show(value)
        }`,
      );
    }
  }
  const { layers, heads, width, context, vocabulary, variant, dropout, positions } = config;
  const [kind, scale = "matched"] = [positions?.kind, positions?.scale];
  const known = (what: string, name: unknown, names: readonly unknown[]) => {
    if (!names.includes(name)) {
      throw new InputError(
        `Cannot build a model with ${what} ${show(name)} as there are ${names.join(", ")}`,
      );
    }
  };
  known("variant", variant, variants);
  known("positions", kind, positionKinds);
  known("position scale", scale, positionScales);
  if (width % heads !== 0) {
    throw new InputError(
      `Cannot split ${width} features over ${heads} heads as width must be divisible by heads: ` +
        `current width is ${width}`,
    );
  }
  if (kind.startsWith("sinusoidal") && width % 2 !== 0) {
    throw new InputError(
      `Cannot make sinusoids in pairs of sine and cosine as width must be even: current width is ${width}`,
    );
  }
  checkDropout(dropout);
  const size = (vocabulary + context) * width + layers * (12 * width + 13) * width;
  if (size > MOST) {
    throw new InputError(`Cannot build a model of ${size} parameters as memory holds at most ${MOST}`);
  }
}

/**
 * Checks a seed.
 *
 * @throws {InputError} If it is not a whole number from 0 to 2³² − 1.
 */
export function checkSeed(seed: number): void {
  if (seed >>> 0 !== seed) {
    throw new InputError(
      `Cannot use seed ${show(seed)} as a seed must be a whole number from 0 to 4294967295`,
    );
  }
}

/** A value in a message: text in quotes, whatever it holds. */
function show(value: unknown): string {
  return typeof value === "string" || typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Checks a rate of dropout.
 *
 * @throws {InputError} If it is not a share from 0 to below 1.
 */
export function checkDropout(dropout: number): void {
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1)) {
    throw new InputError(`Cannot drop a share of ${show(dropout)} as dropout must be at least 0 and below 1`);
  }
}
