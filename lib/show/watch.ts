import { progress, type ProgressDisplay, type ProgressEvent } from "./progress.ts";
import { checked, type SchemaOf, settle, text, value } from "../settings.ts";
import { liveProgress } from "./live.ts";
import { jupyter } from "../kernel.ts";

/** One update of a training run, as far as it is displayed; training records have these fields. */
export interface TrainingStep {
  /** Number of this update, from 1. */
  readonly update: number;
  /** Total number of updates. */
  readonly updates: number;
  /** Training loss, in nats. */
  readonly loss: number;
  /** Training time so far in seconds, including time before an interruption. */
  readonly seconds: number;
}

/** Progress of a study; its records have these fields. */
export interface StudyStep {
  /** The current run, or what the study waits for. */
  readonly run: string;
  /** Number of finished runs. */
  readonly finished: number;
  /** Number of runs. */
  readonly runs: number;
  /** Fraction of the work done, from 0 to 1. */
  readonly done: number;
  /** Estimated seconds left. */
  readonly left: number;
  /** The update; absent while the study waits for other processes. */
  readonly record?: TrainingStep;
}

/** A run: an asynchronous iterable of its steps, and a promise of its result. */
export type Watched<Result, Step extends TrainingStep | StudyStep> =
  & AsyncIterable<Step>
  & PromiseLike<Result>;

const isRun = value(
  "what pretrain, finetune or a study returns",
  (value): value is AsyncIterable<unknown> => typeof (value as never)?.[Symbol.asyncIterator] === "function",
);

/** Options of {@linkcode watch}. */
export interface WatchOptions<Step extends TrainingStep | StudyStep> {
  /** What the run is, for the title of its loss curve. */
  readonly title?: string | undefined;
  /** Called with each record. */
  readonly each?: ((record: Step) => void) | undefined;
}

/** The settings of {@linkcode WatchOptions}. */
export const watchSettings = {
  title: { ...text, about: "what the run is", otherwise: "none" },
  each: {
    ...value("a function", (each): each is (record: unknown) => void => typeof each === "function"),
    about: "called with each record",
    otherwise: "none",
  },
} satisfies SchemaOf<WatchOptions<never>>;

/**
 * Executes a run and displays its progress and remaining time: a loss curve or a progress bar in a notebook, a bar in a
 * terminal, or a line every few seconds elsewhere. A curve has some 50 points, each the mean of several updates' losses:
 * the loss of one batch says little.
 *
 * @param run The return value of `pretrain`, `finetune` or a study.
 * @param options A title, and what is called with each record.
 * @returns The run's result.
 * @throws {InputError} If an option is unknown or of the wrong type.
 *
 * @example
 * ```ts ignore
 * import { backend, corpus, gpt, presets, pretrain, trainBpe, watch } from "../mod.ts";
 *
 * await backend();
 * const text = await corpus("moby-dick");
 * const lm = gpt(presets.mini, { tokenizer: trainBpe(text.train, { merges: 4000 }) });
 * await watch(pretrain(lm, text, { updates: 500, checkpoint: "mini.part" }), { title: "mini" });
 * ```
 */
export function watch<Result, Step extends TrainingStep | StudyStep>(
  run: Watched<Result, Step>,
  options: WatchOptions<Step> = {},
): Promise<Result> {
  checked("watch", "a run", isRun, run);
  const { title, each } = settle("watch a run", watchSettings, options);
  const kernel = jupyter();
  return follow(run, kernel ? liveProgress(kernel, title) : progress(), each);
}

/** Displays a run's progress until it ends. */
export async function follow<Result, Step extends TrainingStep | StudyStep>(
  run: Watched<Result, Step>,
  display: ProgressDisplay,
  each?: (record: Step) => void,
): Promise<Result> {
  const eventOf = progressEvents();
  try {
    for await (const record of run) {
      each?.(record);
      await display.show(eventOf(record));
    }
  } finally {
    await display.end();
  }
  return await run;
}

/** Converts records to progress events. The speed of a resumed run is measured from where it resumed. */
function progressEvents(): (record: TrainingStep | StudyStep) => ProgressEvent {
  let begin: Pick<TrainingStep, "update" | "seconds"> | undefined;
  return (record) => {
    if ("runs" in record) {
      const { run, finished, runs, done, left, record: update } = record;
      return {
        done,
        left,
        text: `${finished} of ${runs} runs finished, ${run}${
          update ? `, loss ${update.loss.toFixed(3)}` : ""
        }`,
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
