import { type Face, progress, type Step } from "./progress.ts";
import { checked, value } from "../settings.ts";
import { liveProgress } from "./live.ts";
import { jupyter } from "../kernel.ts";

/** What is shown of an update; a training's records have it. */
export interface Update {
  /** Updates made, this one included. */
  readonly update: number;
  /** Updates that there will be. */
  readonly updates: number;
  /** What was minimised, in nats. */
  readonly loss: number;
  /** Seconds of the run so far, those before an interruption included. */
  readonly seconds: number;
}

/** What is shown of a study's update; a study's records have it. */
export interface StudyStep {
  /** The run that made the update; or what is waited for. */
  readonly run: string;
  /** Runs that are through. */
  readonly finished: number;
  /** Runs of the study. */
  readonly runs: number;
  /** Share of the work that is done, from 0 to 1. */
  readonly done: number;
  /** Seconds that are left. */
  readonly left: number;
  /** The update; none while other processes are waited for. */
  readonly record?: Update;
}

/** A run under way, whose records are updates or steps of a study, and which ends in a result. */
export type Watched<Result, Step extends Update | StudyStep> = AsyncIterable<Step> & PromiseLike<Result>;

const isRun = value(
  "what a training or a study returns",
  (value): value is AsyncIterable<unknown> => typeof (value as never)?.[Symbol.asyncIterator] === "function",
);

/**
 * Carries a run out and shows how far it is and how long it will take: in a notebook by a bar and a curve of the loss
 * that grow in place, in a terminal by a bar, elsewhere by a line every few seconds.
 *
 * @param run What a training or a study returns.
 * @param each Called with each record, to keep what is wanted of it.
 * @returns The run's result.
 *
 * @example
 * ```ts ignore
 * import { backend, corpus, gpt, presets, pretrain, trainBpe, watch } from "../mod.ts";
 *
 * await backend();
 * const books = await corpus("moby-dick");
 * const lm = gpt(presets.mini, { tokenizer: trainBpe(books.train, { merges: 4000 }) });
 * await watch(pretrain(lm, books, { updates: 500, checkpoint: "mini.part" }));
 * ```
 */
export function watch<Result, Step extends Update | StudyStep>(
  run: Watched<Result, Step>,
  each?: (record: Step) => void,
): Promise<Result> {
  checked("watch", "a run", isRun, run);
  const kernel = jupyter();
  return follow(run, kernel ? liveProgress(kernel) : progress(), each);
}

/** Shows a run's steps by a face, to its end. */
export async function follow<Result, Step extends Update | StudyStep>(
  run: Watched<Result, Step>,
  face: Face,
  each?: (record: Step) => void,
): Promise<Result> {
  const stepOf = stepper();
  try {
    for await (const record of run) {
      each?.(record);
      await face.show(stepOf(record));
    }
  } finally {
    await face.end();
  }
  return await run;
}

/** Turns records into steps. The pace of a run that was resumed is that of its part from there on. */
function stepper(): (record: Update | StudyStep) => Step {
  let begin: Pick<Update, "update" | "seconds"> | undefined;
  return (record) => {
    if ("runs" in record) {
      const { run, finished, runs, done, left, record: update } = record;
      return {
        done,
        left,
        text: `${finished} of ${runs} runs made, ${run}${update ? `, loss ${update.loss.toFixed(3)}` : ""}`,
      };
    }
    const { update, updates, loss, seconds } = record;
    begin ??= update === 1 ? { update: 0, seconds: 0 } : { update, seconds };
    return {
      done: update / updates,
      left: (seconds - begin.seconds) / (update - begin.update) * (updates - update),
      text: `update ${update} of ${updates}, loss ${loss.toFixed(3)}`,
      point: { update, loss },
    };
  };
}
