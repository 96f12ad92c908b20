/** What came of one attack. */
export interface Outcome {
  /** What was done, in a line. */
  readonly name: string;
  /** What should not have happened; absent if the kit withstood it. */
  readonly wrong?: string;
  /** Seconds that the kit took, where the attack's own are left out. */
  readonly seconds?: number;
  /** Memory that it took, where that is measured. */
  readonly megabytes?: number;
}

/** Attacks of one kind. */
export interface Part {
  /** What is attacked, and how, in a line. */
  readonly about: string;
  /** Attacks of a full run. */
  readonly times: number;
  /**
   * Carries out one attack after the other, for as long as its reader asks for more; the same seed gives the same
   * attacks in the same order. What it needs, it makes in a folder of its own, and removes when it is left.
   */
  attacks(seed: number): AsyncGenerator<Outcome, void>;
}

/** The first outcomes of a part: a slice for a test. */
export async function outcomesOf(part: Part, seed: number, times: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for await (const outcome of part.attacks(seed)) {
    outcomes.push(outcome);
    if (outcomes.length === times) break;
  }
  return outcomes;
}
