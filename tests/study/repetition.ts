/**
 * Compares main contrasts with their repetition by other seeds, as data/studies/PLAN.md has it, and writes
 * data/studies/repetition.md.
 *
 *     deno run --allow-read --allow-write=data/studies tests/study/repetition.ts
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { exists } from "../../lib/files.ts";
import { rounded, withInterval } from "../../lib/numbers.ts";
import { openStudy, studies } from "../../lib/study/mod.ts";
import type { MainEffect } from "../../lib/study/main_contrasts.ts";

/** The contrasts that are repeated, by the folder of their study; the repetition's is `STUDY-again`. */
export const repeated: Readonly<Record<string, readonly string[]>> = {
  crossing: ["P1", "P4", "P5"],
  auxiliary: ["L1", "L2", "L3", "L4"],
  pretraining: ["T2", "T3", "T4"],
};

/** A main contrast of a study. */
export type Contrast = Pick<MainEffect, "name" | "unit" | "mean" | "low" | "high" | "p" | "finding">;

/** A contrast and its repetition. */
export interface Comparison {
  readonly first: Contrast;
  readonly again: Contrast;
  /** The second mean − the first. */
  readonly change: number;
  /** Half of the interval of that difference, from both intervals: √(half² + half²). */
  readonly half: number;
  /** Whether that interval includes zero. */
  readonly agrees: boolean;
  /** Whether the first is significant, and the second mean has the other sign. */
  readonly reverses: boolean;
  /** Whether the first is equal within its margin. */
  readonly isEqual: boolean;
  /** Whether, if so, the second mean is outside of it. */
  readonly leaves: boolean;
  /** Whether the second is equal within it, too: for that its interval counts. */
  readonly staysEqual: boolean;
}

/** Compares a contrast with its repetition. */
export function compared(first: Contrast, again: Contrast): Comparison {
  const half = Math.hypot(...[first, again].map(({ low, high }) => (high - low) / 2));
  const change = again.mean - first.mean, { bits, points } = studies.ablate.margins;
  const margin = first.unit.startsWith("bits") ? bits : points;
  return {
    ...{ first, again, change, half, agrees: Math.abs(change) <= half },
    reverses: isSure(first) && first.mean * again.mean < 0,
    isEqual: isWithin(first),
    leaves: isWithin(first) && Math.abs(again.mean) > margin,
    staysEqual: isWithin(first) && isWithin(again),
  };
}

/** Of what is different, too, a report says where it is within the margin. */
const isWithin = ({ finding }: Contrast) => /^equal|within ±/.test(finding);

const isSure = ({ p }: Contrast) => p < 0.05;

/** The report, in Markdown. */
export function repetitionReport(rows: readonly Comparison[]): string {
  const of = ({ mean, low, high }: Contrast) =>
    Number.isNaN(low) ? `${mean.toFixed(1)}, no interval` : withInterval(mean, low, high);
  const named = (found: readonly Comparison[]) => found.map(({ first }) => first.name).join(", ") || "none";
  const made = new Set(rows.map(({ first }) => first.name));
  const table = rows.map(({ first, again, change, half, agrees }) => [
    ...[first.name, first.unit, of(first), first.finding, of(again), again.finding],
    ...Number.isNaN(half)
      ? [change.toFixed(1), "**no interval**"]
      : [`${rounded(change, half)} ± ${rounded(half, half)}`, agrees ? "yes" : "**no**"],
  ]);
  const head = ["contrast", "unit", "first", "finding", "again", "finding again", "change", "agrees"];
  return `# Repetition

Main contrasts of the [plan](PLAN.md#repetition), and the same with seeds that no published run had used. Intervals
are 95 %, that of a change is from both; with three seeds they are wide, so that agreement means that nothing was found to
contradict. Made by \`tests/study/repetition.ts\`.

${[head, head.map(() => "---"), ...table].map((cells) => `| ${cells.join(" | ")} |`).join("\n")}

- Agreeing: ${rows.filter(({ agrees }) => agrees).length} of ${rows.length}.
- Of one seed again, as the others' runs did not leave chance: ${
    named(rows.filter(({ half }) => Number.isNaN(half)))
  }.
- Significant first, of the other sign again: ${named(rows.filter(({ reverses }) => reverses))}.
- Significant first, not again: ${named(rows.filter(({ first, again }) => isSure(first) && !isSure(again)))}.
- Significant again, not first: ${named(rows.filter(({ first, again }) => isSure(again) && !isSure(first)))}.
- Equal within the margin first: ${
    named(rows.filter(({ isEqual }) => isEqual))
  }; with a mean outside of it again: ${named(rows.filter(({ leaves }) => leaves))}; equal within it again: ${
    named(rows.filter(({ staysEqual }) => staysEqual))
  }.
- Not made again yet: ${
    Object.values(repeated).flat().filter((name) => !made.has(name)).join(", ") || "none"
  }.
`;
}

/** Compares all contrasts that have been repeated, of the studies in a folder. */
export async function repetition(folder: string): Promise<Comparison[]> {
  const found = Object.entries(repeated).map(async ([study, names]) => {
    if (!await exists(`${folder}/${study}-again`)) return [];
    const [first, again] = await Promise.all([study, `${study}-again`].map(async (name) => {
      const { mainContrasts } = await openStudy(`${folder}/${name}`);
      return names.map((name) => mainContrasts.find((one) => one.name === name)!);
    }));
    return names.map((_, i) => compared(first![i]!, again![i]!));
  });
  return (await Promise.all(found)).flat();
}

if (import.meta.main) {
  const folder = fileURLToPath(new URL("../../data/studies", import.meta.url));
  await Deno.writeTextFile(`${folder}/repetition.md`, repetitionReport(await repetition(folder)));
}
