import { architectureOf } from "./architectures.ts";
import type { Config } from "./config.ts";
import { DEVIATION, type Leaf, linearLeaves } from "./leaf.ts";
import { positionRule } from "./positions.ts";

/** Number of special tokens, after the BPE tokens: [Start], [Delim], [Extract]. */
export const SPECIALS = 3;

/**
 * The specification of all parameters of a configuration by name, in the order of {@linkcode leaves}: shape, initial
 * values, whether they are trained. It allocates no memory for them.
 *
 * @param config A valid configuration.
 * @param outputs Number of outputs of the task's head. Default: no head.
 *
 * @example
 * ```ts
 * import { presets, shapes } from "./mod.ts";
 *
 * console.log(shapes({ ...presets.smoke, vocabulary: 500 }).get("tokens_embed.weight")?.shape); // [ 503, 32 ]
 * ```
 */
export function shapes(config: Config, outputs?: number): ReadonlyMap<string, Leaf> {
  const { vocabulary, context, width } = config;
  const { table, trained = false, leaves } = positionRule(config);
  return new Map(Object.entries({
    "tokens_embed.weight": { shape: [vocabulary + SPECIALS, width], init: DEVIATION },
    ...table && {
      "positions_embed.weight": {
        shape: [context, width],
        init: (seed: number) => table(config, seed, 0, context),
        fixed: !trained,
      },
    },
    ...leaves?.(config),
    ...architectureOf(config).leaves(config),
    ...outputs === undefined ? {} : headLeaves(width, outputs),
  }));
}

/** The parameters of a task's head (§3.2, `W_y`). */
export function headLeaves(width: number, outputs: number): Record<string, Leaf> {
  return linearLeaves("clf", width, outputs);
}
