import { InputError } from "../errors.ts";
import { type SchemaOf, value, whole } from "../settings.ts";
import {
  areStuck,
  armMean,
  checkAveraged,
  checkLevel,
  contextsOf,
  contrastsOf,
  counted,
  differenceLabel,
  type EffectOptions,
  effectSettings,
  effectsOf,
  type Factor,
  factorLabel,
  factorNamed,
  filtered,
  groups,
  isLearned,
  labelOf,
  levelLabel,
  pick,
  type Score,
  TEXT,
  varying,
  whereOf,
} from "./effects.ts";
import type { Level, Levels } from "./factors.ts";
import type { Pretrained, StudyRun } from "./rows.ts";
import { difference, type Estimate, estimate } from "./statistics.ts";
import type { Tried } from "./tuning.ts";

/** Options of a study's curves. */
export interface ArmCurveOptions extends Pick<EffectOptions, "by" | "at"> {
  /** A level, whose score is subtracted, seed by seed. Default: none. */
  readonly minus?: Level;
}

/** Options of a study's curves by position. */
export interface PositionOptions extends Pick<ArmCurveOptions, "at" | "minus"> {
  /** Number of groups of positions. Default: 16. */
  readonly bins?: number;
}

/** Options of a study's training losses. */
export type LossOptions = Pick<ArmCurveOptions, "at" | "minus">;

const bins = { ...whole({ from: 1, to: 2 ** 16 }), about: "number of groups of positions", default: 16 };
const minus = {
  ...value("a level", (_: unknown): _ is Level => true),
  about: "a level, whose score is subtracted",
  otherwise: "none",
};

/** The settings of {@linkcode ArmCurveOptions}, {@linkcode PositionOptions} and {@linkcode LossOptions}. */
export const armCurveSettings = { by: effectSettings.by, at: effectSettings.at, minus } satisfies SchemaOf<
  ArmCurveOptions
>;
export const tunedCurveSettings = { at: effectSettings.at };
export const lossSettings = { at: effectSettings.at, minus } satisfies SchemaOf<LossOptions>;
export const positionSettings = { ...lossSettings, bins } satisfies SchemaOf<PositionOptions>;

/** A line of a figure, with 95 % intervals. */
export interface ArmCurve {
  /** Its label: the levels in which it differs from others. */
  readonly name: string;
  /** These levels. */
  readonly levels: Levels;
  /** The factor's levels, or their numbers from 0 if they are names. */
  readonly x: readonly number[];
  /** Scores, or differences. */
  readonly y: readonly Estimate[];
}

/** Score against a factor's levels, or its difference from that of one level. */
export function curvesOf(
  scores: readonly Score[],
  factors: readonly Factor[],
  name: string,
  { by, at = {}, minus }: ArmCurveOptions,
): ArmCurve[] {
  const factor = factorNamed(name, factors);
  by?.forEach((one) => factorNamed(one, factors));
  const included = filtered(scores, factors, at).filter(({ levels }) => (levels[name] ?? null) !== null);
  const others = varying(included, factors).filter((other) => other.name !== name);
  const own = others.filter((other) => by?.includes(other.name) ?? true);
  const averaged = others.filter((other) => !own.includes(other));
  return contextsOf(included, own).map(({ levels: fixed, scores }): ArmCurve => {
    const { group, where } = ofAllLevels(scores, factor, averaged);
    const points = factor.levels.filter((level) => level !== minus).flatMap((level, i) => {
      const runs = group.filter(({ levels }) => levels[name] === level);
      if (runs.length === 0) return [];
      const differences = minus === undefined
        ? []
        : contrastsOf(group, factors, name, { between: [level, minus], by: [], isMean: true });
      const y = minus === undefined
        ? armMean(runs, averaged)
        : effectsOf(differences.filter(({ terms }) => isLearned(terms)))[0];
      return y === undefined || Number.isNaN(y.mean) ? [] : [{ x: xOf(level, i), y }];
    });
    return {
      name: [labelOf(fixed, own) || factorLabel(name), where].filter(Boolean).join(", "),
      levels: fixed,
      x: points.map(({ x }) => x),
      y: points.map(({ y }) => y),
    };
  });
}

/**
 * The scores of those combinations of some factors' levels that exist at all levels of another, and their names if they
 * are not all: a line over means of other arms at each of its points would be of the arms, not of the factor.
 */
function ofAllLevels(
  scores: readonly Score[],
  { name, levels }: Factor,
  averaged: readonly Factor[],
): { readonly group: readonly Score[]; readonly where: string } {
  const present = levels.filter((level) => scores.some(({ levels }) => levels[name] === level));
  const all = contextsOf(scores, averaged);
  checkAveraged(all.map(({ scores }) => scores), "an arm");
  const whole = all.filter(({ scores }) =>
    present.every((level) => scores.some(({ levels }) => levels[name] === level))
  );
  if (whole.length === all.length) return { group: scores, where: "" };
  if (whole.length > 0) {
    const group = [...new Set(whole.flatMap(({ scores }) => scores))]; // Some belong to several combinations.
    return { group, where: whereOf(whole, averaged).where };
  }
  const others = averaged.map(({ name }) => name).join(" and ");
  throw new InputError(
    `Cannot average a line over ${others} as no arm has all levels of ${name} (${
      present.join(", ")
    }): add them to by, or choose levels with at`,
  );
}

/** A level on a horizontal axis: itself, or its place among others. */
const xOf = (level: Level, place: number): number => typeof level === "number" ? level : place;

/** Mean validation score against a setting that was tuned, the best over the others. */
export function tunedCurves(
  tried: readonly Tried[],
  path: string,
  factors: readonly Factor[],
  { at = {} }: Pick<ArmCurveOptions, "at">,
): ArmCurve[] {
  const known = tried.filter(({ settings }) => path in settings)
    .map((one) => ({ ...one, levels: { task: one.task ?? TEXT, ...one.levels } as Levels }));
  const scored = filtered(known, factors, at);
  const own = varying(scored, factors);
  return groups(scored, own).map((group): ArmCurve => {
    const isText = group[0]!.levels["task"] === TEXT, unit = isText ? 1 : 100;
    const values = [...new Set(group.map(({ settings }) => settings[path]!))];
    const points = values.flatMap((value, i) => {
      const found = group.filter(({ settings, scores }) =>
        settings[path] === value && scores.length > 0 && scores.every(Number.isFinite) // A diverged run is no point.
      ).map(({ scores }) => estimate(scores.map((score) => unit * score)));
      if (found.length === 0) return [];
      const y = found.reduce((one, other) => (other.mean > one.mean) === isText ? one : other);
      return [{ x: xOf(value, i), y: { ...y, low: NaN, high: NaN } }]; // A few seeds choose, they do not measure.
    });
    return {
      name: labelOf(group[0]!.levels, own) || (isText ? TEXT : group[0]!.task!),
      levels: pick(group[0]!.levels, own),
      x: points.map(({ x }) => x),
      y: points.map(({ y }) => y),
    };
  });
}

/** Loss by position in the window. */
export function positionCurves(
  pretrained: readonly Pretrained[],
  factors: readonly Factor[],
  name: string,
  { at = {}, minus, bins = 16 }: PositionOptions,
): ArmCurve[] {
  const factor = factorNamed(name, factors);
  const runs = filtered(pretrained, factors, at).filter(({ byPosition }) => byPosition);
  const lengths = runs.map(({ byPosition }) => byPosition!.length);
  // Differences are of the positions that all have.
  const positions = minus === undefined ? Math.max(1, ...lengths) : Math.min(...lengths);
  const width = Math.ceil(positions / bins);
  const seriesOf = ({ byPosition }: Pretrained): Series => {
    const values = byPosition!.slice(0, positions);
    const count = Math.ceil(values.length / width);
    return {
      every: width,
      values: Array.from(
        { length: count },
        (_, i) => estimate(values.slice(i * width, (i + 1) * width)).mean,
      ),
    };
  };
  return seriesCurves(runs, seriesOf, factor, factors, minus);
}

/** Training loss of runs by number of updates. */
export function lossCurves(
  scored: readonly (StudyRun & { readonly stuck: boolean })[],
  factors: readonly Factor[],
  name: string,
  { at = {}, minus }: LossOptions,
): ArmCurve[] {
  const factor = factorNamed(name, factors);
  const runs = filtered(scored, factors, at).filter(({ losses }) => losses);
  const seriesOf = ({ losses }: StudyRun): Series => {
    const { every, updates, means } = losses!;
    return { every, values: means.slice(0, Math.floor(updates / every)) }; // Without a shorter block at the end.
  };
  return seriesCurves(runs, seriesOf, factor, factors, minus);
}

/** Values along a run, each of a group of so many positions or updates. */
interface Series {
  readonly every: number;
  readonly values: readonly number[];
}

/** A line for each level of a factor, or its difference from one of them, at each combination of the other factors. */
function seriesCurves<
  Run extends { readonly levels: Levels; readonly seed: number; readonly stuck: boolean },
>(
  runs: readonly Run[],
  seriesOf: (run: Run) => Series,
  factor: Factor,
  factors: readonly Factor[],
  minus: Level | undefined,
): ArmCurve[] {
  const { name, levels } = factor;
  if (minus !== undefined) checkLevel(factor, minus);
  const others = varying(runs, factors).filter((other) => other.name !== name);
  return contextsOf(runs, others).flatMap(({ levels: fixed, scores: group }) => {
    const bySeed = (level: Level) => {
      const own = counted(group.filter((run) => run.levels[name] === level));
      return new Map(own.map((run) => [run.seed, seriesOf(run)]));
    };
    const armAt = (level: Level) => ({ scores: group.filter(({ levels }) => levels[name] === level) });
    const reference = minus === undefined ? undefined : bySeed(minus);
    return levels.filter((level) => level !== minus).flatMap((level): ArmCurve[] => {
      const both = reference ? [armAt(level), armAt(minus!)] : [];
      if (!isLearned(both) && !areStuck(both)) return []; // Their other runs do not compare: an effect is void, too.
      const own = bySeed(level), seeds = [...own.keys()].filter((seed) => reference?.has(seed) ?? true);
      if (seeds.length === 0) return [];
      const all = seeds.flatMap((seed) => [own.get(seed)!, ...reference ? [reference.get(seed)!] : []]);
      const { every } = all[0]!, longer = all.find((one) => one.every !== every);
      if (longer) {
        throw new InputError(
          `Cannot compare runs of different lengths as their losses are means over ${every} and ${longer.every} ` +
            "updates: those of one length, chosen with at, can be compared",
        );
      }
      const places = Array.from({ length: Math.min(...all.map(({ values }) => values.length)) }, (_, i) => i);
      const valuesAt = (of: ReadonlyMap<number, Series>, i: number) =>
        seeds.map((seed) => of.get(seed)!.values[i]!);
      return [{
        name: [
          minus === undefined ? levelLabel(name, level) : differenceLabel(name, [[level, minus]]),
          labelOf(fixed, others),
        ].filter(Boolean).join(", "),
        levels: { [name]: level, ...fixed },
        x: places.map((i) => (i + 0.5) * every),
        y: places.map((i) =>
          reference ? difference(valuesAt(own, i), valuesAt(reference, i)) : estimate(valuesAt(own, i))
        ),
      }];
    });
  });
}
