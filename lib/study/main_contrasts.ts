import { InputError, quoted } from "../errors.ts";
import { isPlain, type Kind, value } from "../settings.ts";
import {
  type ArmEffect,
  type Contrast,
  contrastsOf,
  type EffectOptions,
  effectsOf,
  type Factor,
  hasSeeds,
  labelled,
  labelOf,
  type Score,
} from "./effects.ts";
import type { Level } from "./factors.ts";

/** A difference that a study is made to measure, as `study.effect(factor, options)` has it: one, not several. */
export interface MainContrast extends EffectOptions {
  /** The factor whose levels are compared. */
  readonly factor: string;
}

/** Main contrasts by name. */
export type MainContrasts = Readonly<Record<string, MainContrast>>;

/** The difference of a main contrast. */
export interface MainEffect extends ArmEffect {
  /** Its name in the study's settings. */
  readonly name: string;
}

const isLevel = (value: unknown): value is Level => ["string", "number", "boolean"].includes(typeof value);
const isLevels = (value: unknown): boolean => Array.isArray(value) ? value.every(isLevel) : isLevel(value);

/** What the fields of a main contrast accept. */
const fields: Readonly<Record<keyof MainContrast, (value: unknown) => boolean>> = {
  factor: (value) => typeof value === "string",
  between: (value) => Array.isArray(value) && value.length === 2 && value.every(isLevels),
  by: (value) => Array.isArray(value) && value.every((name) => typeof name === "string"),
  at: (value) => isPlain(value) && Object.values(value).every(isLevels),
  interaction: (value) => typeof value === "string",
};

const isContrast = (value: unknown): value is MainContrast =>
  isPlain(value) && value["factor"] !== undefined &&
  Object.entries(value).every(([name, one]) =>
    Object.hasOwn(fields, name) && fields[name as keyof MainContrast](one)
  );

/** The kind of the setting. */
export const mainContrastsKind: Kind<MainContrasts> = value(
  'an object of names and contrasts, such as { "P1": { "factor": "positions", "between": ["learned", "sinusoidal"] } }',
  (value): value is MainContrasts =>
    isPlain(value) && Object.keys(value).length > 0 && Object.values(value).every(isContrast) &&
    Object.keys(value).every((name) => /^[\w-]{1,40}$/.test(name)),
);

/** The contrast of each name; undefined if no runs have one of its arms. */
function contrastOf(
  name: string,
  { factor, ...options }: MainContrast,
  scores: readonly Score[],
  factors: readonly Factor[],
): Contrast | undefined {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot use main contrast ${quoted(name)} as ${why}`);
  };
  let found: Contrast[] = [];
  try {
    found = contrastsOf(scores, withTasks(factors, options.at), factor, { ...options, isMean: true });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    refuse(error.message.replace(/^Cannot (\w+) /, "one cannot $1 "));
  }
  if (found.length > 1) {
    refuse(`it is ${found.length} differences: choose one by at and between, or average them by an empty by`);
  }
  return found[0];
}

/** Factors with the tasks that a contrast names, of which no run may be finished. */
function withTasks(factors: readonly Factor[], { task }: NonNullable<EffectOptions["at"]> = {}): Factor[] {
  return factors.map((factor) =>
    factor.name === "task" && task !== undefined
      ? { ...factor, levels: [...new Set([...factor.levels, ...[task].flat() as Level[]])] }
      : factor
  );
}

/**
 * Checks that each main contrast is one difference between arms of a study.
 *
 * @param scores A score of each arm.
 * @throws {InputError} If one is none or several, or has factors or levels that the study has not.
 */
export function checkMainContrasts(
  asked: MainContrasts,
  scores: readonly Score[],
  factors: readonly Factor[],
): void {
  for (const [name, contrast] of Object.entries(asked)) {
    if (contrastOf(name, contrast, scores, factors)) continue;
    throw new InputError(`Cannot use main contrast ${quoted(name)} as the study has no arms that differ so`);
  }
}

/**
 * The differences of main contrasts, corrected for the number of all of them, whether or not their runs exist and left
 * chance. Those without runs are left out.
 */
export function mainEffectsOf(
  asked: MainContrasts,
  scores: readonly Score[],
  factors: readonly Factor[],
): { readonly effects: readonly MainEffect[]; readonly contrasts: readonly Contrast[] } {
  const all = Object.entries(asked), own = labelled(scores, factors);
  const made = all.flatMap(([name, contrast]) => {
    const found = contrastOf(name, contrast, scores, factors);
    return found && hasSeeds(found) ? [{ name, contrast: { ...found, where: whereOf(found, own) } }] : [];
  });
  const contrasts = made.map(({ contrast }) => contrast);
  return {
    contrasts,
    effects: effectsOf(contrasts, all.length).map((effect, i) => ({ name: made[i]!.name, ...effect })),
  };
}

/** The levels that all arms of a contrast share: other main contrasts may have others. */
function whereOf({ terms }: Contrast, factors: readonly Factor[]): string {
  const [first, ...others] = terms.map(({ scores }) => scores[0]!.levels);
  const shared = factors.filter(({ name }) => others.every((levels) => levels[name] === first![name]));
  return labelOf(first!, shared);
}

/** What tells contrasts apart: the arms that they compare, in either direction. */
export function comparedArms({ terms }: Contrast): string {
  const arms = terms.map(({ scores, weight }) => ({ arm: JSON.stringify(scores[0]!.levels), weight }))
    .sort((a, b) => a.arm < b.arm ? -1 : 1);
  const sign = Math.sign(arms[0]!.weight);
  return JSON.stringify(arms.map(({ arm, weight }) => [arm, sign * weight]));
}
