import { keyOf, normals } from "../engine/mod.ts";
import { quoted } from "../errors.ts";
import type { Config, Preset, Variant } from "./config.ts";
import { DEVIATION, type Leaf, linearLeaves, normLeaves, totalSize } from "./leaf.ts";

/**
 * The language models: `gpt1`, the paper's Transformer decoder (post-LN); `gpt2`, with layer norm before each sublayer
 * (pre-LN; Radford et al. 2019, §2.3); `bert`, the blocks of `gpt1` with bidirectional attention, trained to predict
 * masked tokens (Devlin et al. 2018, §3.1); `lstm`, one LSTM layer (§5, Table 5).
 */
export type Architecture = "gpt1" | "gpt2" | "bert" | "lstm";

/** The definition of an architecture. */
export interface ArchitectureRule {
  /** The network between embeddings and output layer. */
  readonly body: "transformer" | "lstm";
  /** Where layer norm is applied: after the residual connection (post-LN), or before the sublayer (pre-LN). */
  readonly residual: "post" | "pre";
  /** Whether it predicts the next token from those before it, with a causal mask. If not: masked tokens from both sides. */
  readonly causal: boolean;
  /** Whether input embeddings are multiplied by √d. @default false */
  readonly scaled?: boolean;
  /** The supported values of {@linkcode Config.variant}. */
  readonly variants: readonly Variant[];
  /** Parameters between embeddings and output layer, in order. */
  readonly leaves: (config: Config) => Record<string, Leaf>;
  /** Changes to another architecture's preset, for a comparison. Default: none. */
  readonly adapt?: (preset: Preset, units: number | undefined) => Partial<Preset>;
  /** What is wrong with a configuration, if anything. */
  readonly fault: (config: Config) => string | undefined;
  /**
   * Memory of an update of N sequences of T tokens, in numbers: activations saved for the backward pass, those of
   * embeddings and output layer, and the largest workspace of the backward pass.
   */
  readonly memory: (
    config: Config,
    N: number,
    T: number,
  ) => { activations: number; embeddings: number; workspace: number };
}

/** All architectures. To add one, add its name to {@linkcode Architecture} and an entry here. */
export const architectureRules: Readonly<Record<Architecture, ArchitectureRule>> = {
  gpt1: transformer({ residual: "post", causal: true, variants: ["paper", "clean"] }),
  gpt2: transformer({ residual: "pre", causal: true, variants: ["clean"] }),
  bert: transformer({ residual: "post", causal: false, variants: ["clean"] }),
  lstm: {
    body: "lstm",
    residual: "post", // Unused: it has no blocks.
    causal: true,
    scaled: true, // As Vaswani et al. (2017, §3.4) do with tied embeddings.
    variants: ["clean"],
    leaves: lstmLeaves,
    adapt: (preset, units = matchingUnits(preset)) => ({
      ...{ layers: 1, heads: 1, positions: { kind: "none" }, units },
    }),
    fault: ({ units, layers, positions: { kind, scale = "matched" } }) =>
      units === undefined
        ? "its units must be given: current units is undefined"
        : layers !== 1 || kind !== "none" || scale !== "matched"
        ? `it must have 1 layer, positions "none" and no position scale: current ones are ${layers}, ${
          quoted(kind)
        } and ${quoted(scale)}`
        : undefined,
    // Gates, cells and states; embeddings and projection to the width, each before and after dropout.
    memory: ({ width: d, units: u = 0 }, N, T) => ({
      activations: N * T * (6 * u + 5 * d),
      embeddings: N * T * (4 * d + u),
      workspace: N * T * (4 * u + 2 * d), // Mostly the gates' gradients.
    }),
  },
};

/** The paper's architecture, the default. */
export const PAPER: Architecture = "gpt1";

/** All names of architectures. */
export const architectures: readonly Architecture[] = Object.keys(architectureRules) as Architecture[];

/** The architecture of a configuration. */
export function architectureOf({ architecture = PAPER }: Pick<Config, "architecture">): ArchitectureRule {
  return architectureRules[architecture];
}

/** GPT-1's Transformer (§3.1, §4.1), or one that differs in the place of layer norm or in the attention mask. */
function transformer(
  rule: Pick<ArchitectureRule, "residual" | "causal" | "variants">,
): ArchitectureRule {
  const isPre = rule.residual === "pre";
  return {
    ...rule,
    body: "transformer",
    leaves: ({ layers, width: d }) => {
      // GPT-2 scales the initial residual projections by 1/√(number of residual layers) (2019, §2.3).
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
    // Per block: queries, keys and values, 3; attention's output and its projection; layer norm, with and without gain;
    // GELU's input and output, 4 each; the projection after it; its layer norm. And the attention probabilities. With
    // pre-LN 4 more: the outputs of both norms, residual sums, and the inputs of dropout.
    memory: ({ layers, heads, width: d }, N, T) => ({
      activations: layers * ((isPre ? 22 : 18) * N * T * d + heads * N * T * T),
      embeddings: 8 * N * T * d,
      workspace: 16 * N * T * d,
    }),
  };
}

/**
 * The parameters of an LSTM; d is the width, u the number of units. Without layer norm, weights as small as the
 * Transformer's do not leave the unigram plateau. So they are initialised such that the gates' pre-activations and the
 * states have about unit variance, and the forget gate's bias is 1 (Jozefowicz et al. 2015).
 */
function lstmLeaves({ units: u = 0, width: d }: Config): Record<string, Leaf> {
  const gates = (seed: number) => {
    // Embeddings have standard deviation 0.02·√d, previous states about 1/5.
    const inputs = normals(keyOf(seed, "lstm.gates.read"), d * 4 * u, 1 / (DEVIATION * d));
    const states = normals(keyOf(seed, "lstm.gates.before"), u * 4 * u, 1 / Math.sqrt(u));
    const weight = new Float32Array(inputs.length + states.length);
    weight.set(inputs);
    weight.set(states, inputs.length);
    return weight;
  };
  return {
    "lstm.gates.weight": { shape: [d + u, 4 * u], init: gates },
    "lstm.gates.bias": { shape: [4 * u], init: () => new Float32Array(4 * u).fill(1, u, 2 * u) },
    ...u === d ? {} : linearLeaves("lstm.proj", u, d, 5 / Math.sqrt(u)),
  };
}

/** Number of LSTM units that matches the parameter count of a preset's blocks: it solves 4u(d + u + 1) + (u + 1)d. */
function matchingUnits(preset: Preset): number {
  const { width: d } = preset, b = 5 * d + 4;
  const { ["ln_f.weight"]: _, ["ln_f.bias"]: __, ...leaves } = architectureOf(preset).leaves({
    ...preset,
    vocabulary: 1,
  });
  const size = totalSize(Object.values(leaves));
  return Math.max(1, Math.round((Math.sqrt(b * b + 16 * (size - d)) - b) / 8));
}
