import { Command } from "commander";
import { checkCorpus } from "../data/mod.ts";
import { taskName } from "../data/settings.ts";
import { holderName } from "../claim.ts";
import type { BackendName } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { checkWritable } from "../files.ts";
import { flag, list, type Schema, text, withDefaults } from "../settings.ts";
import { duration, watch } from "../show/mod.ts";
import {
  ablate,
  listRuns,
  report,
  smoke,
  studies,
  type StudyOptions,
  type StudySettings,
} from "../study/mod.ts";
import { settleStudy, studySettings } from "../study/settings.ts";
import {
  addSettings,
  chosenPreset,
  flagOf,
  given,
  interrupted,
  interruptible,
  modelSettings,
  placeSettings,
  run,
  start,
} from "./command.ts";

const about: { readonly [name in keyof typeof studies]: string } = {
  ablate: "Pre-trains GPT-1 and fine-tunes it in every arm, positions × λ, and says what can be told apart.",
  compare: "Pre-trains and fine-tunes GPT-1 and other language models of its size under the same loop.",
  suite: "Fine-tunes GPT-1 on a task of every kind, pre-trained and from scratch.",
};

/** What the command of a study takes. */
export function settingsFor(name: keyof typeof studies) {
  const usual = studies[name];
  const { preset: _, signal: __, ...own } = withDefaults(studySettings, usual);
  return {
    smoke: { ...flag, about: "a minute's run that shows that everything works, and finds out nothing" },
    list: { ...flag, about: "says which runs are made, under way and left, and begins none" },
    ...own,
    tasks: { ...own.tasks, ...list(taskName) },
    zeroShot: { ...own.zeroShot, ...list(taskName) },
    corpus: { ...own.corpus, ...text },
    ...modelSettings(usual.preset),
    backend: placeSettings.backend, // An arm has one thread: they run side by side.
  } satisfies Schema;
}

/** The command of a study: its name, and its settings as options. */
function commandOf(name: keyof typeof studies): Command {
  const command = new Command(name).description(
    `${about[name]} Each run's result is kept: a study that was stopped goes on where it stood.`,
  );
  return addSettings(command, settingsFor(name)).action((options) => main(name, options));
}

async function main(name: keyof typeof studies, options: Record<string, unknown>): Promise<void> {
  const { smoke: small, list, preset, size = {}, backend, ...own } = given(settingsFor(name), options) as
    & StudyOptions
    & Partial<Parameters<typeof chosenPreset>[0]>
    & { readonly smoke?: boolean; readonly list?: boolean; readonly backend?: BackendName };
  if (own.pretrained !== undefined) {
    const { corpus, merges, pretrain, heldoutWindows } = own;
    const passedOver = Object.entries({
      preset,
      corpus,
      merges,
      heldoutWindows,
      ...size,
      ...prefixed(pretrain),
    })
      .find(([, value]) => value !== undefined);
    if (passedOver) {
      throw new InputError(
        `Cannot use ${flagOf([passedOver[0]])} with --pretrained as ${own.pretrained} is pre-trained already`,
      );
    }
  }
  const base = small ? smoke(studies[name]) : studies[name];
  const study = settleStudy(base, {
    ...own,
    preset: chosenPreset({ ...preset && { preset }, size }, base.preset),
  });
  if (study.pretrained === undefined && typeof study.corpus === "string") await checkCorpus(study.corpus);
  if (list) return await tell(study);
  await checkWritable(`${study.folder}/study.json`);
  await start({ threads: 1, ...backend && { backend } });

  const begin = performance.now();
  const controller = new AbortController();
  let listens = false;
  // Before the first update there is nothing to save: Ctrl-C ends the command at once.
  const found = await watch(ablate({ ...study, signal: controller.signal }), () => {
    if (!listens) interruptible(undefined, controller);
    listens = true;
  });
  for (const failure of found.failures) console.error(failure);
  if (found.failures.length > 0) {
    console.error("The same command tries these again; the others are kept");
    Deno.exitCode = 1;
  } else if (!found.complete) {
    return interrupted("Stopped before the end: the same command goes on from here");
  }
  console.log(`\n${report(found)}`);
  console.error(`Done in ${duration((performance.now() - begin) / 1e3)}`);
}

/** How far a study is, a run a line, and how long the rest will take. */
async function tell(
  { workers = navigator.hardwareConcurrency, ...study }: StudySettings & { workers?: number },
) {
  const runs = await listRuns(study);
  const width = Math.max(...runs.map(({ run }) => run.length));
  for (const { run, state, share, seconds, holder } of runs) {
    const percent = share > 0 && share < 1 ? `, ${Math.floor(100 * share)} % of its updates made` : "";
    const by = holder ? `, by ${holderName(holder)} since ${holder.since}` : "";
    const took = seconds === undefined ? "" : `, ${state === "made" ? "" : "about "}${duration(seconds)}`;
    console.log(`${run.padEnd(width)}  ${state}${took}${percent}${by}`);
  }
  const of = (wanted: string) => runs.filter(({ state }) => state === wanted).length;
  const left = runs.reduce((sum, { share, seconds = NaN }) => sum + (1 - share) * seconds, 0);
  const estimate = of("made") === runs.length
    ? ""
    : Number.isNaN(left)
    ? "; how long they take is known when one is made"
    : `; about ${duration(left / workers)} for ${workers} side by side`;
  console.log(
    `${of("made")} of ${runs.length} runs made, ${of("under way")} under way, ${of("left")} left${estimate}`,
  );
}

/** Settings of a group by the names that they have outside of it. */
function prefixed(pretrain: StudyOptions["pretrain"] = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(pretrain).map(([name, value]) => [`pretrain-${name}`, value]));
}

/** `deno task ablate`, `compare` and `suite`. */
export const command = new Command("deno task");
for (const name of Object.keys(about)) command.addCommand(commandOf(name as keyof typeof about));
if (import.meta.main) await run(command);
