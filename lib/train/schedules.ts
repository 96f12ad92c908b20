/**
 * OpenAI's learning-rate schedules: the factor at x, the share of updates done, under a warm-up that takes
 * the share w. The first update of a warm-up has the rate zero, as in OpenAI's code.
 */
export const schedules = {
  /** Up from 0 and down to 0, both straight (fine-tuning, §4.1). The rise is bent by the fall, as published. */
  warmup_linear: (x: number, w: number): number => rise(x, w) * (1 - x),
  /** Up straight, down along a cosine (pre-training, §4.1). The cosine is not re-based at w. */
  warmup_cosine: (x: number, w: number): number => x <= w ? rise(x, w) : 0.5 * (1 + Math.cos(Math.PI * x)),
  /** Up straight, then level. */
  warmup_constant: (x: number, w: number): number => rise(x, w),
};

/** One of {@linkcode schedules}. */
export type Schedule = "warmup_linear" | "warmup_cosine" | "warmup_constant";

/** With no warm-up there is nothing to rise from. */
function rise(x: number, w: number): number {
  return x <= w && w > 0 ? x / w : 1;
}
