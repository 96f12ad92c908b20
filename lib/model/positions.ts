import { keyOf, normals } from "../engine/mod.ts";

/**
 * The arms of the ablation that the paper left out (§4.1: "we used learned position embeddings instead of
 * the sinusoidal version"). Training and shape are separate factors:
 *
 * | kind | start | trained |
 * | --- | --- | --- |
 * | `learned` (GPT-1) | random | yes |
 * | `sinusoidal` | sinusoids (Vaswani et al. 2017, §3.5) | no |
 * | `sinusoidal-trained` | sinusoids | yes |
 * | `random-frozen` | random | no |
 * | `none` | no table at all | |
 */
export const positionKinds = [
  "learned",
  "sinusoidal",
  "sinusoidal-trained",
  "random-frozen",
  "none",
] as const;

/** One of {@linkcode positionKinds}. */
export type PositionKind = typeof positionKinds[number];

/**
 * How large the table is at the start. A raw sinusoid has amplitude 1 where GPT-1's token embeddings start at
 * 0.02, so it would drown them and the comparison would be one of sizes.
 *
 * - `matched`: root mean square 0.02, as the tokens'.
 * - `raw`: root mean square √½, a sinusoid's of amplitude 1.
 * - `sqrt-width`: `raw`, with token embeddings multiplied by √d at the input, as Vaswani et al. did (§3.4).
 */
export const positionScales = ["matched", "raw", "sqrt-width"] as const;

/** One of {@linkcode positionScales}. */
export type PositionScale = typeof positionScales[number];

/** Whether updates change the table. */
export function positionsAreTrained(kind: PositionKind): boolean {
  return kind === "learned" || kind === "sinusoidal-trained";
}

/**
 * A position table at its start, or `undefined` for `none`.
 *
 * @param kind Which arm.
 * @param scale How large.
 * @param context Rows.
 * @param width Columns, d.
 * @param seed For the random kinds: the same seed gives `learned` and `random-frozen` the same table.
 * @returns (context, width), row by row.
 *
 * @example
 * ```ts
 * import { positionTable } from "./positions.ts";
 *
 * const table = positionTable("sinusoidal", "raw", 16, 8, 0);
 * console.log(table?.[0], table?.[1]); // 0 1, the sine and the cosine of 0
 * ```
 */
export function positionTable(
  kind: PositionKind,
  scale: PositionScale,
  context: number,
  width: number,
  seed: number,
): Float32Array | undefined {
  const deviation = scale === "matched" ? 0.02 : Math.SQRT1_2;
  switch (kind) {
    case "none":
      return undefined;
    case "learned":
    case "random-frozen":
      return normals(keyOf(seed, "positions_embed.weight"), context * width, deviation);
    case "sinusoidal":
    case "sinusoidal-trained":
      return Float32Array.from({ length: context * width }, (_, i) => {
        const [place, column] = [Math.floor(i / width), i % width];
        const angle = place / 10000 ** ((column - column % 2) / width);
        return (column % 2 ? Math.cos(angle) : Math.sin(angle)) * deviation * Math.SQRT2;
      });
  }
}
