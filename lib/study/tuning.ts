import type { Level, Levels } from "./factors.ts";
import { type Choice, type Chosen, isPretraining, type Plan, plannerOf, type Run } from "./plan.ts";
import { stored } from "../train/mod.ts";
import { finetunedRows, pretrainedRows } from "./rows.ts";
import type { StudySettings } from "./settings.ts";

/** Settings that tuning tried for an arm, and how they scored on validation. */
export interface Tried {
  /** A task's name; absent for pre-training. */
  readonly task?: string;
  /** The levels of the arm, or that the arms which share the choice have in common. */
  readonly levels: Levels;
  /** The settings, by path. */
  readonly settings: Readonly<Record<string, Level>>;
  /** Validation score of each run: the task's metric, or bits per character. */
  readonly scores: readonly number[];
  /** Their mean; infinite if a run diverged. */
  readonly mean: number;
  /** How many of the runs did not leave chance on validation; of pre-training, and in studies of earlier versions, unknown. */
  readonly stuck?: number;
  /** Whether they were chosen. */
  readonly isChosen: boolean;
}

/** Plans a study as far as the stored results of its tuning allow. */
export async function planOf(study: StudySettings): Promise<Plan> {
  return await currentPlan(await plannerOf(study));
}

/** Plans a study whose data is loaded: what tuning has found out decides which runs follow. */
export async function currentPlan(planner: (chosen: Chosen) => Plan): Promise<Plan> {
  for (let chosen: Chosen = new Map();;) {
    const plan = planner(chosen);
    const known = new Map(chosen);
    for (const choice of plan.choices) {
      const tried = chosen.has(choice.id) ? undefined : await triedFor(choice, plan);
      const best = tried?.find(({ isChosen }) => isChosen);
      if (best) known.set(choice.id, best.settings);
    }
    if (known.size === chosen.size) return plan;
    chosen = known;
  }
}

/** What tuning has tried so far. */
export async function triedOf(plan: Plan): Promise<Tried[]> {
  const all = await Promise.all(plan.choices.map((choice) => triedFor(choice, plan)));
  return all.flatMap((tried) => tried ?? []);
}

/** Validation scores that differ less count as equal: more than that is not known from a few seeds. */
const TIE = { bits: 0.002, share: 0.005 };

/** The settings of a choice and their scores, the first of the best of which is chosen; undefined if a run is missing. */
async function triedFor(choice: Choice, plan: Plan): Promise<Tried[] | undefined> {
  const found = await Promise.all(
    choice.runs.map((runs) => Promise.all(runs.map((run) => validationOf(run, plan)))),
  );
  const scores = found.map((some) => some.map(({ score }) => score));
  if (scores.flat().includes(undefined)) return undefined;
  const sign = choice.task === undefined ? -1 : 1; // Fewer bits are better.
  const means = scores.map((some) => some.reduce<number>((sum, score) => sum + score!, 0) / some.length);
  const signed = means.map((mean) => sign * mean);
  const least = Math.max(...signed) - (choice.task === undefined ? TIE.bits : TIE.share);
  const best = signed.findIndex((mean) => mean >= least);
  const { task, levels, candidates } = choice;
  return candidates.map((settings, i): Tried => ({
    ...task !== undefined && { task },
    ...{ levels, settings, scores: scores[i] as number[], mean: means[i]! },
    ...task !== undefined && { stuck: found[i]!.filter(({ stuck }) => stuck).length },
    isChosen: i === best,
  }));
}

/** What a run of tuning has on validation; one that diverged is worse than any other. */
async function validationOf(
  run: Run,
  plan: Plan,
): Promise<{ readonly score: number | undefined; readonly stuck?: boolean }> {
  const found = await stored<{ readonly diverged?: unknown }>(run.result, run.key);
  if (Object(found?.result).diverged === true) return { score: isPretraining(run) ? Infinity : -Infinity };
  if (isPretraining(run)) {
    const [row] = await pretrainedRows(run, plan, []);
    return { score: row?.heldout?.bitsPerCharacter ?? row?.masked };
  }
  const [row] = await finetunedRows(run, plan);
  return { score: row?.value, ...row && { stuck: row.stuck } };
}
