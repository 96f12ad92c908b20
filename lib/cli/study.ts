import { checkCorpus } from "../data/mod.ts";
import { taskName } from "../data/settings.ts";
import { holderName } from "../claim.ts";
import { backend as engine, type BackendName } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { checkWritable } from "../files.ts";
import { flag, list, type Schema, text, withDefaults } from "../settings.ts";
import { duration, watch } from "../show/mod.ts";
import {
  ablate,
  outlookOf,
  report,
  type RunState,
  smoke,
  studies,
  type StudyOptions,
  type StudySettings,
} from "../study/mod.ts";
import { settleStudy, studySettings } from "../study/settings.ts";
import {
  addSettings,
  checkReadable,
  chosenPreset,
  Command,
  computeSettings,
  flagOf,
  given,
  interrupted,
  interruptible,
  modelSettings,
  run,
  start,
} from "./command.ts";

const about: { readonly [name in keyof typeof studies]: string } = {
  ablate: "Pre-trains and fine-tunes GPT-1 in every arm, positions × λ, and reports significant differences.",
  compare:
    "Pre-trains and fine-tunes GPT-1 and other language models of its size with the same training loop.",
  suite: "Fine-tunes GPT-1 on a task of every kind, pre-trained and from scratch.",
};

/** The settings of a study's command. */
export function settingsFor(name: keyof typeof studies) {
  const defaults = studies[name];
  const { preset: _, signal: __, ...inherited } = withDefaults(studySettings, defaults);
  return {
    smoke: { ...flag, about: "a one-minute test that everything works; its results are meaningless" },
    list: { ...flag, about: "list which runs are done, running and pending, and start none" },
    ...inherited,
    tasks: { ...inherited.tasks, ...list(taskName) },
    zeroShot: { ...inherited.zeroShot, ...list(taskName) },
    corpus: { ...inherited.corpus, ...text },
    ...modelSettings(defaults.preset),
    backend: computeSettings.backend, // Each arm has one thread, as arms run in parallel.
  } satisfies Schema;
}

/** The command of a study. */
function commandOf(name: keyof typeof studies): Command {
  const command = new Command(name).description(
    `${about[name]} Each run's result is stored: an interrupted study resumes where it was stopped.`,
  );
  return addSettings(command, settingsFor(name)).action((options) => main(name, options));
}

async function main(name: keyof typeof studies, options: Record<string, unknown>): Promise<void> {
  const { smoke: isSmoke, list, preset, size = {}, backend, ...changes } = given(
    settingsFor(name),
    options,
  ) as
    & StudyOptions
    & Partial<Parameters<typeof chosenPreset>[0]>
    & { readonly smoke?: boolean; readonly list?: boolean; readonly backend?: BackendName };
  if (changes.pretrained !== undefined) {
    const { corpus, merges, pretrain, heldoutWindows } = changes;
    const ignored = Object.entries({
      preset,
      corpus,
      merges,
      heldoutWindows,
      ...size,
      ...prefixed(pretrain),
    })
      .find(([, value]) => value !== undefined);
    if (ignored) {
      throw new InputError(
        `Cannot use ${
          flagOf([ignored[0]])
        } with --pretrained as ${changes.pretrained} is pre-trained already`,
      );
    }
  }
  const base = isSmoke ? smoke(studies[name]) : studies[name];
  const study = settleStudy(base, {
    ...changes,
    preset: chosenPreset({ ...preset && { preset }, size }, base.preset),
  });
  if (study.pretrained === undefined && typeof study.corpus === "string") await checkCorpus(study.corpus);
  if (list) {
    await engine(backend, { threads: 1 }); // As a run has, for the estimate of its time.
    return await printRuns(study);
  }
  await checkWritable(`${study.folder}/study.json`);
  await checkReadable("results", study.folder); // An interrupted study reads them.
  await start({ threads: 1, ...backend && { backend } });
  console.error(await outlook(study));

  const begin = performance.now();
  const controller = new AbortController();
  let isListening = false;
  // Before the first update there is nothing to save: Ctrl-C exits immediately.
  const found = await watch(ablate({ ...study, signal: controller.signal }), () => {
    if (!isListening) interruptible(undefined, controller);
    isListening = true;
  });
  for (const failure of found.failures) console.error(failure);
  if (found.failures.length > 0) {
    console.error("The same command retries these; results of the others are kept");
    Deno.exitCode = 1;
  } else if (!found.complete) {
    return interrupted("Stopped before the end: the same command resumes from here");
  }
  console.log(`\n${report(found)}`);
  console.error(`Done in ${duration((performance.now() - begin) / 1e3)}`);
}

/** What a study is about to take, in words. */
async function outlook(
  { workers = navigator.hardwareConcurrency, ...study }: StudySettings & { workers?: number },
): Promise<string> {
  const { runs, seconds, bytes } = await outlookOf(study);
  const open = runs.filter(({ state }) => state !== "done").length;
  if (open === 0) return `All ${runs.length} runs are done`;
  const parallel = Math.min(open, workers), megabytes = Math.ceil(bytes / 1e6);
  return `${open} of ${runs.length} runs to do: about ${
    duration(seconds / parallel)
  } with ${parallel} in parallel, ` +
    `and ${megabytes} MB in ${study.folder}`;
}

/** Prints the state of each run of a study, and how long the rest will take. */
async function printRuns(
  { workers = navigator.hardwareConcurrency, ...study }: StudySettings & { workers?: number },
) {
  const { runs, seconds: left } = await outlookOf(study);
  const width = Math.max(...runs.map(({ run }) => run.length));
  for (const { run, state, share, seconds, holder } of runs) {
    const percent = share > 0 && share < 1 ? `, ${Math.floor(100 * share)} % of its updates done` : "";
    const by = holder ? `, by ${holderName(holder)} since ${holder.since}` : "";
    const time = seconds === undefined ? "" : `, ${state === "done" ? "" : "about "}${duration(seconds)}`;
    console.log(`${run.padEnd(width)}  ${state}${time}${percent}${by}`);
  }
  const count = (state: RunState["state"]) => runs.filter((run) => run.state === state).length;
  const estimate = count("done") === runs.length
    ? ""
    : `; about ${duration(left / workers)} with ${workers} in parallel`;
  console.log(
    `${count("done")} of ${runs.length} runs done, ${count("running")} running, ${
      count("pending")
    } pending${estimate}`,
  );
}

/** The settings of `pretrain` with a prefix. */
function prefixed(pretrain: StudyOptions["pretrain"] = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(pretrain).map(([name, value]) => [`pretrain-${name}`, value]));
}

/** `deno task ablate`, `compare` and `suite`. */
export const command = new Command("deno task");
for (const name of Object.keys(about)) command.addCommand(commandOf(name as keyof typeof about));
if (import.meta.main) await run(command);
