import { type ColumnTable, table } from "../arquero.ts";
import { InputError, quoted } from "../errors.ts";
import { displayAs } from "../kernel.ts";
import { rounded } from "../numbers.ts";
import { isPlain, list, listOrNone, type SchemaOf, text, unknown, value } from "../settings.ts";
import { clopperPearson } from "../train/mod.ts";
import type { Level, Levels } from "./factors.ts";
import { type CrossedMean, crossedMean } from "./crossed.ts";
import {
  detectable,
  equivalenceP,
  type Estimate,
  formatEstimate,
  holm,
  intervalOf,
  type Mean,
  pValue,
  ROUNDING,
  type Scale,
} from "./statistics.ts";

/** The name of the held-out text in tables; no task can have it. */
export const TEXT = "held-out text";

/** A factor of a study, and its levels in the order of its settings. */
export interface Factor {
  readonly name: string;
  readonly levels: readonly Level[];
}

/** What is measured: a task's metric, or bits per character. */
export interface Metric {
  /** Its name and unit, for an arm. */
  readonly name: string;
  /** The unit of a difference. */
  readonly unit: string;
  readonly scale: Scale;
  /** Largest value of the scale, in this unit. */
  readonly whole: number;
  /** A smaller difference does not matter. */
  readonly margin: number;
  /** Whether it is the share of examples that are right, whose interval is known where all are, or none. */
  readonly isProportion?: boolean;
}

/** The score of one run on a task or the held-out text. */
export interface Score {
  readonly metric: Metric;
  /** The levels of the factors, `task` included. */
  readonly levels: Levels;
  readonly seed: number;
  /** The score of each cluster of test examples, or window: their mean is the run's. */
  readonly parts: readonly number[];
  /** Scores whose parts are of the same examples have the same object. */
  readonly pairing: unknown;
  /** Whether the model did not leave chance. */
  readonly stuck: boolean;
}

/** A difference between arms, paired by seed and test example. */
export interface ArmEffect extends Estimate {
  /** What it is about: a task, or the held-out text, and the levels that both arms share. */
  readonly where: string;
  /** Both arms: `learned − sinusoidal`. */
  readonly difference: string;
  /** A name for a figure, which says how it differs from the other effects beside it. */
  readonly label: string;
  /** The levels that both arms share. */
  readonly levels: Levels;
  /** Unit. */
  readonly unit: string;
  /** Number of clusters of test examples, or of held-out windows; 1 if only the runs' scores are known. */
  readonly clusters: number;
  /** Its standard error; NaN for one seed. */
  readonly error: number;
  /** The share of its variance that seeds make, and examples do not. */
  readonly seedShare: number;
  /** Its two-sided p-value, corrected for the number of effects beside it (Holm); NaN for one seed, or where runs stay at chance. */
  readonly p: number;
  /**
   * The smallest true difference that is found with 80 % power by a test at 5 % divided by the number of effects beside
   * it, as Holm's correction tests the clearest of them.
   */
  readonly detectable: number;
  /**
   * What follows: `higher`, `lower`, which may be by less than the margin (`higher, within ±2`), `equal within ±2`,
   * `not significant`, `one seed cannot tell`, `no variation, cannot tell`, `no arm left chance`, of several differences
   * `no arm left chance at some levels`, `no seed left chance in both`, or `some runs of each arm at chance`.
   */
  readonly finding: string;
  /** All of it in a sentence. */
  readonly sentence: string;
}

/** Options of an effect. */
export interface EffectOptions {
  /** The levels to compare, the second subtracted from the first; or two lists of levels, compared pair by pair. */
  readonly between?: readonly [Level | readonly Level[], Level | readonly Level[]];
  /** The factors for each of whose levels there is an effect of its own; it is averaged over the others. Default: all. */
  readonly by?: readonly string[];
  /** Levels of other factors to include. Default: all. */
  readonly at?: Readonly<Record<string, Level | readonly Level[]>>;
  /** Another factor: how the effect at each of its levels differs from that at its first. Default: none. */
  readonly interaction?: string;
}

/** Scores of one arm, by seed, and their weight in a contrast. */
interface Term {
  readonly scores: readonly Score[];
  readonly weight: number;
}

/** A linear contrast between arms: one difference of two, or several, each two terms. */
export interface Contrast {
  readonly where: string;
  readonly difference: string;
  readonly levels: Levels;
  readonly terms: readonly Term[];
}

/** The name of a factor in sentences and tables. */
export function factorLabel(name: string): string {
  const known: Readonly<Record<string, string>> = {
    ...{ lambda: "λ", transfer: "start", trainExamples: "training examples" },
  };
  return known[name] ?? name.replace(/^preset\.(positions\.)?/, "").replace(".", " ")
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** A level in sentences and tables: `sinusoidal`, `λ = 0.5`, `heads = 2`. */
export function levelLabel(name: string, level: Level): string {
  switch (name) {
    case "task":
    case "model":
    case "positions":
      return `${level}`;
    case "transfer":
      return startLabel(level);
    default:
      return `${factorLabel(name)} = ${level}`;
  }
}

/** How a model's fine-tuning began (Figure 2). */
export function startLabel(transfer: Level): string {
  switch (transfer) {
    case "all":
      return "pre-trained";
    case "zero-shot":
      return "zero-shot";
    case -1:
      return "from scratch";
    case 0:
      return "embeddings only";
    default:
      return transfer === 1 ? "1 layer" : `${transfer} layers`;
  }
}

/** The labels of several levels: `imdb, λ = 0.5`. */
export function labelOf(levels: Levels, factors: readonly Factor[]): string {
  return factors.map(({ name }) => {
    const level = levels[name] ?? null;
    return level === null ? "" : levelLabel(name, level);
  }).filter(Boolean).join(", ");
}

/** The factors with several levels among these scores. */
export function varying(scores: readonly Pick<Score, "levels">[], factors: readonly Factor[]): Factor[] {
  return factors.filter(({ name }) =>
    new Set(scores.map(({ levels }) => levels[name] ?? null).filter((level) => level !== null)).size > 1
  );
}

/** Scores by the levels of some factors, in the order of first appearance. */
export function groups<S extends Pick<Score, "levels">>(
  scores: readonly S[],
  factors: readonly Factor[],
): S[][] {
  const key = ({ levels }: S) => JSON.stringify(factors.map(({ name }) => levels[name] ?? null));
  return [...Map.groupBy(scores, key).values()];
}

/** The levels of some factors. */
export function pick(levels: Levels, factors: readonly Factor[]): Levels {
  return Object.fromEntries(factors.map(({ name }) => [name, levels[name] ?? null]));
}

/** Pairs of levels that are compared. */
type Pairs = readonly (readonly [Level, Level])[];

/** What the difference of pairs is called. */
export function differenceLabel(name: string, pairs: Pairs): string {
  const side = (i: 0 | 1) => pairs.map((pair) => levelLabel(name, pair[i])).join(" and ");
  return [side(0), side(1)].map((label) => pairs.length > 1 ? `(${label})` : label).join(" − ");
}

/**
 * The comparisons of a factor: with numbers each − the first, so that the effect is that of a larger dose; else the
 * first − each other.
 */
function referencePairs({ name, levels }: Factor, scores: readonly Score[]): Pairs[] {
  const present = levels.filter((level) => scores.some(({ levels }) => levels[name] === level));
  const isDose = name !== "transfer" && present.every((level) => typeof level === "number");
  const [first, ...others] = present as [Level, ...Level[]];
  return others.map((other) => [isDose ? [other, first] : [first, other]]);
}

/**
 * The contrasts of a factor's levels.
 *
 * @param options `isMean`: means are given also where effects contradict each other, as in a curve.
 * @throws {InputError} If a factor or level is unknown, or measures of different units would be averaged.
 */
export function contrastsOf(
  scores: readonly Score[],
  factors: readonly Factor[],
  name: string,
  { between, by, at = {}, interaction, isMean = false }: EffectOptions & { readonly isMean?: boolean } = {},
): Contrast[] {
  const factor = factorNamed(name, factors);
  const other = interaction === undefined ? undefined : factorNamed(interaction, factors);
  by?.forEach((one) => factorNamed(one, factors));
  const included = filtered(scores, factors, at).filter(({ levels }) => (levels[name] ?? null) !== null);
  const others = labelled(included, factors).filter((one) => one.name !== name && one !== other);
  const own = others.filter((one) => by?.includes(one.name) ?? true);
  const averaged = others.filter((one) => !own.includes(one));
  const comparisons = between === undefined
    ? referencePairs(factor, included)
    : [givenPairs(factor, between)];
  return contextsOf(included, own).flatMap(({ levels, scores: group }) =>
    comparisons.flatMap((pairs) => {
      const common = { where: labelOf(levels, own), levels };
      // What is averaged over: the other factors' levels, and the pairs of levels that are compared.
      const contexts = contextsOf(group, averaged).flatMap((context) =>
        pairs.map((pair) => ({ ...context, pair }))
      );
      const averaging = { averaged, common, pairs, isMean };
      if (other) return interactions(contexts, name, other, averaging);
      const parts = contexts.map((one) => ({ ...one, terms: termsOf(one.scores, name, one.pair) }));
      return averagedOf(parts, name, averaging, (pairs) => differenceLabel(name, pairs));
    })
  );
}

/** Scores at some levels, and two levels of a factor to compare there. */
interface Comparison {
  readonly levels: Levels;
  readonly scores: readonly Score[];
  readonly pair: readonly [Level, Level];
}

/** The terms of a difference. */
function termsOf(scores: readonly Score[], name: string, [a, b]: Comparison["pair"]): Term[] {
  const at = (level: Level) => scores.filter(({ levels }) => levels[name] === level);
  return [{ scores: at(a), weight: 1 }, { scores: at(b), weight: -1 }];
}

const scaled = (terms: readonly Term[], by: number): Term[] =>
  terms.map(({ scores, weight }) => ({ scores, weight: by * weight }));

const isComplete = (terms: readonly Term[]): boolean => terms.every(({ scores }) => scores.length > 0);

/** A difference, or one of differences, in a context: a part of a mean of several. */
interface Part extends Pick<Comparison, "levels" | "pair"> {
  readonly terms: readonly Term[];
}

/** What is averaged over. */
interface Averaging {
  readonly averaged: readonly Factor[];
  /** What all parts have in common. */
  readonly common: Pick<Contrast, "where" | "levels">;
  readonly pairs: Pairs;
  /** Whether there is a mean where effects contradict each other, too. */
  readonly isMean: boolean;
}

/**
 * The mean of differences, or each of them if they contradict each other. What has no runs, or no effect as it is between
 * two floors, is not in it, and the name says what is.
 */
function averagedOf(
  all: readonly Part[],
  name: string,
  { averaged, common, pairs, isMean }: Averaging,
  differenceOf: (pairs: Pairs) => string,
): Contrast[] {
  const complete = all.filter(({ terms }) => isComplete(terms));
  if (complete.length === 0) return [];
  for (const { terms } of complete) checkUnit(terms, name);
  const learned = complete.filter(({ terms }) => !pairsOf(terms).every(areStuck));
  const parts = learned.length > 0 ? learned : complete;
  checkAveraged(parts.map(({ terms }) => terms.flatMap(({ scores }) => scores)), `the effect of ${name}`);
  const single = parts.map(({ levels, pair, terms }): Contrast => ({
    where: [common.where, labelOf(levels, averaged)].filter(Boolean).join(", "),
    difference: differenceOf([pair]),
    levels: { ...common.levels, ...levels },
    terms,
  }));
  const counts = Map.groupBy(parts, ({ pair }) => pair);
  const left = pairs.filter((pair) => counts.has(pair));
  const isGrid = left.every((pair) => counts.get(pair)!.length === parts.length / left.length);
  if (!isMean && (!isGrid || contradicted(single))) return single;
  const { fixed, where } = parts.length < all.length ? whereOf(parts, averaged) : { fixed: {}, where: "" };
  return [{
    where: [common.where, where].filter(Boolean).join(", "),
    difference: differenceOf(left),
    levels: { ...common.levels, ...fixed },
    terms: parts.flatMap(({ terms }) => scaled(terms, 1 / parts.length)),
  }];
}

/** Checks that a difference is one of scores of the same measure: bits per character are no points of accuracy. */
function checkUnit(terms: readonly Term[], name: string): void {
  const units = unitsOf(terms.flatMap(({ scores }) => scores));
  if (units.length < 2) return;
  throw new InputError(
    `Cannot compare ${units.join(" with ")} in an effect of ${name}: choose tasks of one measure with at`,
  );
}

/** The levels that all of these have, and the names of all: the others do not exist, or nothing was learned there. */
export function whereOf(
  parts: readonly Pick<Comparison, "levels">[],
  factors: readonly Factor[],
): { readonly fixed: Levels; readonly where: string } {
  const several = varying(parts, factors), same = factors.filter((factor) => !several.includes(factor));
  const names = new Set(parts.map(({ levels }) => labelOf(levels, several)).filter(Boolean));
  const { levels } = parts[0]!;
  return {
    fixed: pick(levels, same),
    where: [labelOf(levels, same), [...names].join(" and ")].filter(Boolean).join(", "),
  };
}

/** What the rules for runs at chance read of an arm. */
interface ByChance {
  readonly scores: readonly Pick<Score, "stuck">[];
}

/** Whether no run of any arm left chance. */
export const areStuck = (terms: readonly ByChance[]): boolean =>
  terms.every(({ scores }) => scores.every(({ stuck }) => stuck));

/** Whether a contrast says something: in each of its pairs, all runs of one arm at least left chance. */
export const isLearned = (terms: readonly ByChance[]): boolean =>
  pairsOf(terms).every((pair) => pair.some(({ scores }) => scores.every(({ stuck }) => !stuck)));

/** The differences of two arms that a contrast is made of. */
const pairsOf = <T>(terms: readonly T[]): (readonly T[])[] =>
  Array.from({ length: terms.length / 2 }, (_, i) => terms.slice(2 * i, 2 * i + 2));

/** How a mean of differences depends on another factor: at each of its levels − at its first. */
function interactions(
  contexts: readonly Comparison[],
  name: string,
  other: Factor,
  averaging: Averaging,
): Contrast[] {
  const has = (scores: readonly Score[], level: Level) =>
    scores.some(({ levels }) => levels[other.name] === level);
  const [first, ...rest] = other.levels.filter((level) => contexts.some(({ scores }) => has(scores, level)));
  return rest.flatMap((level) => {
    const parts = contexts.map(({ levels, scores, pair }): Part => {
      // Where the other factor makes no difference, as to zero-shot scores, there is no interaction to average.
      const both = has(scores, level) && has(scores, first!) ? scores : [];
      const at = (level: Level) => termsOf(filtered(both, [other], { [other.name]: level }), name, pair);
      return { levels, pair, terms: [...at(level), ...scaled(at(first!), -1)] };
    });
    const [here, there] = [level, first!].map((level) => levelLabel(other.name, level));
    return averagedOf(
      parts,
      name,
      averaging,
      (pairs) => `(${differenceLabel(name, pairs)}) at ${here} − at ${there}`,
    );
  });
}

/** The factors that names of arms need: those that vary, and the task. */
export function labelled(scores: readonly Pick<Score, "levels">[], factors: readonly Factor[]): Factor[] {
  const several = varying(scores, factors);
  return factors.filter((factor) => factor.name === "task" || several.includes(factor));
}

/**
 * The combinations of some factors' levels, each with its scores. Those to which a factor makes no difference belong to
 * all its levels, as zero-shot scores to each λ.
 */
export function contextsOf<S extends Pick<Score, "levels">>(
  scores: readonly S[],
  factors: readonly Factor[],
): { readonly levels: Levels; readonly scores: readonly S[] }[] {
  const all = groups(scores, factors).map(([first]) => pick(first!.levels, factors));
  const includes = (wide: Levels, narrow: Levels) =>
    factors.every(({ name }) => (wide[name] ?? null) === null || wide[name] === narrow[name]);
  return all.filter((levels) => !all.some((other) => other !== levels && includes(levels, other)))
    .map((levels) => ({ levels, scores: scores.filter((score) => includes(score.levels, levels)) }));
}

/** Whether effects that would be averaged have different signs, and differ significantly: then there is no main effect. */
function contradicted(effects: readonly Contrast[]): boolean {
  if (effects.length < 2) return false;
  const means = effects.map((effect) => meanOf(effect).mean || 0); // None where no seed counts.
  const [positive, negative] = [1, -1].map((sign) => effects.filter((_, i) => sign * means[i]! > 0));
  const pairs = effects.length * (effects.length - 1) / 2; // Those that differ most may be the least certain.
  return positive!.some((one) =>
    negative!.some((other) => {
      const found = meanOf({ terms: [...one.terms, ...scaled(other.terms, -1)] });
      return found.error === 0 || pValue(found) * pairs < 0.05; // Without any variation nothing is by chance.
    })
  );
}

/** The pairs of levels that a caller compares. */
function givenPairs(factor: Factor, between: NonNullable<EffectOptions["between"]>): Pairs {
  const lists = Array.isArray(between) && between.length === 2 ? between.map((side) => [side].flat()) : [];
  const [a = [], b = []] = lists as Level[][];
  if (a.length === 0 || a.length !== b.length) {
    throw new InputError(
      `Cannot compare ${
        quoted(between)
      } as between must be two levels of ${factor.name}, or two lists of as many`,
    );
  }
  [...a, ...b].forEach((level) => checkLevel(factor, level));
  return a.map((level, i) => [level, b[i]!] as const);
}

/** The scores at some levels; those to which a factor makes no difference are at all of its levels. */
export function filtered<S extends Pick<Score, "levels">>(
  scores: readonly S[],
  factors: readonly Factor[],
  at: NonNullable<EffectOptions["at"]>,
): S[] {
  if (!isPlain(at)) {
    throw new InputError(`Cannot use at ${quoted(at)} as it must be an object of factors and their levels`);
  }
  return Object.entries(at).reduce((some, [name, level]) => {
    const factor = factorNamed(name, factors), levels = [level].flat() as Level[];
    levels.forEach((level) => checkLevel(factor, level));
    return some.filter(({ levels: own }) => (own[name] ?? null) === null || levels.includes(own[name]!));
  }, [...scores]);
}

/**
 * A factor by its name.
 *
 * @throws {InputError} If there is none.
 */
export function factorNamed(name: string, factors: readonly Factor[]): Factor {
  const found = factors.find((factor) => factor.name === name);
  if (found) return found;
  const names = factors.map(({ name }) => name);
  throw new InputError(`Cannot use factor ${quoted(name)} as ${unknown("factor", String(name), names)}`);
}

/** Checks that a factor has a level. */
export function checkLevel({ name, levels }: Factor, level: Level): void {
  if (levels.includes(level)) return;
  throw new InputError(`Cannot use level ${quoted(level)} of ${name} as its levels are ${levels.join(", ")}`);
}

const unitsOf = (scores: readonly Score[]): string[] => [
  ...new Set(scores.map(({ metric }) => metric.unit)),
];

/** Checks that a mean over these is one of the same unit, and counts no text twice as if it were another. */
export function checkAveraged(contexts: readonly (readonly Score[])[], name: string): void {
  const units = unitsOf(contexts.flat());
  if (units.length > 1) {
    throw new InputError(
      `Cannot average ${name} over ${units.join(" and ")}: add "task" to by, or choose tasks with at`,
    );
  }
  for (const [task, some] of Map.groupBy(contexts, ([first]) => first!.levels["task"])) {
    const cuts = some.map((scores) => new Set(scores.map(({ pairing }) => pairing)));
    if (cuts.every((cut) => cut.size === cuts[0]!.size && cut.isSubsetOf(cuts[0]!))) continue;
    throw new InputError(
      `Cannot average ${name} over several cuts of the same text (${task}), which are not independent: add the ` +
        "factor that cuts it, such as words, merges or context, to by, or choose one of its levels with at",
    );
  }
}

/** The runs of an arm that count: those that left chance, or all if none did. */
export function counted<S extends Pick<Score, "stuck">>(scores: readonly S[]): readonly S[] {
  const free = scores.filter(({ stuck }) => !stuck);
  return free.length > 0 ? free : scores;
}

/**
 * A contrast by seed and cluster. Parts of the same examples are added; others stand side by side, scaled so that the
 * mean of all is the contrast, and shifted so that they vary within their examples only. Undefined if no seed is in all arms.
 */
function rowsOf({ terms }: Pick<Contrast, "terms">): { rows: number[][]; size: number } | undefined {
  const arms = terms.map(({ scores, weight }) => {
    const own = counted(scores), bySeed = new Map(own.map((score) => [score.seed, score]));
    if (bySeed.size < own.length) throw new TypeError("an arm has two scores of one seed");
    return { weight, bySeed };
  });
  const seeds = [...arms[0]?.bySeed.keys() ?? []].filter((seed) =>
    arms.every(({ bySeed }) => bySeed.has(seed))
  );
  if (seeds.length === 0) return undefined;
  const blocks = new Map<unknown, number[][]>(), single = seeds.map(() => 0);
  let size = 0; // Of what is added up, which decides how much rounding there is.
  for (const { weight, bySeed } of arms) {
    seeds.forEach((seed, s) => {
      const { parts, pairing } = bySeed.get(seed)!;
      for (const part of parts) size = Math.max(size, Math.abs(weight * part));
      if (parts.length === 1) {
        single[s]! += weight * parts[0]!;
        return;
      }
      if (!blocks.has(pairing)) blocks.set(pairing, seeds.map(() => parts.map(() => 0)));
      const row = blocks.get(pairing)![s]!;
      parts.forEach((part, i) => row[i]! += weight * part);
    });
  }
  if (blocks.size === 0) return { rows: single.map((value) => [value]), size };
  const all = [...blocks.values()], total = all.reduce((sum, [row]) => sum + row!.length, 0);
  const means = all.map((block) => mean(block.map(mean))), sum = means.reduce((a, b) => a + b, 0);
  const rows = seeds.map((_, s) =>
    all.flatMap((block, k) => {
      const scale = total / block[s]!.length;
      return block[s]!.map((part) => single[s]! + scale * (part - means[k]!) + sum);
    })
  );
  return { rows, size };
}

/** Whether a seed is in all arms, be it stuck or not. */
export function hasSeeds({ terms }: Contrast): boolean {
  const [first, ...others] = terms.map(({ scores }) => new Set(scores.map(({ seed }) => seed)));
  return [...first ?? []].some((seed) => others.every((seeds) => seeds.has(seed)));
}

/** The mean of a contrast; of none if in each seed one arm is stuck. */
function meanOf(contrast: Pick<Contrast, "terms">): CrossedMean {
  const found = rowsOf(contrast);
  return found
    ? crossedMean(found.rows, found.size)
    : { mean: NaN, error: NaN, freedom: NaN, seeds: 0, clusters: 0, seedShare: NaN };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * What follows from contrasts, corrected for their number. Contrasts of arms without a common seed are left out.
 *
 * @param family Number of contrasts that were planned: those that are not known count with p = 1. Default: those that are.
 */
export function effectsOf(contrasts: readonly Contrast[], family?: number): ArmEffect[] {
  const known = contrasts.filter(hasSeeds).map((contrast) => ({
    contrast,
    found: meanOf(contrast),
    metric: contrast.terms[0]!.scores[0]!.metric,
  }));
  const corrected = (pOf: (one: typeof known[number]) => number): number[] => {
    const values = known.map((one) => isLearned(one.contrast.terms) ? pOf(one) : NaN);
    const unknown = family === undefined ? 0 : family - values.filter((value) => !Number.isNaN(value)).length;
    return holm([...values, ...new Array<number>(unknown).fill(1)]);
  };
  const p = corrected(({ found }) => pValue(found));
  const tests = Math.max(1, family ?? p.filter((value) => !Number.isNaN(value)).length);
  const equal = corrected(({ found, metric }) => found.error > 0 ? equivalenceP(found, metric.margin) : NaN);
  const [wheres, differences] = (["where", "difference"] as const).map((part) =>
    new Set(known.map(({ contrast }) => contrast[part])).size
  );
  const effects = known.map(({ contrast, found, metric }, i): ArmEffect => {
    const { where, difference, levels } = contrast;
    const { unit, scale, whole, margin } = metric;
    const times = contrast.terms.reduce((sum, { weight }) => sum + Math.abs(weight), 0) / 2; // 2 of two differences.
    const most = times * (scale === "amount" ? Infinity : scale === "share" ? whole : 2 * whole);
    const [low, high] = intervalOf(found).map((bound) => Math.max(-most, Math.min(most, bound)));
    const label = differences === 1
      ? where || difference
      : wheres === 1
      ? difference
      : `${where}: ${difference}`;
    const effect = {
      ...{ where, difference, label, levels, unit, n: found.seeds, clusters: found.clusters },
      ...{
        mean: found.mean,
        low: low!,
        high: high!,
        error: found.error,
        seedShare: found.seedShare,
      },
      ...{ p: p[i]!, detectable: detectable(found, 0.05 / tests) },
      finding: areStuck(contrast.terms)
        ? "no arm left chance"
        : pairsOf(contrast.terms).some(areStuck)
        ? "no arm left chance at some levels"
        : found.seeds === 0
        ? "no seed left chance in both"
        : !isLearned(contrast.terms)
        ? "some runs of each arm at chance"
        : findingOf(found, p[i]!, equal[i]!, margin),
    };
    return { ...effect, sentence: sentenceOf(effect) };
  });
  return displayed(effects);
}

/** Options of a crossing. */
export interface CrossingOptions extends Pick<EffectOptions, "at"> {
  /** The factor, of numbers, along which the difference changes sign. */
  readonly over: string;
  /** Two levels, the second subtracted from the first. */
  readonly between: readonly Level[];
}

const unlimited = { ...value("levels", (_: unknown): _ is never => true), otherwise: "all" };

/** The settings of {@linkcode EffectOptions} by name; their values are checked where the study's factors are known. */
export const effectSettings = {
  between: { ...unlimited, about: "the levels to compare" },
  by: { ...listOrNone(text), about: "factors for each of whose levels there is an effect", otherwise: "all" },
  at: { ...unlimited, about: "levels of other factors to include" },
  interaction: { ...text, about: "another factor on which the effect may depend", otherwise: "none" },
} satisfies SchemaOf<EffectOptions>;

/** The settings of {@linkcode CrossingOptions}. */
export const crossingSettings = {
  over: { ...text, about: "the factor along which the difference changes sign" },
  between: { ...list(value("a level", (_: unknown): _ is Level => true)), about: "the levels to compare" },
  at: effectSettings.at,
} satisfies SchemaOf<CrossingOptions>;

/** How far beyond the levels of a study a crossing is looked for, as a factor. */
const BEYOND = 8;

/** Where the line through differences over the logarithm of a factor is zero. */
export function crossingOf(
  scores: readonly Score[],
  factors: readonly Factor[],
  name: string,
  { over, between, at = {} }: CrossingOptions,
): Estimate {
  const levels = filtered(scores, factors, at).map(({ levels }) => levels[factorNamed(over, factors).name]);
  const places = [...new Set(levels)].filter((level) => typeof level === "number" && level > 0) as number[];
  const all = places.flatMap((level) => {
    const found = contrastsOf(scores, factors, name, {
      ...{ between: between as [Level, Level], at: { ...at, [over]: level }, isMean: true },
    });
    if (found.length > 1) {
      throw new InputError(`Cannot find a crossing of ${found.length} differences: choose one by at`);
    }
    return found.map(({ terms }) => ({ z: Math.log(level), terms }));
  });
  if (all.length < 2) {
    throw new InputError(`Cannot find a crossing over ${over} as it needs differences at two of its numbers`);
  }
  const points = all.filter(({ terms }) => isLearned(terms));
  if (points.length < 2) return { n: 0, mean: NaN, low: NaN, high: NaN };
  const middle = mean(points.map(({ z }) => z));
  const spread = points.reduce((sum, { z }) => sum + (z - middle) ** 2, 0);
  /** The contrast with a weight for each point. */
  const weighted = (weightOf: (z: number) => number) =>
    meanOf({
      terms: points.flatMap(({ z, terms }) => scaled(terms, weightOf(z))),
    });
  const slope = weighted((z) => (z - middle) / spread);
  const level = weighted(() => 1 / points.length);
  const zero = middle - level.mean / slope.mean;
  const includes = (at: number): boolean => {
    const line = weighted((z) => 1 / points.length + (at - middle) * (z - middle) / spread);
    const [low, high] = intervalOf(line);
    return low <= 0 && high >= 0;
  };
  const ends = points.map(({ z }) => z);
  const bound = (limit: number): number => { // The interval of the line includes 0 at the crossing, and not at its bound.
    if (includes(limit)) return NaN;
    let [inside, outside] = [zero, limit];
    for (let i = 0; i < 40; i++) {
      const at = (inside + outside) / 2;
      if (includes(at)) inside = at;
      else outside = at;
    }
    return Math.exp(inside);
  };
  const [first, last] = [
    Math.min(...ends, zero) - Math.log(BEYOND),
    Math.max(...ends, zero) + Math.log(BEYOND),
  ];
  return { n: level.seeds, mean: Math.exp(zero), low: bound(first), high: bound(last) };
}

/** Effects that a notebook shows as a table. */
export function displayed<Effect extends ArmEffect>(effects: Effect[]): Effect[] {
  return displayAs(effects, () => effectsTable(effects).toMarkdown(), () => effectsTable(effects).toHTML());
}

/** Effects as a table, with the names of main contrasts. */
export function effectsTable(effects: readonly (ArmEffect & { readonly name?: string })[]): ColumnTable {
  return table({
    ...effects.some(({ name }) => name !== undefined) && { name: effects.map(({ name }) => name) },
    where: effects.map(({ where }) => where),
    difference: effects.map(({ difference }) => difference),
    n: effects.map(({ n }) => n),
    "mean [95 %]": effects.map((row) => Number.isNaN(row.mean) ? "" : formatEstimate(row)),
    unit: effects.map(({ unit }) => unit),
    "p (Holm)": effects.map(({ p }) => Number.isNaN(p) ? "" : formatP(p)),
    "80 % power at": effects.map(({ p, detectable }) =>
      Number.isNaN(p) ? "" : `±${rounded(detectable, detectable / 2)}`
    ),
    finding: effects.map(({ finding }) => finding),
  });
}

/** Interprets a difference. Equal ones of all seeds, which a small test set can produce, are no proof. */
function findingOf({ mean, error }: Mean, p: number, equal: number, margin: number): string {
  if (Number.isNaN(error)) return "one seed cannot tell";
  if (error === 0) return "no variation, cannot tell";
  const within = equal < 0.05 ? `within ±${margin}` : "";
  if (p < 0.05) return [mean > 0 ? "higher" : "lower", within].filter(Boolean).join(", ");
  return within ? `equal ${within}` : "not significant";
}

/** A difference, what follows from it, and what it rests on. */
function sentenceOf(effect: Omit<ArmEffect, "sentence">): string {
  const { where, difference, mean, unit, n, clusters, p, finding, detectable } = effect;
  if (n === 0) return `${where ? `${where}: ` : ""}${difference}: ${finding}`;
  const seeds = `${n} seed${n === 1 ? "" : "s"}`;
  const examples = clusters > 1
    ? ` × ${clusters.toLocaleString("en-US")} ${unit.startsWith("bits") ? "windows" : "groups of examples"}`
    : n > 1
    ? " without the examples' noise"
    : "";
  const test = finding.startsWith("equal") ? "; of a difference p" : ", p"; // Equality has a test of its own.
  const evidence = Number.isNaN(p) ? "" : `${test} ${p < 0.001 ? "< 0.001" : `= ${formatP(p)}`}`;
  const power = finding === "not significant" && !Number.isNaN(p)
    ? `; 80 % power at ±${rounded(detectable, detectable / 2)}`
    : "";
  return `${where ? `${where}: ` : ""}${difference} = ${mean > 0 ? "+" : ""}${
    formatEstimate(effect)
  } ${unit}, ${seeds}${examples}: ${finding}${evidence}${power}`;
}

/** A p-value with two significant digits. */
function formatP(p: number): string {
  return p < 0.001 ? "<0.001" : String(Number(p.toPrecision(2)));
}

/**
 * The mean of an arm over seeds and examples, without its stuck runs; its interval stays within the metric's values.
 *
 * @param factors Factors over which it is averaged, each level with the same weight.
 * @throws {InputError} If measures of different units would be averaged.
 */
export function armMean(scores: readonly Score[], factors: readonly Factor[] = []): Estimate {
  const contexts = contextsOf(scores, factors);
  checkAveraged(contexts.map(({ scores }) => scores), "an arm");
  const terms = contexts.map(({ scores }) => ({ scores, weight: 1 / contexts.length }));
  const { scale, whole, isProportion } = scores[0]!.metric;
  const found = meanOf({ terms }), about = found.mean / whole, bound = Math.round(about);
  const share = scale !== "amount" && Math.abs(about - bound) < ROUNDING ? bound : about; // Means round.
  const isWhole = isProportion && found.error === 0 && (share === 0 || share === 1); // All are right, or wrong.
  const [low, high] = isWhole
    ? clopperPearson(share * found.clusters, found.clusters)
    : intervalOf({ ...found, mean: share, error: found.error / whole }, scale);
  return { n: found.seeds, mean: whole * share, low: whole * low, high: whole * high };
}

/** How many of an arm's runs are stuck, with an exact interval: `2 of 5 [5, 85] %`. */
export function stuckShare(scores: readonly Pick<Score, "stuck">[]): string {
  const stuck = scores.filter(({ stuck }) => stuck).length;
  const [low, high] = clopperPearson(stuck, scores.length).map((bound) => Math.round(100 * bound));
  return `${stuck} of ${scores.length} [${low}, ${high}] %`;
}
