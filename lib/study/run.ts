import { claim } from "../claim.ts";
import { type Provenance, provenance } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { exists } from "../files.ts";
import { architectureOf, dispose, gpt, type LanguageModel } from "../model/mod.ts";
import {
  evaluate,
  finetune,
  loadMade,
  loadModel,
  pretrain,
  progressOf,
  saveCheckpoint,
  scoreByPosition,
  scoreText,
  store,
  stored,
  type Training,
  type TrainingRecord,
  zeroShot,
} from "../train/mod.ts";
import type { Tokenizer } from "../text/mod.ts";
import {
  type Arm,
  isPretraining,
  type Planned,
  type PlannedFinetune,
  type PlannedPretrain,
  type Run,
} from "./plan.ts";
import { type AnswerResult, answersOf, type FinetuneResult, type PretrainResult, type Took } from "./rows.ts";

/** An update of a run. */
export interface RunStep {
  /** Name of the run. */
  readonly run: string;
  /** Its key. */
  readonly key: string;
  /** Share of the run's updates that are made, this one included. */
  readonly share: number;
  /** The update. */
  readonly record: TrainingRecord;
}

/** How a run ended here: its result is there, it was stopped, or another process has it. */
export type End = "made" | "stopped" | "elsewhere";

/** The claim of a run: who holds it carries the run out. */
export const claimOf = ({ path }: Planned): string => `${path}.claim`;

/**
 * Carries a run out, or what is left of it, if no other process has it. Under way it keeps a checkpoint. The model that
 * it trains is kept, so that another question to it needs no other training; its result is, as soon as it is there.
 */
export async function* carryOut(
  run: Run,
  tokenizer: Tokenizer,
  saveEvery: number,
  signal: AbortSignal,
): AsyncGenerator<RunStep, End> {
  const claimed = await claim(claimOf(run.planned));
  if (!("release" in claimed)) return "elsewhere";
  await using held = claimed;
  const { lost } = held;
  const keep = { saveEvery, signal: AbortSignal.any([signal, lost]) };
  try {
    if (await isThere(run)) return "made"; // Another process made it since the study was planned.
    const { arm, planned } = run;
    const isMade = isPretraining(planned)
      ? yield* pretrained(planned, tokenizer, keep)
      : yield* finetuned(arm, planned, tokenizer, keep);
    return isMade ? "made" : lost.aborted ? "elsewhere" : "stopped";
  } catch (error) {
    if (signal.aborted && error instanceof DOMException && error.name === "AbortError") return "stopped";
    throw error;
  }
}

/** Whether a run's result is there, and of a pre-training the model, too. */
async function isThere({ arm: { start }, planned }: Run): Promise<boolean> {
  if (!await stored(planned.result, planned.key)) return false;
  return !isPretraining(planned) || await exists(start.file);
}

/** How a run is kept while it is under way, and stopped. */
interface Keep {
  readonly saveEvery: number;
  readonly signal: AbortSignal;
}

/** @returns Whether it came to its end. */
async function* pretrained(
  planned: PlannedPretrain,
  tokenizer: Tokenizer,
  keep: Keep,
): AsyncGenerator<RunStep, boolean> {
  const { preset, seed, corpus, options } = planned.reads;
  const model = yield* trained(planned, keep.signal, (checkpoint) => {
    const lm = gpt(preset, { tokenizer, seed });
    return { run: pretrain(lm, corpus, { ...options, ...keep, checkpoint }), lm };
  });
  if (!model) return false;
  try {
    if (keep.signal.aborted) return false;
    const begin = performance.now();
    const result: PretrainResult = { ...await ask(model.lm, planned), trained: model.took };
    await store(planned.result, planned, result, model.seconds + secondsSince(begin), model.provenance);
    return true;
  } finally {
    dispose(model.lm.parameters);
  }
}

/** @returns Whether it came to its end. */
async function* finetuned(
  { start }: Arm,
  planned: PlannedFinetune,
  tokenizer: Tokenizer,
  keep: Keep,
): AsyncGenerator<RunStep, boolean> {
  const { options, ...own } = planned.reads;
  const begun = start.key === undefined
    ? await loadModel(start.file)
    : (await loadMade(start.file, start.key)).lm;
  const lm = { ...begun, tokenizer };
  try {
    const model = yield* trained(planned, keep.signal, (checkpoint) => ({
      run: finetune(lm, planned.task, { ...options, ...own, ...keep, checkpoint }),
    }));
    if (!model) return false;
    try {
      if (keep.signal.aborted) return false;
      const begin = performance.now();
      const { logits, predictions, baseline: _, cut: __, unknown: ___, ...found } = await evaluate({
        ...model.lm,
        tokenizer,
      }, planned.task);
      const result: FinetuneResult = {
        ...found,
        answers: answersOf(predictions, logits),
        trained: model.took,
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
  readonly took: Took;
  readonly seconds: number;
  readonly provenance: Provenance | undefined;
}

/**
 * The model that a run trains: the one that is there, or a new one, of whose updates it tells.
 *
 * @param signal What stops it.
 * @param begin Begins the training; `lm` is freed if it fails.
 * @returns Nothing if the run was stopped.
 */
async function* trained(
  { name, path, trained: key, key: own }: Planned,
  signal: AbortSignal,
  begin: (checkpoint: string) => { readonly run: Training<LanguageModel>; readonly lm?: LanguageModel },
): AsyncGenerator<RunStep, TrainedModel | undefined> {
  const file = `${path}.safetensors`, checkpoint = `${path}.part`;
  if (await exists(file)) {
    const { lm, took: { seconds, provenance, ...took } } = await loadMade(file, key);
    await Deno.remove(checkpoint).catch(() => {}); // A kill may have left it.
    return { lm, took, seconds, provenance };
  }
  const { run, lm: begun } = begin(checkpoint);
  let isDone = false;
  try {
    for await (const record of run) {
      yield { run: name, key: own, share: record.update / record.updates, record };
    }
    const lm = await run;
    const so = await progressOf(checkpoint);
    isDone = so !== undefined && so.update === so.updates;
    if (!isDone) {
      if (!begun) dispose(lm.parameters);
      if (!signal.aborted) {
        throw new InputError(`its checkpoint ${checkpoint} was changed or removed while it ran`);
      }
      return undefined;
    }
    const { updates, batch, seconds } = so!;
    const made = await provenance();
    await saveCheckpoint(lm, file, { made: { key, updates, batch, seconds, provenance: made } });
    await Deno.remove(checkpoint).catch(() => {}); // Who took the run over may have done so.
    return { lm, took: { updates, batch }, seconds, provenance: made };
  } finally {
    if (!isDone && begun) dispose(begun.parameters);
  }
}

/** What is asked of a pre-trained model. */
async function ask(
  lm: LanguageModel,
  { asked: { heldout, windows, zeroShot: tasks } }: PlannedPretrain,
): Promise<Omit<PretrainResult, "trained">> {
  if (!architectureOf(lm.config).causal) return { zeroShot: [] }; // It fills in masked tokens and predicts no next one.
  const answers: AnswerResult[] = [];
  for (const task of tasks) {
    const { predictions, scores, baseline: _, ...found } = await zeroShot(lm, task);
    answers.push({ ...found, answers: answersOf(predictions, scores) });
  }
  return {
    heldout: await scoreText(lm, heldout, { windows }),
    byPosition: await scoreByPosition(lm, heldout, { windows }),
    zeroShot: answers,
  };
}
