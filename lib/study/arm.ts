import type { Task } from "../data/mod.ts";
import { exists } from "../files.ts";
import { dispose, gpt, type PositionKind } from "../model/mod.ts";
import {
  evaluate,
  finetune,
  loadModel,
  pretrain,
  saveModel,
  scoreText,
  type TaskScore,
  type TextScore,
  type TrainingRecord,
} from "../train/mod.ts";
import type { Arm, Plan, Planned } from "./plan.ts";
import type { StudySettings } from "./settings.ts";
import { store, stored } from "./store.ts";

/** What a pre-training run found. */
export interface Pretrained {
  /** Its arm. */
  readonly positions: PositionKind;
  /** Its seed. */
  readonly seed: number;
  /** On the held-out text. */
  readonly heldout: TextScore;
}

/** What a fine-tuning run found. */
export interface Finetuned extends Omit<TaskScore, "logits"> {
  /** Name of the task. */
  readonly task: string;
  /** Position kind of its arm. */
  readonly positions: PositionKind;
  /** λ of its arm. */
  readonly lambda: number;
  /** Its seed. */
  readonly seed: number;
  /** Accuracy of naming the most frequent label, or choice, of the test examples. */
  readonly majority: number;
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
  { books, tokenizer }: Plan,
  arm: Arm,
  { pretrain: pretraining, finetune: finetuning, heldoutWindows, saveEvery }: StudySettings,
  signal?: AbortSignal,
): AsyncGenerator<ArmStep, void> {
  const { positions, seed } = arm;
  const model = `${arm.pretrain.path}.safetensors`;
  const keep = { saveEvery, ...(signal && { signal }) };
  const missing = async ({ path, settings }: Planned) => !(await stored(`${path}.json`, settings));
  const left: Arm["finetune"][number][] = [];
  for (const run of arm.finetune) if (await missing(run)) left.push(run);

  const modelIsThere = await exists(model);
  if (await missing(arm.pretrain) || (left.length > 0 && !modelIsThere)) {
    const { path } = arm.pretrain;
    const lm = gpt(arm.preset, { tokenizer, seed });
    try {
      const begin = performance.now();
      const run = pretrain(lm, books, { ...pretraining, ...keep, checkpoint: `${path}.part` });
      for await (const record of run) yield stepOf(arm.pretrain, record);
      if (signal?.aborted) return;
      const heldout = await scoreText(lm, books.heldout, heldoutWindows);
      await saveModel(model, lm);
      const found: Pretrained = { positions, seed, heldout };
      await store(`${path}.json`, arm.pretrain.settings, found, (performance.now() - begin) / 1e3);
      await Deno.remove(`${path}.part`);
    } finally {
      dispose(lm.parameters);
    }
  }
  if (left.length === 0) return;

  const lm = { ...await loadModel(model), tokenizer };
  try {
    for (const planned of left) {
      const { task, lambda, cut, path, settings } = planned;
      const begin = performance.now();
      const run = finetune(lm, task, { ...finetuning, ...keep, lambda, checkpoint: `${path}.part` });
      for await (const record of run) yield stepOf(planned, record);
      const tuned = await run;
      try {
        if (signal?.aborted) return;
        const { logits: _, ...score } = await evaluate(tuned, task);
        const found: Finetuned = {
          task: task.name,
          positions,
          lambda,
          seed,
          ...score,
          majority: majority(task),
          cut,
        };
        await store(`${path}.json`, settings, found, (performance.now() - begin) / 1e3);
        await Deno.remove(`${path}.part`);
      } finally {
        dispose(tuned.parameters);
      }
    }
  } finally {
    dispose(lm.parameters);
  }
}

function majority({ test }: Task): number {
  const counts = Map.groupBy<number, { label: number }>(test, ({ label }) => label);
  return Math.max(...[...counts.values()].map(({ length }) => length)) / test.length;
}

function stepOf({ name }: Planned, record: TrainingRecord): ArmStep {
  return { run: name, share: record.update / record.updates, record };
}
