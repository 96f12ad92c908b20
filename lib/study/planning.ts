import jstat from "npm:jstat@1.9.6";
import { type ColumnTable, table } from "../arquero.ts";
import { InputError, isThenable, quoted } from "../errors.ts";
import { isPlain, number, or, type SchemaOf, settle, value } from "../settings.ts";
import type { ArmEffect } from "./effects.ts";
import type { Study } from "./study.ts";
import { detectable } from "./statistics.ts";

/** The options of {@linkcode planStudy}. */
export interface PlanOptions {
  /**
   * The smallest difference to be found, in points of a task's measure or in bits per character; of a pilot that has
   * both, one of each.
   */
  readonly detect: number | { readonly points: number; readonly bits: number };
}

const amount = number({ from: 1e-9, to: 1e9 });
const amounts = value(
  `a number of points and one of bits, as in { points: 1, bits: 0.01 }`,
  (value): value is { readonly points: number; readonly bits: number } =>
    isPlain(value) && Object.keys(value).sort().join() === "bits,points" &&
    Object.values(value).every((one) => amount.accepts(one)),
);

/** The settings of {@linkcode PlanOptions}. */
export const planSettings = {
  detect: {
    ...or(amount, amounts),
    about: "smallest difference to be found, in the effect's unit",
  },
} satisfies SchemaOf<PlanOptions>;

/** Most seeds, and most times the pilot's examples, that a plan considers. */
const MOST = 1000;

/** A pilot of few seeds knows its variance roughly: the plan is for both ends of its 80 % confidence interval. */
const TAIL = 0.1;

/**
 * How many seeds, or test examples, a study needs to find a difference with 80 % power in a single test, without
 * Holm's correction, judged by the variance of a pilot's effects. With few seeds in the pilot the range is wide.
 *
 * @param pilot A study of the same arms, of at least two seeds.
 * @returns A row per main contrast and effect: the smallest difference that the pilot would have found; the least and the most seeds that
 * may be needed with the pilot's examples; the least and the most examples with the pilot's seeds. Infinity where more of them do not help, or more than 1,000 seeds, or times the examples, would be needed.
 * @throws {InputError} If it is not a study, has no effect with two seeds, or has points and bits, for which one number was given.
 *
 * @example
 * ```ts ignore
 * import { ablate, planStudy } from "../mod.ts";
 *
 * planStudy(await ablate({ tasks: "kind", seeds: 3 }), { detect: { points: 1, bits: 0.01 } }).print();
 * ```
 */
export function planStudy(pilot: Study, options: PlanOptions): ColumnTable {
  const { detect } = settle("plan a study", planSettings, options);
  const { mainContrasts = [], effects, finetuned } = Object(pilot) as Partial<Study>;
  if (!Array.isArray(effects) || !finetuned) {
    throw new InputError(
      isThenable(pilot)
        ? "Cannot plan a study by a pilot that is not awaited: write await before it"
        : `Cannot plan a study by ${quoted(pilot)} as it must be one that ablate returned`,
    );
  }
  const known = [...mainContrasts, ...effects].filter(({ error, p }) => error > 0 && !Number.isNaN(p)); // Those that left chance.
  if (known.length === 0) {
    throw new InputError(
      "Cannot plan a study by a pilot without an effect of two seeds that left chance: give it more, or train it longer",
    );
  }
  const isText = ({ unit }: ArmEffect) => unit.startsWith("bits");
  if (typeof detect === "number" && new Set(known.map(isText)).size > 1) {
    throw new InputError(
      `Cannot plan a study with detect ${detect} as its pilot has points and bits per character: ` +
        `{ points: ${detect}, bits: 0.01 } works`,
    );
  }
  const smallest = (effect: ArmEffect) =>
    typeof detect === "number" ? detect : isText(effect) ? detect.bits : detect.points;
  const examplesOf = (effect: ArmEffect) =>
    isText(effect)
      ? effect.clusters
      : finetuned.find(({ task }) => task === effect.levels["task"])?.examples ?? effect.clusters;
  const rows = known.map((effect) => {
    const least = smallest(effect);
    const seeds = ends(effect).map((square) => seedsFor(effect, square, least));
    const [from, to] = ends(effect).map((square, i) => timesFor(effect, square, least, i === 0));
    return { effect, seeds, examples: [from!, to!].map((times) => Math.ceil(times * examplesOf(effect))) };
  });
  return table({
    where: rows.map(({ effect }) => effect.where),
    difference: rows.map(({ effect }) => effect.difference),
    unit: rows.map(({ effect }) => effect.unit),
    detectable: rows.map(({ effect: { error, seedShare, n, clusters } }) =>
      found(seedShare * error ** 2, n, Math.max(0, 1 - seedShare) * error ** 2, clusters)
    ),
    "seeds, least": rows.map(({ seeds }) => seeds[0]!),
    "seeds, most": rows.map(({ seeds }) => seeds[1]!),
    "examples, least": rows.map(({ examples }) => examples[0]!),
    "examples, most": rows.map(({ examples }) => examples[1]!),
  });
}

/** The part of an effect's variance that seeds make: the ends of its confidence interval. */
function ends({ error, seedShare, n }: ArmEffect): [number, number] {
  const square = seedShare * error ** 2 * (n - 1);
  return [square / jstat.chisquare.inv(1 - TAIL, n - 1), square / jstat.chisquare.inv(TAIL, n - 1)];
}

/** The difference that is found with 80 % power, of parts of a variance. */
function found(ofSeeds: number, seeds: number, ofExamples: number, clusters: number): number {
  const square = ofSeeds + ofExamples, share = ofSeeds / square;
  return detectable({
    error: Math.sqrt(square),
    freedom: [{ share, freedom: seeds - 1 }, { share: 1 - share, freedom: Math.max(1, clusters - 1) }],
  });
}

/** The fewest seeds, with the same examples. */
function seedsFor({ error, seedShare, n, clusters }: ArmEffect, ofSeeds: number, detect: number): number {
  const ofExamples = Math.max(0, 1 - seedShare) * error ** 2;
  return first(2, MOST, (seeds) => found(ofSeeds * n / seeds, seeds, ofExamples, clusters) <= detect);
}

/**
 * The fewest examples, in multiples of those that there are, with the same seeds. What seeds make of the variance is in
 * part the noise of single answers, which more examples average out: at best all of it, at worst nothing.
 */
function timesFor(
  { error, seedShare, n, clusters }: ArmEffect,
  ofSeeds: number,
  detect: number,
  isAveraged: boolean,
): number {
  const ofExamples = Math.max(0, 1 - seedShare) * error ** 2;
  const quarters = first(1, 4 * MOST, (quarters) => {
    const times = quarters / 4;
    return found(isAveraged ? ofSeeds / times : ofSeeds, n, ofExamples / times, clusters * times) <= detect;
  });
  return quarters / 4;
}

/** The first number from which something holds; Infinity if it does not up to the last. */
function first(from: number, to: number, holds: (value: number) => boolean): number {
  if (!holds(to)) return Infinity;
  let [low, high] = [from - 1, to];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}
