import { InputError } from "../errors.ts";
import { displayAs } from "../kernel.ts";
import { started } from "./backend.ts";

/** Work in steps: iterate it for its steps, or await it for its result, or both. */
export interface Run<Result, Step> extends AsyncIterable<Step>, PromiseLike<Result> {}

/**
 * Turns a generator of steps into a {@linkcode Run}. It starts when it is first iterated or awaited, and starts
 * the default backend if none was chosen. Iterating it a second time throws an {@linkcode InputError}.
 *
 * @param hint What it displays before it has started. Default: that of a training run.
 */
export function asRun<Result, Step>(
  steps: AsyncGenerator<Step, Result>,
  hint =
    "a run that has not started: write await before it, or watch it, as in await watch(run), or iterate it, as in " +
    "for await (const record of run)",
): Run<Result, Step> {
  let result: Promise<Result> | undefined;
  let finish!: { resolve: (result: Result) => void; reject: (error: unknown) => void };
  const finished = new Promise<Result>((resolve, reject) => finish = { resolve, reject });
  finished.catch(() => {}); // Who iterates gets the error from the iteration.
  async function* iterate(): AsyncGenerator<Step, void> {
    try {
      await started();
      finish.resolve(yield* steps);
    } catch (error) {
      finish.reject(error);
      throw error;
    } finally {
      finish.reject(
        new InputError("Cannot return the result of a run whose iteration was left before its end"),
      );
    }
  }
  let iterator: AsyncGenerator<Step, void> | undefined;
  const drain = async (): Promise<Result> => {
    for await (const _ of iterator ??= iterate());
    return finished;
  };
  const made: Run<Result, Step> = {
    [Symbol.asyncIterator]: () => {
      if (!iterator) return iterator = iterate();
      throw new InputError(
        "Cannot iterate a run again as it is executed once: await it for its result, or start another",
      );
    },
    then: (fulfilled, rejected) => (result ??= drain()).then(fulfilled, rejected),
  };
  return displayAs(made, () => iterator ? "a run that has started: await it for its result" : hint);
}
