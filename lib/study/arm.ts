import { InputError } from "../errors.ts";
import { exists } from "../files.ts";
import { dispose, gpt, type LanguageModel } from "../model/mod.ts";
import {
  evaluate,
  finetune,
  loadMade,
  loadModel,
  pretrain,
  progressOf,
  saveModel,
  scoreByPosition,
  scoreText,
  type Training,
  type TrainingRecord,
  zeroShot,
} from "../train/mod.ts";
import type { Arm, Planned, PlannedFinetune, PlannedPretrain } from "./plan.ts";
import { type AnswerResult, answersOf, type FinetuneResult, type PretrainResult, type Took } from "./rows.ts";
import type { StudySettings } from "./settings.ts";
import { type Provenance, provenance, store, stored } from "./store.ts";

/** An update of a run. */
export interface ArmStep {
  /** Name of the run. */
  readonly run: string;
  /** Its key. */
  readonly key: string;
  /** Share of the run's updates that are made, this one included. */
  readonly share: number;
  /** The update. */
  readonly record: TrainingRecord;
}

/**
 * Carries out what is left of an arm. A run under way keeps a checkpoint. The model that it trains is kept, so that
 * another question to it needs no other training; its result is, as soon as it is there.
 */
export async function* runArm(
  { pretrain: pretraining, finetune: finetunings, tokenizer, start }: Arm,
  { saveEvery }: Pick<StudySettings, "saveEvery">,
  signal?: AbortSignal,
): AsyncGenerator<ArmStep, void> {
  const keep = { saveEvery, ...(signal && { signal }) };
  const isLeft = async ({ result, key }: Planned) => !(await stored(result, key));
  const left: PlannedFinetune[] = [];
  for (const run of finetunings) if (await isLeft(run)) left.push(run);

  if (pretraining && (await isLeft(pretraining) || (left.length > 0 && !await exists(start.file)))) {
    const { preset, seed, text, options } = pretraining.reads;
    const model = yield* trained(pretraining, signal, (checkpoint) => {
      const lm = gpt(preset, { tokenizer, seed });
      return { run: pretrain(lm, { train: text }, { ...options, ...keep, checkpoint }), lm };
    });
    if (!model) return;
    try {
      if (signal?.aborted) return;
      const begin = performance.now();
      const result: PretrainResult = { ...await ask(model.lm, pretraining), trained: model.took };
      const seconds = model.seconds + secondsSince(begin);
      await store(pretraining.result, pretraining, result, seconds, model.provenance);
    } finally {
      dispose(model.lm.parameters);
    }
  }
  if (left.length === 0) return;

  const begun = start.key === undefined
    ? await loadModel(start.file)
    : (await loadMade(start.file, start.key)).lm;
  const lm = { ...begun, tokenizer };
  try {
    for (const planned of left) {
      const { options, ...own } = planned.reads;
      const model = yield* trained(planned, signal, (checkpoint) => ({
        run: finetune(lm, planned.task, { ...options, ...own, ...keep, checkpoint }),
      }));
      if (!model) return;
      try {
        if (signal?.aborted) return;
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
        const seconds = model.seconds + secondsSince(begin);
        await store(planned.result, planned, result, seconds, model.provenance);
      } finally {
        dispose(model.lm.parameters);
      }
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
  readonly provenance: Provenance;
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
  signal: AbortSignal | undefined,
  begin: (checkpoint: string) => { readonly run: Training<LanguageModel>; readonly lm?: LanguageModel },
): AsyncGenerator<ArmStep, TrainedModel | undefined> {
  const file = `${path}.safetensors`, checkpoint = `${path}.part`;
  if (await exists(file)) {
    const { lm, took: { seconds, provenance, ...took } } = await loadMade(file, key);
    await Deno.remove(checkpoint).catch(() => {}); // A kill may have left it.
    return { lm, took, seconds, provenance: provenance as Provenance };
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
      if (!signal?.aborted) {
        throw new InputError(`its checkpoint ${checkpoint} was changed or removed while it ran`);
      }
      return undefined;
    }
    const { updates, batch, seconds } = so!;
    const made = await provenance();
    await saveModel(file, lm, { made: { key, updates, batch, seconds, provenance: made } });
    await Deno.remove(checkpoint);
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
  if (lm.config.architecture === "bert") return { zeroShot: [] }; // It fills in masked tokens and predicts no next one.
  const answers: AnswerResult[] = [];
  for (const task of tasks) {
    const { predictions, scores, baseline: _, ...found } = await zeroShot(lm, task);
    answers.push({ ...found, answers: answersOf(predictions, scores) });
  }
  return {
    heldout: await scoreText(lm, heldout, windows),
    byPosition: await scoreByPosition(lm, heldout, windows),
    zeroShot: answers,
  };
}
