/**
 * OpenAI's learning-rate schedules: the factor at x, the fraction of updates completed, with warm-up fraction w. The
 * first update of a warm-up has learning rate 0, as in OpenAI's code.
 */
export const schedules = {
  /** Linear warm-up and linear decay to 0 (fine-tuning, §4.1). The decay also applies in warm-up, as in OpenAI's code. */
  warmup_linear: (x: number, w: number): number => rise(x, w) * (1 - x),
  /** Linear warm-up and cosine decay (pre-training, §4.1). The cosine starts at x = 0, not at w, as in OpenAI's code. */
  warmup_cosine: (x: number, w: number): number => x <= w ? rise(x, w) : 0.5 * (1 + Math.cos(Math.PI * x)),
  /** Linear warm-up, then constant. */
  warmup_constant: (x: number, w: number): number => rise(x, w),
};

/** One of {@linkcode schedules}. */
export type Schedule = "warmup_linear" | "warmup_cosine" | "warmup_constant";

/** Warm-up factor; 1 without warm-up. */
function rise(x: number, w: number): number {
  return x <= w && w > 0 ? x / w : 1;
}
