import { keyOf, normals } from "../engine/mod.ts";
import { quoted } from "../errors.ts";
import type { Config, Preset, Variant } from "./config.ts";
import { DEVIATION, type Leaf, linearLeaves, normLeaves, sizeOf } from "./leaf.ts";

/**
 * The language models that are compared: `gpt1`, the paper's Transformer; `gpt2`, whose blocks begin with their norms
 * (Radford et al. 2019, §2.3); `bert`, the same blocks as `gpt1`'s with attention in both directions, which learns to
 * fill in masked tokens (Devlin et al. 2018, §3.1); `lstm`, one layer of an LSTM (§5, Table 5).
 */
export type Architecture = "gpt1" | "gpt2" | "bert" | "lstm";

/** What an architecture is. */
export interface ArchitectureRule {
  /** What stands between embeddings and output. */
  readonly body: "transformer" | "lstm";
  /** Where a block's norms stand: after each residual sum, or before each sublayer. */
  readonly residual: "post" | "pre";
  /** Whether a token sees only those before it, and the next one is predicted; else masked ones are filled in. */
  readonly causal: boolean;
  /** Whether the input's embeddings are multiplied by √d. Default: no. */
  readonly scaled?: boolean;
  /** Where the paper is silent. */
  readonly variants: readonly Variant[];
  /** Parameters between embeddings and output, in their order. */
  readonly leaves: (config: Config) => Record<string, Leaf>;
  /** What it changes in the preset of another architecture, for a comparison. Default: nothing. */
  readonly adapt?: (preset: Preset, units: number | undefined) => Partial<Preset>;
  /** Why a configuration is refused. */
  readonly fault: (config: Config) => string | undefined;
  /**
   * Numbers that an update of N sequences of T tokens keeps for its backward pass, those of the network's ends, and the
   * most that the backward pass has in hand.
   */
  readonly memory: (config: Config, N: number, T: number) => { kept: number; ends: number; hand: number };
}

/** What each architecture is: to add one, add its name to {@linkcode Architecture} and its line here. */
export const architectureRules: Readonly<Record<Architecture, ArchitectureRule>> = {
  gpt1: transformer({ residual: "post", causal: true, variants: ["paper", "clean"] }),
  gpt2: transformer({ residual: "pre", causal: true, variants: ["clean"] }),
  bert: transformer({ residual: "post", causal: false, variants: ["clean"] }),
  lstm: {
    body: "lstm",
    residual: "post", // Of the blocks that it does not have.
    causal: true,
    scaled: true, // Vaswani et al. (2017, §3.4), where they are tied to the output.
    variants: ["clean"],
    leaves: lstmLeaves,
    adapt: (preset, units = unitsLike(preset)) => ({
      ...{ layers: 1, heads: 1, positions: { kind: "none" }, units },
    }),
    fault: ({ units, layers, positions: { kind, scale = "matched" } }) =>
      units === undefined
        ? "its units must be given: current units is undefined"
        : layers !== 1 || kind !== "none" || scale !== "matched"
        ? `it must have 1 layer, positions "none" and no scale of them: current ones are ${layers}, ${
          quoted(kind)
        } and ${quoted(scale)}`
        : undefined,
    // Gates, cells and states; embeddings and the map to the width, each as it is and with its dropout mask applied.
    memory: ({ width: d, units: u = 0 }, N, T) => ({
      kept: N * T * (6 * u + 5 * d),
      ends: N * T * (4 * d + u),
      hand: N * T * (4 * u + 2 * d), // Above all the gates' gradients.
    }),
  },
};

/** The paper's own, which a configuration that names none has. */
export const PAPER: Architecture = "gpt1";

/** Each {@linkcode Architecture}. */
export const architectures: readonly Architecture[] = Object.keys(architectureRules) as Architecture[];

/** What a configuration's architecture is. */
export function architectureOf({ architecture = PAPER }: Pick<Config, "architecture">): ArchitectureRule {
  return architectureRules[architecture];
}

/** GPT-1's Transformer (§3.1, §4.1), or one that differs in the order of its residuals or in what a token sees. */
function transformer(
  rule: Pick<ArchitectureRule, "residual" | "causal" | "variants">,
): ArchitectureRule {
  const isPre = rule.residual === "pre";
  return {
    ...rule,
    body: "transformer",
    leaves: ({ layers, width: d }) => {
      // GPT-2's maps into the residual start smaller, so that their sum over blocks is no larger (2019, §2.3).
      const deviation = isPre ? DEVIATION / Math.sqrt(2 * layers) : DEVIATION;
      const block = (i: number) => ({
        ...linearLeaves(`h.${i}.attn.c_attn`, d, 3 * d),
        ...linearLeaves(`h.${i}.attn.c_proj`, d, d, deviation),
        ...normLeaves(`h.${i}.ln_1`, d),
        ...linearLeaves(`h.${i}.mlp.c_fc`, d, 4 * d),
        ...linearLeaves(`h.${i}.mlp.c_proj`, 4 * d, d, deviation),
        ...normLeaves(`h.${i}.ln_2`, d),
      });
      const blocks = Array.from({ length: layers }, (_, i) => Object.entries(block(i))).flat();
      return { ...Object.fromEntries(blocks), ...isPre ? normLeaves("ln_f", d) : {} };
    },
    fault: ({ units }) =>
      units === undefined ? undefined : `its units must be absent: current units is ${units}`,
    // Of each block: queries, keys and values, 3; attention's result, and the map after it; the residual's norm, with
    // and without gain; GELU's input and result, 4 each; the map after it; its norm. And the probabilities. Where the
    // norms stand before: both of their results, sums, and what dropout is applied to, 4 more.
    memory: ({ layers, heads, width: d }, N, T) => ({
      kept: layers * ((isPre ? 22 : 18) * N * T * d + heads * N * T * T),
      ends: 8 * N * T * d,
      hand: 16 * N * T * d,
    }),
  };
}

/**
 * An LSTM has no norms to make good so small a start as the Transformer's, at which it does not leave the unigram plateau:
 * its maps start such that the gates' sums and its states have about unit variance, and the forget gate's bias is 1
 * (Jozefowicz et al. 2015). d is the width, u the units.
 */
function lstmLeaves({ units: u = 0, width: d }: Config): Record<string, Leaf> {
  const gates = (seed: number) => {
    // Inputs are d embeddings of 0.02·√d, the states before are about 1/5 in each of the units.
    const inputs = normals(keyOf(seed, "lstm.gates.read"), d * 4 * u, 1 / (DEVIATION * d));
    const states = normals(keyOf(seed, "lstm.gates.before"), u * 4 * u, 1 / Math.sqrt(u));
    const weight = new Float32Array(inputs.length + states.length);
    weight.set(inputs);
    weight.set(states, inputs.length);
    return weight;
  };
  return {
    "lstm.gates.weight": { shape: [d + u, 4 * u], start: gates },
    "lstm.gates.bias": { shape: [4 * u], start: () => new Float32Array(4 * u).fill(1, u, 2 * u) },
    ...u === d ? {} : linearLeaves("lstm.proj", u, d, 5 / Math.sqrt(u)),
  };
}

/** Units at which an LSTM has about as many parameters as a preset's blocks: 4u(d + u + 1) + (u + 1)d = that. */
function unitsLike(preset: Preset): number {
  const { width: d } = preset, b = 5 * d + 4;
  const { ["ln_f.weight"]: _, ["ln_f.bias"]: __, ...leaves } = architectureOf(preset).leaves({
    ...preset,
    vocabulary: 1,
  });
  const size = Object.values(leaves).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return Math.max(1, Math.round((Math.sqrt(b * b + 16 * (size - d)) - b) / 8));
}
