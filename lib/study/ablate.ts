import { claim } from "../claim.ts";
import { checkTask, type Corpus, plainTask, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { InputError, quoted } from "../errors.ts";
import { checkWritable, exists, readFile, writeAtomic } from "../files.ts";
import { stopSignal } from "../stop.ts";
import {
  type NgramBaselines,
  store,
  type Stored,
  stored,
  summary,
  type Training,
  training,
  type TrainingRecord,
} from "../train/mod.ts";
import { oneByOne, sideBySide } from "./lanes.ts";
import { type Arm, baselinesOf, type Plan, planOf, type Run, runsOf } from "./plan.ts";
import { queueOf } from "./queue.ts";
import { finetunedRow, pretrainedRow } from "./rows.ts";
import { claimOf } from "./run.ts";
import { settleStudy, studies, type StudyOptions, type StudySettings } from "./settings.ts";
import { workerProgram } from "./workers.ts";
import { report, type Study, studyJson, studyOf, TEXT } from "./tables.ts";

/** How far a study is. */
export interface StudyRecord {
  /** The run that made the update; or what is waited for. */
  readonly run: string;
  /** Runs whose results are there, those found in the folder and made by other processes included. */
  readonly finished: number;
  /** Runs of the study. */
  readonly runs: number;
  /** Share of the study's work that is done, from 0 to 1. */
  readonly done: number;
  /** Seconds that the rest will take at the pace so far; not a number before there is one. */
  readonly left: number;
  /** The update just made; none while all that is left is under way in other processes. */
  readonly record?: TrainingRecord;
}

/** Work of a study, as {@linkcode Planned} measures it, which is done before other processes have started. */
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
  const { signal: given, workers, ...settings } = settleStudy(studies.ablate, options);
  const study = asItIs(settings);

  return training(async function* (): AsyncGenerator<StudyRecord, Study> {
    await checkFolder(study.folder);
    const signal = given ?? stopSignal();
    const plan = await planOf(study);
    const runs = runsOf(plan);
    const queue = await queueOf(plan, signal);
    const [cost, all] = [
      runs.map(({ planned }) => planned.cost),
      sum(runs.map(({ planned }) => planned.cost)),
    ];
    const left = runs.length - queue.made().length;
    const beside = Math.min(left, workers ?? (all > WORTH_A_PROCESS ? navigator.hardwareConcurrency : 1));
    const how = { plan, queue, study, signal };
    const program = beside > 1 ? await workerProgram() : undefined;

    const shares = new Map<string, number>(); // Of runs under way here: how much of them is done.
    let pace: { begin: number; work: number } | undefined; // Since the first update: reading is not part of it.
    let baselines: NgramBaselines | undefined;
    const failures: string[] = [];
    for await (const event of program ? sideBySide(how, program, beside) : oneByOne(how)) {
      baselines ??= baselinesOf(plan, study); // While others work.
      if ("failure" in event) {
        failures.push(event.failure);
        continue;
      }
      const step = "step" in event ? event.step : undefined;
      const made = new Set(queue.made());
      const work = () =>
        sum(runs.map(({ planned: { key } }, i) => cost[i]! * (made.has(i) ? 1 : shares.get(key) ?? 0)));
      if (step && !shares.has(step.key)) {
        // A run's first step tells how much of it was there before.
        const before = step.share - 1 / step.record.updates;
        shares.set(step.key, before);
        if (pace) pace.work += before * cost[runs.findIndex(({ planned: { key } }) => key === step.key)]!;
      }
      if (step) shares.set(step.key, step.share);
      const now = work();
      pace ??= { begin: performance.now(), work: now };
      yield {
        run: step?.run ?? `waiting for ${queue.elsewhere().length} of other processes`,
        finished: made.size,
        runs: runs.length,
        done: now / all,
        left: (performance.now() - pace.begin) / 1e3 / (now - pace.work) * (all - now),
        ...step && { record: step.record },
      };
    }
    baselines ??= baselinesOf(plan, study);

    const found = (await Promise.all(runs.map(({ planned: { result, key } }) => stored(result, key))))
      .filter((run) => run !== undefined);
    const result = await resultOf(plan, baselines, failures, found);
    if (result.complete) await clear(runs);
    await keep(plan, study, result, found);
    if (!given && !result.complete && signal.aborted) { // Nobody takes half a study for a whole one.
      throw new DOMException(
        "Stopped before the end: called again, the study goes on from there",
        "AbortError",
      );
    }
    return result;
  }());
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Removes the claims that killed processes have left of runs that others have made. */
async function clear(runs: readonly Run[]): Promise<void> {
  for (const path of new Set(runs.map(({ planned }) => claimOf(planned)))) {
    if (!await exists(path)) continue;
    const claimed = await claim(path);
    if ("release" in claimed) await claimed.release();
  }
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
  const text = new TextDecoder().decode(await readFile(path, "a study"));
  if (text.includes('"format"') || !text.includes('"findings"')) return; // What is no study is replaced.
  throw new InputError(
    `Cannot run a study in ${folder} as one of version 0.1 is there: name another folder, or open it with published()`,
  );
}

/** Puts together what a study's runs have found so far. */
async function resultOf(
  plan: Plan,
  baselines: NgramBaselines | undefined,
  failures: readonly string[],
  runs: readonly Stored<unknown>[],
): Promise<Study> {
  const pretrained = await rows(plan, ({ pretrain }) => pretrain ? [pretrain] : [], pretrainedRow);
  const finetuned = await rows(plan, ({ finetune }) => finetune, finetunedRow);
  const complete = pretrained.length + finetuned.length === runsOf(plan).length;
  const found = studyOf(pretrained, finetuned, baselines, complete, failures);
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
  const key = digest([runsOf({ arms }).map(({ planned }) => planned.key), tables]);
  const path = `${study.folder}/study.json`;
  if (!await stored(path, key).catch(() => undefined)) { // Whatever else stands there is replaced.
    const seconds = runs.reduce((sum, { provenance }) => sum + provenance.seconds, 0);
    await store(path, { key, settings: summary(asked) }, tables, seconds);
  }
  const text = report(result), file = `${study.folder}/report.md`;
  if (await Deno.readTextFile(file).catch(() => "") !== text) await writeAtomic(file, [text]);
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
