import { isRecord } from "../foreign.ts";
import { value } from "../settings.ts";

/**
 * Training loss along a run, in nats: of fine-tuning the task's loss L2 (§3.2), of pre-training L1 (§3.1), without those
 * of an earlier stage; at most 128 means, however long the run is.
 */
export interface LossCurve {
  /** Number of updates that a mean is over: a power of 2. */
  readonly every: number;
  /** Number of updates. */
  readonly updates: number;
  /** The mean of each block of updates; the last block may be shorter. */
  readonly means: readonly number[];
}

/** Most means of a loss curve. */
export const MOST_LOSSES = 128;

/** The loss curve of no updates. */
export const noLosses: LossCurve = { every: 1, updates: 0, means: [] };

/** A curve with the loss of the next update. It depends on the losses alone, not on where a run was interrupted. */
export function withLoss(curve: LossCurve, loss: number): LossCurve {
  const { every, updates, means } = curve;
  if (updates === MOST_LOSSES * every) { // All blocks are full: each two become one.
    const pairs = Array.from({ length: MOST_LOSSES / 2 }, (_, i) => (means[2 * i]! + means[2 * i + 1]!) / 2);
    return withLoss({ every: 2 * every, updates, means: pairs }, loss);
  }
  const inBlock = updates % every, mean = inBlock > 0 ? means.at(-1)! : 0;
  const block = mean + (loss - mean) / (inBlock + 1);
  return { every, updates: updates + 1, means: [...inBlock > 0 ? means.slice(0, -1) : means, block] };
}

/** Whether a value is the loss curve of at most so many updates. */
export function isLossCurve(curve: unknown, updates: number): curve is LossCurve {
  if (!isRecord(curve)) return false;
  const { every, updates: made, means } = curve as Record<keyof LossCurve, number>;
  return Number.isSafeInteger(every) && every > 0 && Number.isInteger(Math.log2(every)) &&
    Number.isSafeInteger(made) && made >= 0 && made <= updates &&
    Array.isArray(means) && means.length === Math.ceil(made / every) && means.length <= MOST_LOSSES &&
    means.every((mean) => Number.isFinite(mean));
}

/** The kind of a setting that is such a curve. */
export const lossCurveOf = (updates: number) =>
  value(`means of at most ${updates} losses`, (curve): curve is LossCurve => isLossCurve(curve, updates));
