import { checkTask, type Corpus, plainTask, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { InputError, quoted } from "../errors.ts";
import { checkWritable, exists, readWhole, writeWhole } from "../files.ts";
import { type Training, training, type TrainingRecord } from "../train/mod.ts";
import { type ArmStep, runArm } from "./arm.ts";
import { summary } from "./key.ts";
import { type Arm, baselinesOf, keysOf, type Plan, planOf, runsOf } from "./plan.ts";
import { finetunedRow, pretrainedRow } from "./rows.ts";
import { settleStudy, studies, type StudyOptions, type StudySettings } from "./settings.ts";
import { store, type Stored, stored } from "./store.ts";
import { report, type Study, studyJson, studyOf, TEXT } from "./tables.ts";
import { type Failure, sideBySide } from "./workers.ts";

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
  const { signal, workers, ...settings } = settleStudy(studies.ablate, options);
  const study = asItIs(settings);

  return training(async function* (): AsyncGenerator<StudyRecord, Study> {
    await checkFolder(study.folder);
    const plan = await planOf(study);
    const runs = plan.arms.flatMap(runsOf);
    const cost = new Map(runs.map(({ key, cost }) => [key, cost]));
    const done = new Map<string, number>();
    for (const { result, key } of runs) if (await stored(result, key)) done.set(key, 1);
    const open = plan.arms.filter((arm) => runsOf(arm).some(({ key }) => !done.has(key)));

    const all = [...cost.values()].reduce((a, b) => a + b, 0);
    const work = () => [...done].reduce((sum, [key, share]) => sum + share * cost.get(key)!, 0);
    let pace: { begin: number; work: number } | undefined; // Since the first update: reading is not part of it.
    const maySpawn = Deno.permissions.querySync({ name: "run" }).state === "granted";
    const beside = workers ?? (all > WORTH_A_PROCESS ? navigator.hardwareConcurrency : 1);
    const steps = beside > 1 && open.length > 0 && maySpawn
      ? sideBySide(
        study,
        open.map((arm) => ({ arm: plan.arms.indexOf(arm), keys: keysOf(arm) })),
        beside,
        signal,
      )
      : oneByOne(open, study, signal);
    const failures: string[] = [];
    for await (const step of steps) {
      if ("failure" in step) {
        failures.push(step.failure);
        continue;
      }
      const { run, key, share, record } = step;
      if (!done.has(key)) {
        // A run's first step tells how much of it was there before.
        const before = share - 1 / record.updates;
        if (pace) pace.work += before * cost.get(key)!;
      }
      done.set(key, share);
      const now = work();
      pace ??= { begin: performance.now(), work: now };
      const left = (performance.now() - pace.begin) / 1e3 / (now - pace.work) * (all - now);
      const finished = [...done.values()].filter((share) => share === 1).length;
      yield { run, finished, runs: runs.length, done: now / all, left, record };
    }

    const found = (await Promise.all(runs.map(({ result, key }) => stored(result, key))))
      .filter((run) => run !== undefined);
    const result = await resultOf(plan, study, failures, found);
    await keep(plan, study, result, found);
    return result;
  }());
}

/** A study with its own tasks and corpus as they are now: a notebook may change them while it runs. */
function asItIs(study: StudySettings): StudySettings {
  const copies = new Map<string | Task, string | Task>(); // A task may be in both lists.
  const named = new Map<string, string | Task>();
  const { tasks, zeroShot, corpus } = study;
  for (const list of [tasks, zeroShot ?? []]) {
    for (const task of list) {
      const own = copies.get(task) ?? (typeof task === "string" ? task : plainTask(checkTask(task)));
      copies.set(task, own);
      const name = typeof own === "string" ? own : own.name;
      if (name === TEXT) {
        throw new InputError(`Cannot run a study of a task called "${TEXT}": give it another name`);
      }
      const twin = named.get(name);
      const isSame = twin === undefined || (list === zeroShot && digest(twin) === digest(own));
      if (!isSame) {
        throw new InputError(
          `Cannot run a study of two tasks called "${name}": give each a name of its own, as ` +
            `{ ...task, name: "${name}-2" } does`,
        );
      }
      named.set(name, own);
    }
  }
  const all = (list: StudySettings["tasks"]) => list.map((task) => copies.get(task)!);
  return {
    ...study,
    tasks: all(tasks),
    ...zeroShot && { zeroShot: all(zeroShot) },
    corpus: typeof corpus === "string" ? corpus : textsOf(corpus),
  };
}

/** What a study reads of a corpus. */
function textsOf({ name, train, heldout }: Corpus): Corpus {
  if (typeof heldout !== "string") {
    throw new InputError(
      `Cannot run a study on a corpus whose heldout must be a text: current value is ${quoted(heldout)}`,
    );
  }
  return { name: name ?? "own text", train, heldout, dropped: 0, sources: [], licence: "", about: "" };
}

/** Makes sure that a study can be kept in a folder, and that none of version 0.1 is there. */
async function checkFolder(folder: string): Promise<void> {
  const path = `${folder}/study.json`;
  await checkWritable(path);
  if (!await exists(path)) return;
  const text = new TextDecoder().decode(await readWhole(path, "a study"));
  if (text.includes('"format"') || !text.includes('"findings"')) return; // What is no study is replaced.
  throw new InputError(
    `Cannot run a study in ${folder} as one of version 0.1 is there: name another folder, or open it with published()`,
  );
}

/** Puts together what a study's runs have found so far. */
async function resultOf(
  plan: Plan,
  study: StudySettings,
  failures: readonly string[],
  runs: readonly Stored<unknown>[],
): Promise<Study> {
  const pretrained = await rows(plan, ({ pretrain }) => pretrain ? [pretrain] : [], pretrainedRow);
  const finetuned = await rows(plan, ({ finetune }) => finetune, finetunedRow);
  const complete = pretrained.length + finetuned.length === plan.arms.flatMap(runsOf).length;
  const found = studyOf(pretrained, finetuned, baselinesOf(plan, study), complete, failures);
  const codes = new Set(runs.map(({ training }) => training?.code).filter((code) => code !== undefined)).size;
  return codes > 1 ? { ...found, codes } : found;
}

async function rows<Run, Row>(
  plan: Plan,
  runsOf: (arm: Arm) => readonly Run[],
  rowOf: (arm: Arm, run: Run, plan: Plan) => Promise<Row | undefined>,
): Promise<Row[]> {
  const found = await Promise.all(
    plan.arms.flatMap((arm) => runsOf(arm).map((run) => rowOf(arm, run, plan))),
  );
  return found.filter((row) => row !== undefined);
}

/** Writes the study's tables; where they stand already, their file keeps its date. */
async function keep(
  { books, tasks, zeroShot, arms }: Plan,
  study: StudySettings,
  result: Study,
  runs: readonly Stored<unknown>[],
): Promise<void> {
  const { folder: _, saveEvery: __, ...settings } = study; // Results do not depend on these.
  const names = (tasks: Plan["tasks"]) => tasks.map(({ name }) => name);
  const asked = {
    ...settings,
    corpus: books?.name,
    tasks: names(tasks),
    ...study.zeroShot && { zeroShot: names(zeroShot) },
  };
  const tables = studyJson(result);
  const key = digest([arms.map(keysOf), tables]);
  const path = `${study.folder}/study.json`;
  if (!await stored(path, key).catch(() => undefined)) { // Whatever else stands there is replaced.
    const seconds = runs.reduce((sum, { provenance }) => sum + provenance.seconds, 0);
    await store(path, { key, settings: summary(asked) }, tables, seconds);
  }
  const text = report(result), file = `${study.folder}/report.md`;
  if (await Deno.readTextFile(file).catch(() => "") !== text) await writeWhole(file, [text]);
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
  arms: Plan["arms"],
  study: StudySettings,
  signal?: AbortSignal,
): AsyncGenerator<ArmStep | Failure, void> {
  for (const arm of arms) {
    if (signal?.aborted) return;
    let under = arm.finetune[0]?.name ?? arm.pretrain?.name;
    try {
      for await (const step of runArm(arm, study, signal)) {
        under = step.run;
        yield step;
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      yield { failure: `Cannot finish ${under}: ${error.message}` }; // The others go on.
    }
  }
}
