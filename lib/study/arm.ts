import type { Task } from "../data/mod.ts";
import { exists } from "../files.ts";
import { dispose, gpt, type PositionKind } from "../model/mod.ts";
import {
  evaluate,
  type Evaluation,
  finetune,
  loadModel,
  majorityBaseline,
  pretrain,
  saveModel,
  scoreByPosition,
  scoreText,
  type TaskScore,
  type TextScore,
  type TrainingRecord,
  zeroShot,
} from "../train/mod.ts";
import type { Arm, Plan, Planned } from "./plan.ts";
import type { StudyModel, StudySettings } from "./settings.ts";
import { store, stored } from "./store.ts";

/** What a pre-training run found. */
export interface Pretrained {
  /** Which language model. */
  readonly model: StudyModel;
  /** Its positions. */
  readonly positions: PositionKind;
  /** Its seed. */
  readonly seed: number;
  /** On the held-out text; an encoder foretells none. */
  readonly heldout?: TextScore;
  /** The same in bits a character at each place of the window, from the second token on. */
  readonly byPosition?: readonly number[];
  /** Tasks that it did without fine-tuning. */
  readonly zeroShot?: readonly Answered[];
}

/** How a model that was only pre-trained did a task. */
export interface Answered extends Omit<TaskScore, "predictions"> {
  /** Name of the task. */
  readonly task: string;
  /** The primary measure of whoever gives all test examples one answer, the best of them. */
  readonly constant: number;
}

/** What a fine-tuning run found. */
export interface Finetuned extends Omit<Evaluation, "logits" | "predictions"> {
  /** Name of the task. */
  readonly task: string;
  /** Which language model. */
  readonly model: StudyModel;
  /** Its positions. */
  readonly positions: PositionKind;
  /** λ of its arm. */
  readonly lambda: number;
  /** Layers that it began with: −1 for none, 0 for the embeddings. */
  readonly transfer: number;
  /** Layers that there are. */
  readonly layers: number;
  /** Its seed. */
  readonly seed: number;
  /** The primary measure of whoever gives all test examples one answer, the best of them. */
  readonly constant: number;
  /** Texts of the task that were cut to fit the context. */
  readonly cut: number;
}

/** An update of a run. */
export interface ArmStep {
  /** Name of the run. */
  readonly run: string;
  /** Share of the run's updates that are made, this one included. */
  readonly share: number;
  /** The update. */
  readonly record: TrainingRecord;
}

/**
 * Carries out what is left of an arm. Each run's result is stored as soon as it is there; a run under way
 * keeps a checkpoint.
 */
export async function* runArm(
  { books, tokenizer, zeroShot: asked }: Plan,
  arm: Arm,
  { pretrain: pretraining, finetune: finetuning, heldoutWindows, saveEvery }: StudySettings,
  signal?: AbortSignal,
): AsyncGenerator<ArmStep, void> {
  const { model: kind, preset, positions, seed, file } = arm;
  const keep = { saveEvery, ...(signal && { signal }) };
  const missing = async ({ path, settings }: Planned) => !(await stored(`${path}.json`, settings));
  const left: Arm["finetune"][number][] = [];
  for (const run of arm.finetune) if (await missing(run)) left.push(run);

  const toMake = arm.pretrain && (await missing(arm.pretrain) || (left.length > 0 && !await exists(file)));
  if (arm.pretrain && toMake) {
    const { path, settings } = arm.pretrain;
    const lm = gpt(arm.preset, { tokenizer, seed });
    try {
      const begin = performance.now();
      const run = pretrain(lm, books!, { ...pretraining, ...keep, checkpoint: `${path}.part` });
      for await (const record of run) yield stepOf(arm.pretrain, record);
      if (signal?.aborted) return;
      const { heldout } = books!;
      const answered: Answered[] = [];
      for (const task of preset.architecture === "bert" ? [] : asked) {
        const { predictions: _, ...score } = await zeroShot(lm, task);
        answered.push({ task: task.name, ...score, constant: constant(task) });
      }
      const found: Pretrained = {
        model: kind,
        positions,
        seed,
        ...(preset.architecture !== "bert" && {
          heldout: await scoreText(lm, heldout, heldoutWindows),
          byPosition: await scoreByPosition(lm, heldout, heldoutWindows),
        }),
        ...answered.length > 0 && { zeroShot: answered },
      };
      await saveModel(file, lm);
      await store(`${path}.json`, settings, found, (performance.now() - begin) / 1e3);
      await Deno.remove(`${path}.part`);
    } finally {
      dispose(lm.parameters);
    }
  }
  if (left.length === 0) return;

  const lm = { ...await loadModel(file), tokenizer };
  try {
    for (const planned of left) {
      const { task, lambda, transfer, cut, path, settings } = planned;
      const begin = performance.now();
      const run = finetune(lm, task, {
        ...finetuning,
        ...keep,
        lambda,
        transfer,
        seed,
        checkpoint: `${path}.part`,
      });
      for await (const record of run) yield stepOf(planned, record);
      const tuned = await run;
      try {
        if (signal?.aborted) return;
        const { logits: _, predictions: __, ...found } = await evaluate(tuned, task);
        const result: Finetuned = {
          task: task.name,
          model: kind,
          positions,
          lambda,
          transfer,
          layers: preset.layers,
          seed,
          ...found,
          constant: constant(task),
          cut,
        };
        await store(`${path}.json`, settings, result, (performance.now() - begin) / 1e3);
        await Deno.remove(`${path}.part`);
      } finally {
        dispose(tuned.parameters);
      }
    }
  } finally {
    dispose(lm.parameters);
  }
}

function constant(task: Task): number {
  return majorityBaseline(task, "test");
}

function stepOf({ name }: Planned, record: TrainingRecord): ArmStep {
  return { run: name, share: record.update / record.updates, record };
}
