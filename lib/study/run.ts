import { claim } from "../claim.ts";
import { type Provenance, provenance } from "../engine/mod.ts";
import { DivergedError, InputError } from "../errors.ts";
import { exists } from "../files.ts";
import { architectureOf, dispose, gpt, type LanguageModel } from "../model/mod.ts";
import {
  evaluate,
  finetune,
  loadModel,
  loadTrained,
  type LossCurve,
  pretrain,
  progressOf,
  saveCheckpoint,
  scoreByPosition,
  scoreMasked,
  scoreText,
  store,
  stored,
  type Training,
  type TrainingRecord,
  zeroShot,
} from "../train/mod.ts";
import type { Tokenizer } from "../text/mod.ts";
import {
  isPretraining,
  modelOf,
  type PlannedFinetune,
  type PlannedPretrain,
  type PlannedRun,
  type Run,
} from "./plan.ts";
import {
  type AnswerResult,
  answersOf,
  type FinetuneResult,
  type PretrainResult,
  type TrainingBudget,
} from "./rows.ts";

/** An update of a run. */
export interface RunStep {
  /** Name of the run. */
  readonly run: string;
  /** Its key. */
  readonly key: string;
  /** Completed share of the run's updates. */
  readonly share: number;
  /** Metrics of the update. */
  readonly record: TrainingRecord;
}

/** The outcome of a run: it is done, it was stopped, or it is running in another process. */
export type RunOutcome = "done" | "stopped" | "elsewhere";

/** The claim file of a run; the process that holds it executes the run. */
export const claimOf = ({ path }: PlannedRun): string => `${path}.claim`;

/**
 * Executes or resumes a run, if no other process holds its claim, with checkpoints. The trained model is kept, so that
 * another evaluation does not need to train it again.
 */
export async function* executeRun(
  run: Run,
  tokenizer: Tokenizer,
  saveEvery: number,
  signal: AbortSignal,
): AsyncGenerator<RunStep, RunOutcome> {
  const claimed = await claim(claimOf(run));
  if (!("release" in claimed)) return "elsewhere";
  await using heldClaim = claimed;
  const { lost } = heldClaim;
  const control = { saveEvery, signal: AbortSignal.any([signal, lost]) };
  try {
    if (await hasResult(run)) return "done"; // Another process finished it since the study was planned.
    const isDone = isPretraining(run)
      ? yield* runPretraining(run, tokenizer, control)
      : yield* runFinetuning(run, tokenizer, control);
    return isDone ? "done" : lost.aborted ? "elsewhere" : "stopped";
  } catch (error) {
    if (run.isTuning && error instanceof DivergedError) { // Another setting is chosen.
      await store(run.result, run, { diverged: true }, 0);
      return "done";
    }
    if (signal.aborted && error instanceof DOMException && error.name === "AbortError") return "stopped";
    throw error;
  }
}

/** Whether a run's result exists, and for pre-training also the model, which a search that diverged does not leave. */
async function hasResult(run: Run): Promise<boolean> {
  const found = await stored(run.result, run.key);
  if (!found) return false;
  return !isPretraining(run) || Object(found.result).diverged === true || await exists(modelOf(run));
}

/** Options for checkpoints and for stopping. */
interface RunControl {
  readonly saveEvery: number;
  readonly signal: AbortSignal;
}

/** @returns Whether it was completed. */
async function* runPretraining(
  planned: PlannedPretrain,
  tokenizer: Tokenizer,
  control: RunControl,
): AsyncGenerator<RunStep, boolean> {
  const { inputs: { preset, seed, corpus, options }, trunk } = planned;
  const model = yield* trainModel(planned, control.signal, (checkpoint) => {
    const lm = gpt(preset, { tokenizer, seed });
    return { run: pretrain(lm, corpus, { ...options, ...control, checkpoint, ...trunk && { trunk } }), lm };
  });
  if (!model) return false;
  try {
    if (control.signal.aborted) return false;
    const begin = performance.now();
    const { budget: trained, losses } = model;
    const result: PretrainResult = {
      ...await evaluatePretrained(model.lm, planned),
      ...{ trained, ...losses && { losses } },
    };
    await store(planned.result, planned, result, model.seconds + secondsSince(begin), model.provenance);
    return true;
  } finally {
    dispose(model.lm.parameters);
  }
}

/** @returns Whether it was completed. */
async function* runFinetuning(
  planned: PlannedFinetune,
  tokenizer: Tokenizer,
  control: RunControl,
): AsyncGenerator<RunStep, boolean> {
  const { start, inputs: { options, ...own } } = planned;
  const begun = start.key === undefined
    ? await loadModel(start.file)
    : (await loadTrained(start.file, start.key)).lm;
  const lm = { ...begun, tokenizer };
  try {
    const model = yield* trainModel(planned, control.signal, (checkpoint) => ({
      run: finetune(lm, planned.task, { ...options, ...own, ...control, checkpoint }),
    }));
    if (!model) return false;
    try {
      if (control.signal.aborted) return false;
      const begin = performance.now();
      const tuned = { ...model.lm, tokenizer };
      const { logits, predictions, baseline: _, cut: __, unknown: ___, ...found } = await evaluate(
        tuned,
        planned.task,
      );
      const { value, low, high } = planned.isTuning
        ? found
        : await evaluate(tuned, planned.task, { split: "validation" });
      const result: FinetuneResult = {
        ...found,
        validation: { value, low, high },
        answers: answersOf(predictions, logits),
        trained: model.budget,
        ...model.losses && { losses: model.losses },
      };
      await store(planned.result, planned, result, model.seconds + secondsSince(begin), model.provenance);
      return true;
    } finally {
      dispose(model.lm.parameters);
    }
  } finally {
    dispose(lm.parameters);
  }
}

const secondsSince = (begin: number) => (performance.now() - begin) / 1e3;

/** A trained model. */
interface TrainedModel {
  readonly lm: LanguageModel;
  readonly budget: TrainingBudget;
  /** Its losses; undefined if a part of it is of a version that did not keep them. */
  readonly losses: LossCurve | undefined;
  readonly seconds: number;
  readonly provenance: Provenance | undefined;
}

/**
 * Loads a run's trained model, or trains it and yields its updates.
 *
 * @param signal Stops the training.
 * @param begin Starts the training; `lm` is freed if it fails.
 * @returns The model; undefined if the run was stopped.
 */
async function* trainModel(
  planned: PlannedRun,
  signal: AbortSignal,
  begin: (checkpoint: string) => { readonly run: Training<LanguageModel>; readonly lm?: LanguageModel },
): AsyncGenerator<RunStep, TrainedModel | undefined> {
  const { name, path, trained: key, key: own } = planned;
  const file = modelOf(planned), checkpoint = `${path}.part`;
  if (await exists(file)) {
    const { lm, run: { seconds, losses, provenance, ...budget } } = await loadTrained(file, key);
    await Deno.remove(checkpoint).catch(() => {}); // Left by a killed process.
    return { lm, budget, losses, seconds, provenance };
  }
  const { run, lm: begun } = begin(checkpoint);
  let isDone = false;
  try {
    for await (const record of run) {
      yield { run: name, key: own, share: record.update / record.updates, record };
    }
    const lm = await run;
    const progress = await progressOf(checkpoint);
    isDone = progress !== undefined && progress.update === progress.updates;
    if (!isDone) {
      if (!begun) dispose(lm.parameters);
      if (!signal.aborted) {
        throw new InputError(`its checkpoint ${checkpoint} was modified or removed during the run`);
      }
      return undefined;
    }
    const { updates, batch, seconds, losses } = progress!;
    const made = await provenance();
    const budget = { updates, batch };
    await saveCheckpoint(lm, file, {
      made: { key, ...budget, seconds, ...losses && { losses }, provenance: made },
    });
    await Deno.remove(checkpoint).catch(() => {}); // Another process may have removed it.
    return { lm, budget, losses, seconds, provenance: made };
  } finally {
    if (!isDone && begun) dispose(begun.parameters);
  }
}

/** Evaluates a pre-trained model. */
async function evaluatePretrained(
  lm: LanguageModel,
  { evaluation: { heldout, windows, zeroShot: tasks, ...context } }: PlannedPretrain,
): Promise<Omit<PretrainResult, "trained">> {
  if (!architectureOf(lm.config).causal) { // `bert` does not predict the next token.
    return { masked: await scoreMasked(lm, heldout, windows), zeroShot: [] };
  }
  const answers: AnswerResult[] = [];
  for (const task of tasks) {
    const { predictions, scores, baseline: _, ...found } = await zeroShot(lm, task);
    answers.push({ ...found, answers: answersOf(predictions, scores) });
  }
  return {
    heldout: await scoreText(lm, heldout, { windows }),
    byPosition: await scoreByPosition(lm, heldout, { windows, ...context }),
    zeroShot: answers,
  };
}
