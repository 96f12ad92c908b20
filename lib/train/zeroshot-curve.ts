import type { Measure, Task } from "../data/mod.ts";
import { dispose, type LanguageModel } from "../model/mod.ts";
import { loadModel, progressOf } from "./checkpoint.ts";
import type { TrainingRecord } from "./loop.ts";
import type { Interval } from "./measures.ts";
import { type RunKey, store, stored } from "./store.ts";
import { heuristicOf, zeroShotScores } from "./zeroshot.ts";

/** A task's zero-shot score at an update of pre-training. */
export interface ZeroShotPoint extends Interval {
  /** Number of the update, from 1. */
  readonly update: number;
  /** Name of the task. */
  readonly task: string;
  /** The task's primary metric. */
  readonly measure: Measure;
  /** Whether its words were calibrated; tasks that words answer have a score with and one without. */
  readonly calibrated?: true;
}

/** Zero-shot performance over the course of pre-training (Figure 2, right). */
export interface ZeroShotCurve {
  /** Scores so far, including those of an interrupted run. */
  readonly points: readonly ZeroShotPoint[];
  /**
   * Passes on the records of pre-training, and scores the model at updates 1, 2, 4, … and the last.
   *
   * @param records The records of pre-training.
   * @param lm The model that it trains.
   * @param checkpoint Its checkpoint file.
   */
  during(
    records: AsyncIterable<TrainingRecord>,
    lm: LanguageModel,
    checkpoint: string,
  ): AsyncGenerator<TrainingRecord, void>;
}

/**
 * Scores tasks without fine-tuning during pre-training, as {@linkcode zeroShotScores} does, and stores the scores in a file, from
 * which an interrupted run continues.
 *
 * @param tasks The tasks; if there are none, no file is written.
 * @param file The file of scores, written by {@linkcode store}.
 * @param asked Key and settings of the run and its tasks.
 * @throws {InputError} If the file exists and is of another run or other tasks.
 */
export async function zeroShotCurve(
  tasks: readonly Task[],
  file: string,
  asked: RunKey,
): Promise<ZeroShotCurve> {
  const previous = tasks.length > 0 ? await stored<ZeroShotPoint[]>(file, asked.key) : undefined;
  const points = previous?.result.slice() ?? [];

  /** Whether scores are due at an update and missing; a killed run may have scored beyond its checkpoint. */
  function isDue(update: number, updates: number): boolean {
    const isMilestone = tasks.length > 0 && (Number.isInteger(Math.log2(update)) || update === updates);
    return isMilestone && !points.some((point) => point.update === update);
  }

  async function scoreAll(lm: LanguageModel, update: number, seconds: number): Promise<void> {
    const scores: ZeroShotPoint[] = [];
    for (const task of tasks) {
      const both = await zeroShotScores(lm, task, "test", heuristicOf(task).by === "word");
      both.forEach(({ measure, value, low, high }, i) => {
        const calibrated = i > 0 ? { calibrated: true } as const : {};
        scores.push({ update, task: task.name, measure, ...calibrated, value, low, high });
      });
    }
    points.push(...scores);
    await store(file, asked, points, seconds);
  }

  return {
    points,
    async *during(records, lm, checkpoint) {
      const reached = await progressOf(checkpoint);
      if (reached && isDue(reached.update, reached.updates)) { // It was stopped while scoring, after the checkpoint.
        const saved = await loadModel(checkpoint);
        await scoreAll(saved, reached.update, reached.seconds).finally(() => dispose(saved.parameters));
      }
      for await (const record of records) {
        yield record;
        if (isDue(record.update, record.updates)) await scoreAll(lm, record.update, record.seconds);
      }
    },
  };
}
