import { checkWritable, writeWhole } from "../files.ts";
import { ngramBaselines, type Training, training, type TrainingRecord } from "../train/mod.ts";
import { type ArmStep, type Finetuned, type Pretrained, runArm } from "./arm.ts";
import { type Plan, planOf, runsOf } from "./plan.ts";
import { settleStudy, studies, type StudyOptions, type StudySettings } from "./settings.ts";
import { store, stored } from "./store.ts";
import { report, type Study, studyJson, studyOf } from "./tables.ts";
import { sideBySide } from "./workers.ts";

/** How far a study is. */
export interface StudyRecord {
  /** The run that made the update. */
  readonly run: string;
  /** Runs whose updates are all made, those found in the folder included. */
  readonly finished: number;
  /** Runs of the study. */
  readonly runs: number;
  /** Share of the study's work that is done, from 0 to 1. */
  readonly done: number;
  /** Seconds that the rest will take at the pace so far; not a number before there is one. */
  readonly left: number;
  /** The update just made. */
  readonly record: TrainingRecord;
}

/** Work of a study, as {@linkcode Planned} measures it, which is done before other processes have read the data. */
const WORTH_A_PROCESS = 1e11;

/**
 * The ablation that the paper left out: every position kind × every λ × every task, each with the same seeds.
 * Arms of one seed share initialisation, data order and dropout masks, so that their differences are paired.
 * Each run's result is a file of its own: a study that was stopped goes on where it stood.
 *
 * Iterate it for its progress, or await it for the study.
 *
 * @throws {InputError} If an option is unknown or out of its range, or the folder cannot be written to.
 *
 * @example
 * ```ts ignore
 * import { ablate } from "../mod.ts";
 *
 * const study = await ablate({ positions: ["learned", "sinusoidal"], lambda: [0, 0.5], tasks: ["imdb"], seeds: 3 });
 * study.table.print();
 * console.log(study.findings.join("\n"));
 * ```
 */
export function ablate(options: StudyOptions = {}): Training<Study, StudyRecord> {
  const { signal, workers, ...study } = settleStudy(studies.ablate, options);

  return training(async function* (): AsyncGenerator<StudyRecord, Study> {
    await checkWritable(`${study.folder}/study.json`);
    const begin = performance.now();
    const plan = await planOf(study);
    const runs = plan.arms.flatMap(runsOf);
    const cost = new Map(runs.map(({ name, cost }) => [name, cost]));
    const done = new Map<string, number>();
    for (const { name, path, settings } of runs) {
      if (await stored(`${path}.json`, settings)) done.set(name, 1);
    }
    const open = plan.arms.filter((arm) => runsOf(arm).some(({ name }) => !done.has(name)));

    const all = [...cost.values()].reduce((a, b) => a + b, 0);
    const work = () => [...done].reduce((sum, [name, share]) => sum + share * cost.get(name)!, 0);
    let pace: { begin: number; work: number } | undefined; // Since the first update: reading is not part of it.
    const maySpawn = Deno.permissions.querySync({ name: "run" }).state === "granted";
    const beside = workers ?? (all > WORTH_A_PROCESS ? navigator.hardwareConcurrency : 1);
    const steps = beside > 1 && open.length > 0 && maySpawn
      ? sideBySide(study, open.map((arm) => plan.arms.indexOf(arm)), beside, signal)
      : oneByOne(plan, open, study, signal);
    const failures: string[] = [];
    for await (const step of steps) {
      if ("failure" in step) {
        failures.push(step.failure);
        continue;
      }
      const { run, share, record } = step;
      if (!done.has(run)) {
        // A run's first step tells how much of it was there before.
        const before = share - 1 / record.updates;
        if (pace) pace.work += before * cost.get(run)!;
      }
      done.set(run, share);
      const now = work();
      pace ??= { begin: performance.now(), work: now };
      const left = (performance.now() - pace.begin) / 1e3 / (now - pace.work) * (all - now);
      const finished = [...done.values()].filter((share) => share === 1).length;
      yield { run, finished, runs: runs.length, done: now / all, left, record };
    }

    const found = async <Result>(
      runs: readonly { path: string; settings: Readonly<Record<string, unknown>> }[],
    ) =>
      (await Promise.all(runs.map(({ path, settings }) => stored<Result>(`${path}.json`, settings))))
        .flatMap((entry) => entry ? [entry.result] : []);
    const pretrained = await found<Pretrained>(plan.arms.flatMap(({ pretrain }) => pretrain ?? []));
    const finetuned = await found<Finetuned>(plan.arms.flatMap(({ finetune }) => finetune));
    const { books, tokenizer } = plan;
    const baselines = books &&
      ngramBaselines(books.train, books.heldout, tokenizer, study.preset.context, study.heldoutWindows);
    const complete = pretrained.length + finetuned.length === runs.length;
    const result = studyOf(pretrained, finetuned, baselines, complete, failures);
    const { folder: _, saveEvery: __, ...settings } = study; // Results do not depend on these.
    const names = (tasks: Plan["tasks"]) => tasks.map(({ name }) => name);
    const asked = {
      ...settings,
      corpus: books?.name,
      tasks: names(plan.tasks),
      ...study.zeroShot && { zeroShot: names(plan.zeroShot) },
    };
    const path = `${study.folder}/study.json`, tables = studyJson(result);
    const before = await stored(path, asked).catch(() => undefined); // Of other settings.
    if (JSON.stringify(before?.result) !== JSON.stringify(tables)) {
      await store(path, asked, tables, (performance.now() - begin) / 1e3);
      await writeWhole(`${study.folder}/report.md`, [report(result)]);
    }
    return result;
  }());
}

/**
 * GPT-1 beside other language models of its size (Table 5, and beyond): a pre-LN block as in GPT-2, an encoder with
 * BERT's objective, the paper's LSTM; all under the same loop, tasks, seeds and budget. It is {@linkcode ablate} with
 * other settings to begin with.
 *
 * @throws {InputError} If an option is unknown or out of its range, or the folder cannot be written to.
 *
 * @example
 * ```ts ignore
 * import { compare } from "../mod.ts";
 *
 * (await compare({ models: ["gpt1", "lstm"], tasks: ["kind"], seeds: 3 })).table.print();
 * ```
 */
export function compare(options: StudyOptions = {}): Training<Study, StudyRecord> {
  return ablate(settleStudy(studies.compare, options));
}

async function* oneByOne(
  plan: Plan,
  arms: Plan["arms"],
  study: StudySettings,
  signal?: AbortSignal,
): AsyncGenerator<ArmStep, void> {
  for (const arm of arms) if (!signal?.aborted) yield* runArm(plan, arm, study, signal);
}
