import { resolve } from "node:path";
import { checkCorpus } from "../data/mod.ts";
import { taskName } from "../data/settings.ts";
import { holderName } from "../claim.ts";
import { backend as engine, type BackendName } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { checkFolders, writeAtomic } from "../files.ts";
import { preset } from "../model/mod.ts";
import {
  flag,
  isPlain,
  list,
  listOrNone,
  type Schema,
  type Setting,
  text,
  whole,
  withDefaults,
} from "../settings.ts";
import { duration } from "../show/mod.ts";
import {
  ablateAnnounced,
  checkFolder,
  outlookOf,
  rowsOf,
  type RunState,
  smoke,
  studies,
  type StudyOptions,
  type StudyOutlook,
  usedOf,
} from "../study/mod.ts";
import { settleStudy, studySettings, withSmallValues } from "../study/settings.ts";
import {
  addSections,
  addSettings,
  argumentsOf,
  checkOut,
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
import { configSetting, readConfig, recordOf, type Values, warnOfOtherData } from "./config.ts";
import { type Output, outputOf, outputSettings } from "./output.ts";
import { jobScript, word } from "./slurm.ts";

/** What the help says of a study. */
interface About {
  readonly about: string;
  /** Running time and disk space with the default settings. */
  readonly cost: string;
  readonly examples: readonly string[];
}

const studiesAbout: { readonly [name in keyof typeof studies]: About } = {
  ablate: {
    about:
      "Pre-trains and fine-tunes GPT-1 in every arm, positions × λ, and reports significant differences.",
    cost:
      "Five to ten minutes on two cores and 60 MB, for 6 models pre-trained and 24 fine-tuned. Data, at the first use: 40 MB.",
    examples: [
      "deno task ablate --smoke",
      "deno task ablate --positions learned,rotary --lambda 0,0.5 --seeds 5",
      "deno task ablate --config data/studies/ablate/study.json --csv runs.csv",
    ],
  },
  compare: {
    about:
      "Pre-trains and fine-tunes GPT-1 and other language models of its size with the same training loop.",
    cost:
      "20 minutes on two cores and 70 MB, for 12 models pre-trained and 24 fine-tuned. Data, at the first use: 40 MB.",
    examples: [
      "deno task compare --smoke",
      "deno task compare --models gpt1,lstm --tasks kind --seeds 5",
      "deno task compare --list",
    ],
  },
  suite: {
    about: "Fine-tunes GPT-1 on a task of every kind, pre-trained and from scratch.",
    cost:
      "Two and a half hours on two cores and 280 MB, for 3 models pre-trained and 48 fine-tuned. Data, at the first use: 60 MB.",
    examples: [
      "deno task suite --smoke",
      "deno task suite --pretrained mini --tasks imdb,kind --seeds 3",
      "deno task suite --transfer all,0,-1 --tasks imdb --list",
    ],
  },
};

const { signal: _signal, base: _base, ...textSettings } = studySettings;

/** The settings that a file may have: those of a study.json, in which tasks and the corpus are names. */
const fileSettings = {
  ...textSettings,
  tasks: { ...textSettings.tasks, ...listOrNone(taskName) },
  zeroShot: { ...textSettings.zeroShot, ...list(taskName) },
  corpus: { ...textSettings.corpus, ...text },
} satisfies Schema;

/** The settings of a study's command. */
export function settingsFor(name: keyof typeof studies) {
  const defaults = studies[name];
  const { preset: _, mainContrasts: __, smoke, ...inherited } = withDefaults(fileSettings, defaults);
  return {
    smoke: { ...flag, about: smoke.about, default: false },
    list: { ...flag, about: "list which runs are done, running and pending; start none", default: false },
    slurm: {
      ...whole({ from: 1, to: 1000 }), // By default Slurm takes 1,001.
      about: "write a Slurm job script whose tasks share the runs; start none",
      unit: "tasks",
      otherwise: "none",
    },
    csv: { ...text, about: "write a row per run to this CSV file", unit: "file", otherwise: "none" },
    config: configSetting,
    ...outputSettings,
    ...inherited,
    ...modelSettings(defaults.preset),
    backend: computeSettings.backend, // Each arm has one thread, as arms run in parallel.
  } satisfies Schema;
}

/** The command of a study. */
function commandOf(name: keyof typeof studies): Command {
  const { about, cost, examples } = studiesAbout[name];
  const command = new Command(name).description(
    `${about} Each run's result is stored: an interrupted study resumes where it was stopped.`,
  );
  addSettings(command, settingsFor(name), {
    "Arms": ["models", "positions", "lambda", "transfer", "tasks", "vary", "seeds"],
    "Tuning": ["tune", "tunePer", "tuneAt", "tunedBy"],
    "Model size": ["preset", "size"],
    "Pre-training": [
      "pretrained",
      "corpus",
      "merges",
      "pretrain",
      "heldoutWindows",
      "heldoutContext",
      "zeroShot",
    ],
    "Fine-tuning": ["finetune", "words", "trainExamples", "sample", "testExamples"],
    "Findings": ["margins"],
    "Run": [
      ...["smoke", "list", "slurm", "folder", "config", "csv", "quiet", "json"] as const,
      ...["workers", "saveEvery", "backend"] as const,
    ],
  });
  addSections(command, {
    "Time and disk": cost,
    "Settings in a file": [
      "--config repeats the study of a study.json, or of the JSON that a study",
      "printed, or reads settings of your own by the same names, such as",
      '{ "seeds": 5, "preset": { "layers": 2 }, "finetune": { "rate": 1e-3 } }.',
    ],
    "JSON": [
      "{ settings, complete, failures, scores: [arm by task],",
      "  runs: [{ model, positions, lambda, transfer, seed, task, score, stuck, … }],",
      "  tuning: [{ task, validation, chosen, … }], mainContrasts: [difference],",
      "  differences: [{ where, difference, unit, n, mean, low, high, p, finding }] }",
      "low and high bound 95 % intervals, over examples for a run, else over both",
      "seeds and examples.",
      "With --list: { settings, runs: [{ run, state, share, seconds, holder }] }.",
      "With --slurm: { settings, script }.",
    ],
    "Examples": examples,
  });
  return command.action((options) => main(name, options));
}

/** The settings of a file, in which a preset may be a name. */
function rename({ preset: size, ...settings }: Values, refuse: (why: string) => never): Values {
  if ("trained" in settings || "run" in settings) {
    return refuse("it is one run, not a study, whose settings are in its study.json");
  }
  const { vary, tune } = studySettings;
  return {
    ...settings,
    ...isPlain(settings["vary"]) && { vary: asOption(vary, settings["vary"]) },
    ...isPlain(settings["tune"]) && { tune: asOption(tune, settings["tune"]) },
    preset: typeof size === "string" ? preset(size) : size,
  };
}

/** Settings with several values, read as on a command line, where numbers and `all` are texts. */
function asOption<T>(setting: Setting<T>, values: Values): T {
  return Object.entries(values).map(([path, levels]) =>
    setting.read(`${path}=${[levels].flat().join(",")}`) as T
  )
    .reduce((all, one) => setting.merge!(all, one));
}

async function main(name: keyof typeof studies, options: Record<string, unknown>): Promise<void> {
  const own = given(settingsFor(name), options) as Given;
  const { smoke: isSmall, list, slurm, csv, config, quiet = false, json = false, ...changed } = own;
  if (slurm !== undefined && list) {
    throw new InputError("Cannot use --slurm with --list as a list starts no runs: leave one of them out");
  }
  if (list && csv !== undefined) {
    throw new InputError(
      "Cannot use --list with --csv as it lists runs, and has no scores: leave either out",
    );
  }
  if (slurm !== undefined && csv !== undefined) {
    throw new InputError(
      "Cannot use --slurm with --csv as each task would write it: repeat the command with --csv when they are done",
    );
  }
  const { preset: named, size = {}, backend, ...changes } = changed;
  const output = outputOf({ quiet, json });
  const { values: recorded, digests } = config === undefined
    ? { values: {}, digests: {} }
    : await readConfig(config, fileSettings, rename);
  const { workers, ...asked } = settleStudy(studies[name], recorded);
  const pretrained = changes.pretrained ?? asked.pretrained;
  if (pretrained !== undefined) {
    const { corpus, merges, pretrain, heldoutWindows, heldoutContext } = changes;
    const ignored = Object.entries({
      preset: named,
      corpus,
      merges,
      heldoutWindows,
      heldoutContext,
      ...size,
      ...prefixed(pretrain),
    })
      .find(([, value]) => value !== undefined);
    if (ignored) {
      throw new InputError(
        `Cannot use ${flagOf([ignored[0]])} with --pretrained as ${pretrained} is pre-trained already`,
      );
    }
  }
  const isSmoke = isSmall ?? asked.smoke;
  const base = isSmoke ? smoke(asked) : asked;
  const settled = settleStudy(base, {
    ...workers !== undefined && { workers },
    ...changes,
    preset: chosenPreset({ ...named && { preset: named }, size }, base.preset),
  });
  const study = isSmoke ? withSmallValues(settled) : settled;
  if (isSmoke) noteSmall({ ...asked, ...changes }, study, output);
  if (study.pretrained === undefined && typeof study.corpus === "string") await checkCorpus(study.corpus);
  const { workers: parallel = navigator.hardwareConcurrency, ...settings } = study;
  checkFolders(list ? "list" : "write", study.folder);
  if (list) {
    await engine(backend, { threads: 1 }); // As a run has, for the estimate of its time.
    const outlook = await outlookOf(settings);
    warnOfOtherData(config, digests, outlook.digests);
    output.finish({
      settings: recordOf(usedOf(study)),
      runs: outlook.runs.map((run) => ({ holder: null, ...run })),
    });
    return printRuns(outlook, parallel, output);
  }
  if (slurm !== undefined) {
    const { workers = 1 } = study, folder = resolve(study.folder);
    const args = argumentsOf(settingsFor(name), { ...own, slurm: undefined, workers: undefined });
    const script = jobScript({ name, args, tasks: slurm, workers, folder });
    await engine(backend, { threads: 1 });
    const outlook = await outlookOf(settings); // Downloads data, too, which a cluster's nodes may be unable to.
    warnOfOtherData(config, digests, outlook.digests);
    await checkFolder(study.folder);
    const path = `${folder}/slurm.sh`;
    await writeAtomic(path, [script]);
    output.note(inWords(outlook, slurm * workers, study.folder));
    output.print(`sbatch ${word(path)}`);
    return output.finish({ settings: recordOf(usedOf(study)), script: path });
  }
  if (csv !== undefined) await checkOut([csv]);
  await checkFolder(study.folder);
  await checkReadable("results", study.folder); // An interrupted study reads them.
  await start({ threads: 1, ...backend && { backend } }, output.note);

  const begin = performance.now();
  const controller = new AbortController();
  let isListening = false;
  // Before the first update there is nothing to save: Ctrl-C exits immediately.
  const announced = ablateAnnounced(
    { ...study, signal: controller.signal },
    (outlook) => {
      warnOfOtherData(config, digests, outlook.digests);
      output.note(inWords(outlook, parallel, study.folder));
    },
  );
  const found = await output.watch(announced, () => {
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
  if (csv !== undefined) await writeAtomic(csv, [found.runs.toCSV()]);
  output.print(`\n${found.report}`);
  const { complete, failures, runs, tuning, scores, mainContrasts, effects } = found;
  output.finish({
    ...isSmoke && { smoke: "a test that everything works: its numbers mean nothing" },
    settings: recordOf(usedOf(study)),
    ...{ complete, failures, scores: scores.map((score) => ({ constant: null, ...score })) },
    runs: rowsOf(runs),
    tuning: rowsOf(tuning),
    ...{ mainContrasts, differences: effects },
  });
  output.note(`Done in ${duration((performance.now() - begin) / 1e3)}`);
}

/** Notes which values of `vary` and `tune` a test of everything has instead of those that were asked for. */
function noteSmall(asked: StudyOptions, study: StudyOptions, { note }: Output): void {
  const textOf = (levels: unknown) =>
    [levels].flat().map((level) => level === Infinity ? "all" : level).join(", ");
  const changed = (["vary", "tune"] as const).flatMap((name) =>
    Object.entries(study[name] ?? {}).flatMap(([path, levels]) => {
      const [small, before] = [levels, asked[name]?.[path] ?? levels].map(textOf);
      const what = path === "seeds" ? "seeds of tuning" : path;
      return small === before ? [] : [`${what} ${small} instead of ${before}`];
    })
  );
  if (changed.length > 0) note(`Smoke test: ${changed.join("; ")}`);
}

/** What a study is about to take, in words. */
function inWords(outlook: StudyOutlook, workers: number, folder: string): string {
  const { runs, bytes } = outlook, open = openOf(outlook);
  return open === 0
    ? `All ${runs.length} runs are done`
    : `${open} of ${runs.length} runs to do: ${timeInWords(outlook, Math.min(open, workers))}, and ${
      Math.ceil(bytes / 1e6)
    } MB in ${folder}`;
}

/** Number of a study's runs that are not done. */
const openOf = ({ runs }: StudyOutlook) => runs.filter(({ state }) => state !== "done").length;

/** How long the rest of a study takes, in words: at least as long as runs that wait for each other. */
function timeInWords({ seconds, longest }: StudyOutlook, parallel: number): string {
  return `about ${duration(Math.max(seconds / parallel, longest))} with ${parallel} in parallel`;
}

/** Prints the state of each run of a study, and how long the rest will take. */
function printRuns(outlook: StudyOutlook, workers: number, { print }: Output): void {
  const { runs } = outlook;
  const width = Math.max(...runs.map(({ run }) => run.length));
  for (const { run, state, share, seconds, holder } of runs) {
    const percent = share > 0 && share < 1 ? `, ${Math.floor(100 * share)} % of its updates done` : "";
    const by = holder ? `, by ${holderName(holder)} since ${holder.since}` : "";
    const time = `${state === "done" ? "" : "about "}${duration(seconds)}`;
    print(`${run.padEnd(width)}  ${state}, ${time}${percent}${by}`);
  }
  const count = (state: RunState["state"]) => runs.filter((run) => run.state === state).length;
  const estimate = openOf(outlook) === 0 ? "" : `; ${timeInWords(outlook, workers)}`;
  print(
    `${count("done")} of ${runs.length} runs done, ${count("running")} running, ${
      count("pending")
    } pending${estimate}`,
  );
}

/** What the options of a study's command give. */
type Given =
  & StudyOptions
  & Partial<Parameters<typeof chosenPreset>[0]>
  & {
    readonly smoke?: boolean;
    readonly list?: boolean;
    readonly slurm?: number;
    readonly csv?: string;
    readonly config?: string;
    readonly quiet?: boolean;
    readonly json?: boolean;
    readonly backend?: BackendName;
  };

/** The settings of `pretrain` with a prefix. */
function prefixed(pretrain: StudyOptions["pretrain"] = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(pretrain).map(([name, value]) => [`pretrain-${name}`, value]));
}

/** `deno task ablate`, `compare` and `suite`. */
export const command = new Command("deno task");
for (const name of Object.keys(studiesAbout)) {
  command.addCommand(commandOf(name as keyof typeof studies));
}
if (import.meta.main) await run(command);
