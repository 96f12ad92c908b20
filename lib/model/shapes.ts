import { architectureOf } from "./architectures.ts";
import type { Config } from "./config.ts";
import { DEVIATION, type Leaf, linearLeaves } from "./leaf.ts";
import { positionRule } from "./positions.ts";

/** Rows that follow the BPE tokens: [Start], [Delim], [Extract]. */
export const SPECIALS = 3;

/**
 * Each leaf of a configuration's parameters by its name, in the order of {@linkcode leaves}: shape, start, whether it is
 * trained. What makes, counts, stores or loads a model reads it here, before any memory is taken.
 *
 * @param config Checked already.
 * @param outputs Number of outputs of a task's head, where there is one.
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
    "tokens_embed.weight": { shape: [vocabulary + SPECIALS, width], start: DEVIATION },
    ...table && {
      "positions_embed.weight": {
        shape: [context, width],
        start: (seed: number) => table(config, seed, 0, context),
        fixed: !trained,
      },
    },
    ...leaves?.(config),
    ...architectureOf(config).leaves(config),
    ...outputs === undefined ? {} : headLeaves(width, outputs),
  }));
}

/** The leaves of a task's head (§3.2, `W_y`). */
export function headLeaves(width: number, outputs: number): Record<string, Leaf> {
  return linearLeaves("clf", width, outputs);
}
