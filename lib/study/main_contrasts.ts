import { InputError, quoted } from "../errors.ts";
import { isPlain, type Kind, unknown, value } from "../settings.ts";
import {
  type ArmEffect,
  type Contrast,
  displayed,
  effectsOf,
  type Factor,
  hasSeeds,
  labelOf,
  levelLabel,
  type Score,
} from "./effects.ts";
import type { Level, Levels } from "./factors.ts";

/**
 * A difference that a study is made to measure: of two arms, or with `interaction` how it differs between two levels of
 * another factor, which `at` names: at the second of them − at the first.
 */
export interface MainContrast {
  /** The factor whose levels are compared. */
  readonly factor: string;
  /** Two levels, the second subtracted from the first. */
  readonly between: readonly Level[];
  /** The levels of all other factors that have several. */
  readonly at?: Readonly<Record<string, Level | readonly Level[]>>;
  /** A factor of which `at` names two levels. Default: none. */
  readonly interaction?: string;
}

/** Main contrasts by name. */
export type MainContrasts = Readonly<Record<string, MainContrast>>;

/** The difference of a main contrast. */
export interface MainEffect extends ArmEffect {
  /** Its name in the study's settings. */
  readonly name: string;
}

/** Most of a study: each takes some milliseconds, and a file may come from anyone. */
const MOST = 200;

const isLevel = (value: unknown): value is Level => ["string", "number", "boolean"].includes(typeof value);
const isPair = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && isLevel(value[0]) && isLevel(value[1]);

/** What the fields of a main contrast accept. */
const fields: Readonly<Record<keyof MainContrast, (value: unknown) => boolean>> = {
  factor: (value) => typeof value === "string",
  between: isPair,
  at: (value) => isPlain(value) && Object.values(value).every((one) => isLevel(one) || isPair(one)),
  interaction: (value) => typeof value === "string",
};

const isContrast = (value: unknown): value is MainContrast =>
  isPlain(value) && value["factor"] !== undefined && value["between"] !== undefined &&
  Object.entries(value).every(([name, one]) =>
    Object.hasOwn(fields, name) && fields[name as keyof MainContrast](one)
  );

/** The kind of the setting. */
export const mainContrastsKind: Kind<MainContrasts> = value(
  'an object of names and contrasts, such as { "P1": { "factor": "lambda", "between": [0.5, 0], "at": { "task": "imdb" } } }',
  (value): value is MainContrasts =>
    isPlain(value) && Object.keys(value).length <= MOST && Object.values(value).every(isContrast) &&
    Object.keys(value).every((name) => /^[\w-]{1,40}$/.test(name)),
);

/** Whether the levels of a factor make a difference to the scores of a task, or of the held-out text. */
export type Matters = (factor: string, task: Level) => boolean;

/**
 * Main contrasts with the names of factors and levels as the study has them, where each is one difference between arms.
 *
 * @throws {InputError} If one has factors or levels that the study has not, or leaves open which arms it compares.
 */
export function settleMainContrasts(
  asked: MainContrasts,
  factors: readonly Factor[],
  matters: Matters,
): MainContrasts {
  return Object.fromEntries(
    Object.entries(asked).map(([name, contrast]) => [name, settled(name, contrast, factors, matters)]),
  );
}

function settled(
  label: string,
  { factor: name, between: pair, at = {}, interaction: other }: MainContrast,
  factors: readonly Factor[],
  matters: Matters,
): MainContrast {
  const refuse = (why: string): never => {
    throw new InputError(
      `Cannot use main contrast ${
        quoted(label)
      } as ${why}; a study of other arms needs others, or no mainContrasts`,
    );
  };
  const factorOf = (name: string): Factor =>
    factors.find((one) => one.name === name || one.name === `preset.${name}`) ??
      refuse(unknown("factor", name, factors.map(({ name }) => name)));
  const levelOf = ({ name, levels }: Factor, level: Level): Level =>
    levels.includes(level)
      ? level
      : (level === "all" || level === "Infinity") && levels.includes(Infinity)
      ? Infinity
      : refuse(`${quoted(level)} is no level of ${name}: its levels are ${levels.join(", ")}`);
  const pairOf = (factor: Factor, [one, two]: readonly Level[]) => {
    const levels = [levelOf(factor, one!), levelOf(factor, two!)] as const;
    return levels[0] === levels[1]
      ? refuse(`both levels of ${factor.name} are ${quoted(levels[0])}`)
      : levels;
  };
  const factor = factorOf(name), between = pairOf(factor, pair);
  const interaction = other === undefined ? undefined : factorOf(other);
  const fixed = Object.fromEntries(
    Object.entries(at).map(([name, level]) => {
      const own = factorOf(name);
      if (!Array.isArray(level)) return [own.name, levelOf(own, level as Level)];
      return own === interaction
        ? [own.name, pairOf(own, level)]
        : refuse(`it has two levels of ${own.name}, which is not its interaction`);
    }),
  );
  const [tasks] = factors, task = fixed["task"] ?? tasks!.levels[0]!;
  if (factor === tasks || interaction === tasks) refuse("tasks have measures of their own: name one in at");
  if (interaction && !Array.isArray(fixed[interaction.name])) {
    refuse(`at must have two levels of ${interaction.name}, the first of which is subtracted`);
  }
  if (factor === interaction || factor.name in fixed) refuse(`it has ${factor.name} twice`);
  const idle = [factor, interaction].find((one) => one && !matters(one.name, task as Level));
  if (idle) refuse(`${idle.name} makes no difference to ${task}`);
  const open = factors.find((one) =>
    one.levels.length > 1 && one !== factor && !(one.name in fixed) &&
    (one === tasks || matters(one.name, task as Level))
  );
  if (open) refuse(`at must say which level of ${open.name} it is at: ${open.levels.join(", ")}`);
  return {
    ...{ factor: factor.name, between },
    ...Object.keys(fixed).length > 0 && { at: fixed },
    ...interaction && { interaction: interaction.name },
  };
}

/** The contrast of its arms; undefined if one of them has no runs. */
function contrastOf(
  { factor, between, at = {}, interaction }: MainContrast,
  scores: readonly Score[],
  factors: readonly Factor[],
): Contrast | undefined {
  const fixed = Object.entries(at).filter(([name]) => name !== interaction) as [string, Level][];
  const armOf = (levels: Levels) => {
    const all = [...fixed, ...Object.entries(levels)];
    return scores.filter((score) =>
      // What makes no difference to a run is null: it is at all levels.
      all.every(([name, level]) => (score.levels[name] ?? null) === null || score.levels[name] === level)
    );
  };
  const pairAt = (levels: Levels, sign: number) =>
    between.map((level, i) => ({
      scores: armOf({ ...levels, [factor]: level }),
      weight: i === 0 ? sign : -sign,
    }));
  const [first, second] = interaction === undefined ? [] : at[interaction] as readonly [Level, Level];
  const terms = interaction === undefined
    ? pairAt({}, 1)
    : [...pairAt({ [interaction]: second! }, 1), ...pairAt({ [interaction]: first! }, -1)];
  if (terms.some(({ scores }) => scores.length === 0)) return undefined;
  const levels: Levels = { task: terms[0]!.scores[0]!.levels["task"]!, ...Object.fromEntries(fixed) };
  const difference = between.map((level) => levelLabel(factor, level)).join(" − ");
  return {
    ...{ where: labelOf(levels, factors), levels, terms },
    difference: interaction === undefined
      ? difference
      : `(${difference}) at ${levelLabel(interaction, second!)} − at ${levelLabel(interaction, first!)}`,
  };
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
  const all = Object.entries(asked);
  const made = all.flatMap(([name, contrast]) => {
    const found = contrastOf(contrast, scores, factors);
    return found && hasSeeds(found) ? [{ name, contrast: found }] : [];
  });
  const contrasts = made.map(({ contrast }) => contrast);
  return {
    contrasts,
    effects: displayed(
      effectsOf(contrasts, all.length).map((effect, i) => ({ name: made[i]!.name, ...effect })),
    ),
  };
}

/** What tells contrasts apart: the arms that they compare, in either direction. */
export function comparedArms({ terms }: Contrast): string {
  const arms = terms.map(({ scores, weight }) => ({ arm: JSON.stringify(scores[0]!.levels), weight }))
    .sort((a, b) => a.arm < b.arm ? -1 : 1);
  const sign = Math.sign(arms[0]!.weight);
  return JSON.stringify(arms.map(({ arm, weight }) => [arm, sign * weight]));
}
