import { InputError, quoted } from "../errors.ts";
import { rounded } from "../numbers.ts";
import { isPlain, unknown } from "../settings.ts";
import type { Level, Levels } from "./factors.ts";
import { crossedMean } from "./crossed.ts";
import {
  clopperPearson,
  detectable,
  equivalenceP,
  type Estimate,
  formatEstimate,
  holm,
  intervalOf,
  type Mean,
  pValue,
  type Scale,
} from "./statistics.ts";

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
  /** Its two-sided p-value, corrected for the number of effects beside it (Holm); NaN for one seed. */
  readonly p: number;
  /** The smallest true difference that would be found with 80 % power. */
  readonly detectable: number;
  /**
   * What follows: `higher`, `lower`, which may be by less than the margin (`higher, within ±2`), `equal within ±2`,
   * `not significant`, `one seed cannot tell`, `no variation, cannot tell` or `no arm left chance`.
   */
  readonly finding: string;
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

/** A linear contrast between arms. */
export interface Contrast {
  readonly where: string;
  readonly difference: string;
  readonly levels: Levels;
  readonly terms: readonly Term[];
}

/** The name of a factor in sentences and tables. */
export function factorLabel(name: string): string {
  if (name === "lambda") return "λ";
  if (name === "transfer") return "start";
  return name.replace(/^preset\.(positions\.)?/, "").replace(".", " ")
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
      return `${transfer} layers`;
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

/**
 * The pairs of levels that a factor compares: with numbers each − the first, so that the effect is that of a larger
 * dose; else the first − each other.
 */
function pairsOf({ name, levels }: Factor): [Level, Level][] {
  const [first, ...others] = levels as [Level, ...Level[]];
  const isDose = name !== "transfer" && levels.every((level) => typeof level === "number");
  return others.map((other) => isDose ? [other, first] : [first, other]);
}

/**
 * The contrasts of a factor's levels.
 *
 * @throws {InputError} If a factor or level is unknown, or measures of different units would be averaged.
 */
export function contrastsOf(
  scores: readonly Score[],
  factors: readonly Factor[],
  name: string,
  { between, by, at = {}, interaction }: EffectOptions = {},
): Contrast[] {
  const factor = factorNamed(name, factors);
  const included = filtered(scores, factors, at).filter(({ levels }) => (levels[name] ?? null) !== null);
  const other = interaction === undefined ? undefined : factorNamed(interaction, factors);
  const several = varying(included, factors);
  const others = factors.filter((one) => one.name === "task" || several.includes(one))
    .filter((one) => one.name !== name && one !== other);
  by?.forEach((one) => factorNamed(one, factors));
  const [own, averaged] = [
    others.filter((one) => by?.includes(one.name) ?? true),
    others.filter((one) => !(by?.includes(one.name) ?? true)),
  ];
  const pairs = between === undefined
    ? pairsOf({
      name,
      levels: factor.levels.filter((level) => included.some(({ levels }) => levels[name] === level)),
    })
      .map(([a, b]) => ({
        difference: `${levelLabel(name, a)} − ${levelLabel(name, b)}`,
        of: [[a, b] as const],
      }))
    : [givenPairs(factor, between)];
  return groups(included, own).flatMap((group) => {
    const levels = pick(group[0]!.levels, own), where = labelOf(levels, own);
    return pairs.flatMap(({ difference, of }) => {
      // What is averaged over: the other factors' levels, and the pairs of levels that are compared.
      const contexts = groups(group, averaged).flatMap((scores) =>
        of.map(([a, b]) => ({
          levels: { ...pick(scores[0]!.levels, averaged), ...of.length > 1 && { [name]: `${a} − ${b}` } },
          terms: (
            weight: number,
          ): Term[] => [armOf(scores, name, a, weight), armOf(scores, name, b, -weight)],
          scores,
        }))
      );
      const common = { where, difference, levels };
      if (other) {
        const [first, ...rest] = other.levels.filter((level) =>
          group.some(({ levels }) => levels[other.name] === level)
        );
        return rest.map((level): Contrast => ({
          ...common,
          difference: `(${difference}) at ${levelLabel(other.name, level)} − at ${
            levelLabel(other.name, first!)
          }`,
          terms: groups(group, averaged).flatMap((scores) =>
            of.flatMap(([a, b]) => {
              const weight = 1 / contexts.length;
              const at = (level: Level) => scores.filter(({ levels }) => levels[other.name] === level);
              return [
                ...[armOf(at(level), name, a, weight), armOf(at(level), name, b, -weight)],
                ...[armOf(at(first!), name, a, -weight), armOf(at(first!), name, b, weight)],
              ];
            })
          ),
        }));
      }
      const complete = contexts.filter(({ terms }) => terms(1).every(({ scores }) => scores.length > 0));
      if (complete.length === 0) return [];
      checkUnits(complete.map(({ scores }) => scores[0]!.metric), name);
      const whole: Contrast = {
        ...common,
        terms: complete.flatMap(({ terms }) => terms(1 / complete.length)),
      };
      const single = complete.map((context): Contrast => ({
        ...common,
        where: [where, ...contextLabel(context.levels, name, averaged)].filter(Boolean).join(", "),
        difference: of.length > 1 ? context.levels[name] as string : difference,
        levels: { ...levels, ...context.levels },
        terms: context.terms(1),
      }));
      return contradicted(single) ? single : [whole];
    });
  });
}

function contextLabel(levels: Levels, name: string, averaged: readonly Factor[]): string[] {
  return [labelOf({ ...levels, [name]: null }, averaged)];
}

/** Whether effects that would be averaged have different signs, and differ significantly: then there is no main effect. */
function contradicted(effects: readonly Contrast[]): boolean {
  if (effects.length < 2) return false;
  const means = effects.map((effect) => rowsOf(effect)).map((rows) => rows ? crossedMean(rows).mean : 0);
  const [most, least] = [means.indexOf(Math.max(...means)), means.indexOf(Math.min(...means))];
  if (!(means[most]! > 0 && means[least]! < 0)) return false;
  const rows = rowsOf({
    terms: [
      ...effects[most]!.terms,
      ...effects[least]!.terms.map(({ scores, weight }) => ({ scores, weight: -weight })),
    ],
  });
  return rows !== undefined && pValue(crossedMean(rows)) < 0.05;
}

/** The scores of an arm. */
function armOf(scores: readonly Score[], name: string, level: Level, weight: number): Term {
  return { scores: scores.filter(({ levels }) => levels[name] === level), weight };
}

/** The pairs of levels that a caller compares. */
function givenPairs(factor: Factor, between: NonNullable<EffectOptions["between"]>) {
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
  const label = (levels: readonly Level[]) =>
    levels.map((level) => levelLabel(factor.name, level)).join(" and ");
  const side = (levels: readonly Level[]) => levels.length > 1 ? `(${label(levels)})` : label(levels);
  return { difference: `${side(a)} − ${side(b)}`, of: a.map((level, i) => [level, b[i]!] as const) };
}

/** The scores at some levels. */
export function filtered(
  scores: readonly Score[],
  factors: readonly Factor[],
  at: Readonly<Record<string, Level | readonly Level[]>>,
): Score[] {
  if (!isPlain(at)) {
    throw new InputError(`Cannot use at ${quoted(at)} as it must be an object of factors and their levels`);
  }
  return Object.entries(at).reduce((some, [name, level]) => {
    const factor = factorNamed(name, factors), levels = [level].flat() as Level[];
    levels.forEach((level) => checkLevel(factor, level));
    return some.filter(({ levels: own }) => levels.includes(own[name]!));
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

function checkLevel({ name, levels }: Factor, level: Level): void {
  if (levels.includes(level)) return;
  throw new InputError(`Cannot use level ${quoted(level)} of ${name} as its levels are ${levels.join(", ")}`);
}

function checkUnits(metrics: readonly Metric[], name: string): void {
  const units = [...new Set(metrics.map(({ unit }) => unit))];
  if (units.length < 2) return;
  throw new InputError(
    `Cannot average the effect of ${name} over ${
      units.join(" and ")
    }: add "task" to by, or choose tasks with at`,
  );
}

/** The runs of an arm that count: those that left chance, or all if none did. */
export function counted(scores: readonly Score[]): readonly Score[] {
  const free = scores.filter(({ stuck }) => !stuck);
  return free.length > 0 ? free : scores;
}

/**
 * A contrast by seed and cluster. Parts of the same examples are added; others stand side by side, scaled so that the
 * mean of all is the contrast, and shifted so that they vary within their examples only. Undefined if no seed is in all arms.
 */
function rowsOf({ terms }: Pick<Contrast, "terms">): number[][] | undefined {
  const arms = terms.map(({ scores, weight }) => ({
    weight,
    bySeed: new Map(counted(scores).map((score) => [score.seed, score])),
  }));
  const seeds = [...arms[0]?.bySeed.keys() ?? []].filter((seed) =>
    arms.every(({ bySeed }) => bySeed.has(seed))
  );
  if (seeds.length === 0) return undefined;
  const blocks = new Map<unknown, number[][]>(), single = seeds.map(() => 0);
  for (const { weight, bySeed } of arms) {
    seeds.forEach((seed, s) => {
      const { parts, pairing } = bySeed.get(seed)!;
      if (parts.length === 1) {
        single[s]! += weight * parts[0]!;
        return;
      }
      if (!blocks.has(pairing)) blocks.set(pairing, seeds.map(() => parts.map(() => 0)));
      const row = blocks.get(pairing)![s]!;
      parts.forEach((part, i) => row[i]! += weight * part);
    });
  }
  if (blocks.size === 0) return single.map((value) => [value]);
  const all = [...blocks.values()], total = all.reduce((sum, [row]) => sum + row!.length, 0);
  const means = all.map((block) => mean(block.map(mean))), sum = means.reduce((a, b) => a + b, 0);
  return seeds.map((_, s) =>
    all.flatMap((block, k) => {
      const scale = total / block[s]!.length;
      return block[s]!.map((part) => single[s]! + scale * (part - means[k]!) + sum);
    })
  );
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** What follows from contrasts, corrected for their number. Contrasts without a common seed are left out. */
export function effectsOf(contrasts: readonly Contrast[]): ArmEffect[] {
  const known = contrasts.flatMap((contrast) => {
    const rows = rowsOf(contrast);
    return rows ? [{ contrast, found: crossedMean(rows), metric: contrast.terms[0]!.scores[0]!.metric }] : [];
  });
  const areStuck = known.map(({ contrast: { terms } }) =>
    terms.every(({ scores }) => scores.every(({ stuck }) => stuck))
  );
  const p = holm(known.map(({ found }, i) => areStuck[i] || Number.isNaN(found.error) ? NaN : pValue(found)));
  const equal = holm(
    known.map(({ found, metric }, i) =>
      found.error > 0 && !areStuck[i] ? equivalenceP(found, metric.margin) : NaN
    ),
  );
  const [wheres, differences] = (["where", "difference"] as const).map((part) =>
    new Set(known.map(({ contrast }) => contrast[part])).size
  );
  return known.map(({ contrast: { where, difference, levels }, found, metric }, i): ArmEffect => {
    const { unit, scale, whole, margin } = metric;
    const most = scale === "amount" ? Infinity : scale === "share" ? whole : 2 * whole;
    const [low, high] = intervalOf(found).map((bound) => Math.max(-most, Math.min(most, bound)));
    const label = differences === 1
      ? where || difference
      : wheres === 1
      ? difference
      : `${where}: ${difference}`;
    return {
      ...{ where, difference, label, levels, unit, n: found.seeds, clusters: found.clusters },
      ...{ mean: found.mean, low: low!, high: high!, p: p[i]!, detectable: detectable(found) },
      finding: areStuck[i] ? "no arm left chance" : findingOf(found, p[i]!, equal[i]!, margin),
    };
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
export function sentenceOf(effect: ArmEffect): string {
  const { where, difference, mean, unit, n, clusters, p, finding, detectable } = effect;
  const seeds = `${n} seed${n === 1 ? "" : "s"}${
    n > 1 && clusters === 1 ? " without the examples' noise" : ""
  }`;
  const evidence = Number.isNaN(p) ? "" : `, p ${p < 0.001 ? "< 0.001" : `= ${formatP(p)}`}`;
  const power = finding === "not significant" && !Number.isNaN(p)
    ? `; 80 % power needs ±${rounded(detectable, detectable / 2)}`
    : "";
  return `${where ? `${where}: ` : ""}${difference} = ${mean > 0 ? "+" : ""}${
    formatEstimate(effect)
  } ${unit}, ${seeds}: ${finding}${evidence}${power}`;
}

/** A p-value with two significant digits. */
export function formatP(p: number): string {
  return p < 0.001 ? "<0.001" : String(Number(p.toPrecision(2)));
}

/** The mean of an arm over seeds and examples, without its stuck runs; its interval stays within the metric's values. */
export function armMean(scores: readonly Score[]): Estimate {
  const free = counted(scores), { scale, whole } = free[0]!.metric;
  const found = crossedMean(free.map(({ parts }) => parts)), share = found.mean / whole;
  const isWhole = scale === "share" && found.error === 0 && (share === 0 || share === 1); // All are right, or wrong.
  const [low, high] = isWhole
    ? clopperPearson(share * found.clusters, found.clusters)
    : intervalOf({ ...found, mean: share, error: found.error / whole }, scale);
  return { n: free.length, mean: found.mean, low: whole * low, high: whole * high };
}

/** How many of an arm's runs are stuck, with an exact interval: `2 of 5 [5, 85] %`. */
export function stuckShare(scores: readonly Pick<Score, "stuck">[]): string {
  const stuck = scores.filter(({ stuck }) => stuck).length;
  const [low, high] = clopperPearson(stuck, scores.length).map((bound) => Math.round(100 * bound));
  return `${stuck} of ${scores.length} [${low}, ${high}] %`;
}
