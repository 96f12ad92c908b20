import type { Measure, Task } from "../data/mod.ts";
import { dispose, type LanguageModel } from "../model/mod.ts";
import { loadModel, progressOf } from "./checkpoint.ts";
import type { TrainingRecord } from "./loop.ts";
import type { Interval } from "./measures.ts";
import { type Asked, store, stored } from "./store.ts";
import { zeroShot } from "./zeroshot.ts";

/** A task's score without fine-tuning, at an update of pre-training. */
export interface ZeroShotPoint extends Interval {
  /** Updates made, this one included. */
  readonly update: number;
  /** Name of the task. */
  readonly task: string;
  /** The task's primary measure, of which the score is. */
  readonly measure: Measure;
}

/** How well a model does tasks without fine-tuning in the course of its pre-training (Figure 2, right). */
export interface ZeroShotCurve {
  /** What was scored so far, those scores included that an interrupted run has left. */
  readonly points: readonly ZeroShotPoint[];
  /**
   * A pre-training's records, between which the model is scored: at updates 1, 2, 4, … and the last.
   *
   * @param records Of the pre-training.
   * @param lm The model that it trains.
   * @param checkpoint Where it is kept.
   */
  during(
    records: AsyncIterable<TrainingRecord>,
    lm: LanguageModel,
    checkpoint: string,
  ): AsyncGenerator<TrainingRecord, void>;
}

/**
 * Scores tasks without fine-tuning in the course of a pre-training, by {@linkcode zeroShot}, and keeps the scores in a
 * file: a run that is resumed goes on with them.
 *
 * @param tasks What is scored; without any there is no file.
 * @param file Where the scores are kept, as {@linkcode store} keeps results.
 * @param asked What all of them depend on.
 * @throws {InputError} If the file is there and is not of the same run and tasks.
 */
export async function zeroShotCurve(
  tasks: readonly Task[],
  file: string,
  asked: Asked,
): Promise<ZeroShotCurve> {
  const known = tasks.length > 0 ? await stored<ZeroShotPoint[]>(file, asked.key) : undefined;
  const points = known?.result.slice() ?? [];

  /** Whether scores are due at an update, and there are none; a run may have gone further than its checkpoint. */
  function isDue(update: number, updates: number): boolean {
    const isWanted = tasks.length > 0 && (Number.isInteger(Math.log2(update)) || update === updates);
    return isWanted && !points.some((point) => point.update === update);
  }

  async function scoreAll(lm: LanguageModel, update: number, seconds: number): Promise<void> {
    const scores: ZeroShotPoint[] = [];
    for (const task of tasks) {
      const { measure, value, low, high } = await zeroShot(lm, task);
      scores.push({ update, task: task.name, measure, value, low, high });
    }
    points.push(...scores);
    await store(file, asked, points, seconds);
  }

  return {
    points,
    async *during(records, lm, checkpoint) {
      const reached = await progressOf(checkpoint);
      if (reached && isDue(reached.update, reached.updates)) { // A stop while it was scored saved the update alone.
        const there = await loadModel(checkpoint);
        await scoreAll(there, reached.update, reached.seconds).finally(() => dispose(there.parameters));
      }
      for await (const record of records) {
        yield record;
        if (isDue(record.update, record.updates)) await scoreAll(lm, record.update, record.seconds);
      }
    },
  };
}
