import { asRun } from "../engine/mod.ts";
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
  type Training,
  type TrainingRecord,
} from "../train/mod.ts";
import { runInParallel, runSequentially } from "./execution.ts";
import {
  baselinesOf,
  costOf,
  isPretraining,
  modelOf,
  type Plan,
  type PlannedFinetune,
  plannerOf,
  type Run,
} from "./plan.ts";
import { outlookOfPlan, type StudyOutlook, sum } from "./list.ts";
import { queueOf } from "./queue.ts";
import { finetunedRows, pretrainedRows } from "./rows.ts";
import { claimOf } from "./run.ts";
import { settleOptions, type StudyOptions, type StudySettings } from "./settings.ts";
import { TEXT } from "./effects.ts";
import { askedOf, writeRuns } from "./published.ts";
import { type Found, type Study, studyJson, studyOf } from "./study.ts";
import { currentPlan, triedOf } from "./tuning.ts";
import { workerProgram } from "./workers.ts";

/** Progress of a study. */
export interface StudyRecord {
  /** Name of the current run; or that other processes are being waited for. */
  readonly run: string;
  /** Number of finished runs, including those of earlier calls and other processes. */
  readonly finished: number;
  /** Total number of runs. */
  readonly runs: number;
  /** Completed share of the study's work, from 0 to 1. */
  readonly done: number;
  /** Estimated remaining seconds; NaN or Infinity before the first estimate. */
  readonly left: number;
  /** The latest update; absent while all remaining runs are running in other processes. */
  readonly record?: TrainingRecord;
}

/** Minimum cost of a study, in multiplications by a parameter, for which starting other processes pays off. */
const MIN_PARALLEL_COST = 1e11;

/**
 * An ablation: position kinds, which the paper does not compare, × λ, which its Table 5 compares once, × tasks, each with the same
 * seeds. Arms with the same seed
 * share initialisation, data order and dropout masks, so that their differences are paired. Each run's result is stored
 * in a file: an interrupted study resumes where it was stopped.
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
  return ablateAnnounced(options);
}

/** {@linkcode ablate}, which says what it will take when it is planned, before the first run. */
export function ablateAnnounced(
  options: StudyOptions,
  announce?: (outlook: StudyOutlook) => void,
): Training<Study, StudyRecord> {
  const { signal: userSignal, workers, ...settings } = settleOptions(options);
  const study = snapshotOf(settings);

  return asRun(async function* (): AsyncGenerator<StudyRecord, Study> {
    await checkFolder(study.folder);
    const signal = userSignal ?? stopSignal();
    const planner = await plannerOf(study);
    let plan = await currentPlan(planner);
    announce?.(await outlookOfPlan(plan));
    const shares = new Map<string, number>(); // Completed share of the runs of this process, by key.
    let pace: { begin: number; work: number } | undefined; // Measured from the first update, without loading data.
    let baselines: readonly NgramBaselines[] | undefined;
    const failures = new Map<string, string>(); // By key.
    for (;;) { // What tuning finds decides which runs follow.
      const total = sum([...plan.runs, ...plan.open].map((run) => costOf(run)));
      const { runs } = plan, queue = await queueOf(plan, signal, new Set(failures.keys()));
      for (const run of runs) if (await exists(modelOf(run))) shares.set(run.key, 1); // It is only to be scored.
      const pending = runs.length - queue.done().length;
      const processes = Math.min(
        pending,
        workers ?? (total > MIN_PARALLEL_COST ? navigator.hardwareConcurrency : 1),
      );
      const execution = { plan, queue, study, signal };
      const program = processes > 1 ? await workerProgram() : undefined;
      const finishedWork = () => {
        const finished = new Set(queue.done());
        return sum(runs.map((run, i) => costOf(run, finished.has(i) ? 1 : shares.get(run.key) ?? 0)));
      };
      for await (
        const event of program ? runInParallel(execution, program, processes) : runSequentially(execution)
      ) {
        baselines ??= baselinesOf(plan); // While workers are running.
        if ("failure" in event) {
          failures.set(event.key, event.failure);
          continue;
        }
        const step = "step" in event ? event.step : undefined;
        if (step && !shares.has(step.key)) {
          // A resumed run's first step shows how much of it was done before.
          const before = step.share - 1 / step.record.updates;
          shares.set(step.key, before);
          if (pace) pace.work += costOf(runs.find(({ key }) => key === step.key)!, before);
        }
        if (step) shares.set(step.key, step.share);
        const now = finishedWork();
        pace ??= { begin: performance.now(), work: now };
        yield {
          run: step?.run ?? `waiting for ${queue.elsewhere().length} of other processes`,
          finished: queue.done().length,
          runs: runs.length + plan.open.length,
          done: now / total,
          left: (performance.now() - pace.begin) / 1e3 / (now - pace.work) * (total - now),
          ...step && { record: step.record },
        };
      }
      if (signal.aborted) break;
      const next = await currentPlan(planner);
      if (next.open.length === plan.open.length) break;
      plan = next;
    }
    baselines ??= baselinesOf(plan);

    const results = await Promise.all(plan.runs.map(({ result, key }) => stored(result, key)));
    const found = results.filter((run) => run !== undefined);
    const everything = await foundOf(plan, study, baselines, [...failures.values()], results);
    const result = studyOf(everything);
    if (result.complete) await removeClaims(plan.runs);
    await writeStudy(plan, everything, result, found);
    if (!userSignal && !result.complete && signal.aborted) { // An incomplete study must not be mistaken for a complete one.
      throw new DOMException(
        "Stopped before the end: call it again to resume from there",
        "AbortError",
      );
    }
    return result;
  }());
}

/** Removes claims of killed processes on runs that other processes have finished. */
async function removeClaims(runs: readonly Run[]): Promise<void> {
  for (const path of new Set(runs.map(claimOf))) {
    if (!await exists(path)) continue;
    const claimed = await claim(path);
    if ("release" in claimed) await claimed.release();
  }
}

/** Copies a study's tasks and corpus, as a notebook may change them while it runs. */
function snapshotOf(study: StudySettings): StudySettings {
  const copied = new Map<string | Task, string | Task>(); // A task may be in both lists.
  const named = new Map<string, string | Task>();
  const { tasks, zeroShot, corpus } = study;
  for (const list of [tasks, zeroShot ?? []]) {
    for (const task of list) {
      const copy = copied.get(task) ?? (typeof task === "string" ? task : plainTask(checkTask(task)));
      copied.set(task, copy);
      const name = typeof copy === "string" ? copy : copy.name;
      if (name === TEXT) {
        throw new InputError(`Cannot run a study of a task called "${TEXT}": give it another name`);
      }
      const duplicate = named.get(name);
      const isSame = duplicate === undefined || (list === zeroShot && digest(duplicate) === digest(copy));
      if (!isSame) {
        throw new InputError(
          `Cannot run a study of two tasks called "${name}": give each a different name, as ` +
            `{ ...task, name: "${name}-2" } does`,
        );
      }
      named.set(name, copy);
    }
  }
  const copiesOf = (list: StudySettings["tasks"]) => list.map((task) => copied.get(task)!);
  return {
    ...study,
    tasks: copiesOf(tasks),
    ...zeroShot && { zeroShot: copiesOf(zeroShot) },
    corpus: typeof corpus === "string" ? corpus : corpusSnapshot(corpus),
  };
}

/** Copies what a study needs of a corpus. */
function corpusSnapshot({ name, train, heldout }: Corpus): Corpus {
  if (typeof heldout !== "string") {
    throw new InputError(
      `Cannot run a study on a corpus whose heldout must be a text: current value is ${quoted(heldout)}`,
    );
  }
  return { name: name ?? "own text", train, heldout, dropped: 0, sources: [], licence: "", about: "" };
}

/**
 * Checks that a study can be written to a folder, before anything is computed.
 *
 * @param folder Path of the folder, which is created.
 * @throws {InputError} If it cannot be written to, or has a study of version 0.1.
 */
export async function checkFolder(folder: string): Promise<void> {
  const path = `${folder}/study.json`;
  await checkWritable(path);
  if (!await exists(path)) return;
  const text = new TextDecoder().decode(await readFile(path, "a study"));
  if (text.includes('"format"') || !text.includes('"findings"')) return; // Other files are replaced.
  throw new InputError(
    `Cannot run a study in ${folder} as it has a study of version 0.1: choose another folder`,
  );
}

/** Collects what the runs have found so far. */
async function foundOf(
  plan: Plan,
  study: StudySettings,
  baselines: readonly NgramBaselines[],
  failures: readonly string[],
  runs: readonly (Stored<unknown> | undefined)[],
): Promise<Found> {
  const final = plan.runs.filter(({ isTuning }) => !isTuning);
  const [readers, tuners] = [final.filter(isPretraining), final.filter((run) => !isPretraining(run))];
  const pretrained = await Promise.all(readers.map((run) => pretrainedRows(run, plan, baselines)));
  const finetuned = await Promise.all(tuners.map((run) => finetunedRows(run as PlannedFinetune, plan)));
  const codesOf = (group: readonly Run[]) =>
    new Set(group.flatMap((run) => runs[plan.runs.indexOf(run)]?.training?.code ?? [])).size;
  const codes = Math.max(codesOf(readers), codesOf(tuners)); // Models are compared with those of their own stage.
  return {
    study,
    pretrained: pretrained.flat(),
    finetuned: finetuned.flat(),
    tried: [...plan.tried, ...await triedOf(plan)],
    choices: plan.choices.length + plan.tried.filter(({ isChosen }) => isChosen).length,
    complete: plan.open.length === 0 && runs.every((run) => run !== undefined),
    failures,
    ...codes > 1 && { codes },
  };
}

/** Writes the study's tables and runs; a file with the same tables keeps its date. */
async function writeStudy(
  plan: Plan,
  found: Found,
  result: Study,
  runs: readonly Stored<unknown>[],
): Promise<void> {
  const { study } = found;
  const tables = studyJson(result), rows = await writeRuns(study.folder, found);
  const key = digest([plan.runs.map(({ key }) => key), tables]);
  const path = `${study.folder}/study.json`;
  const before = await stored<{ readonly runs?: string }>(path, key).catch(() => undefined); // Any other is replaced.
  if (before?.result.runs !== rows) {
    const seconds = runs.reduce((sum, { provenance }) => sum + provenance.seconds, 0);
    await store(path, { key, settings: askedOf(study, plan.digests) }, { ...tables, runs: rows }, seconds);
  }
  const text = result.report, file = `${study.folder}/report.md`;
  if (await Deno.readTextFile(file).catch(() => "") !== text) await writeAtomic(file, [text]);
}
