import { type Download, downloads, fileName, listTasks, type TaskEntry } from "../data/mod.ts";
import { obtain } from "../data/obtain.ts";
import { InputError } from "../errors.ts";
import { exists } from "../files.ts";
import { checked, flag, oneOf, settle, text } from "../settings.ts";
import {
  addSections,
  addSettings,
  checkReadable,
  Command,
  given,
  interrupted,
  interruptible,
  run,
} from "./command.ts";
import { progress } from "../show/mod.ts";

/** The settings of `deno task data`. */
export const settings = {
  folder: { ...text, about: "folder of the data sets", unit: "folder", default: "data/cache" },
  from: {
    ...text,
    about: "your own copy of the published files, a folder or an archive",
    unit: "path",
    otherwise: "download",
  },
  list: { ...flag, about: "list names, sizes and licences, and which are downloaded", default: false },
};

const setNames = oneOf(downloads.map(({ name }) => name));

/** `deno task data`. */
export const command = addSections(
  addSettings(
    new Command("deno task data")
      .description(
        "Downloads the original files of benchmarks to data/cache/<name>, checks size and SHA-256, and unpacks them. An " +
          "interrupted download resumes when called again. Without a network, or for data that are available on request " +
          "only, --from uses your own copy.",
      )
      .argument("[names...]", `names of data sets: ${setNames.names!.join(", ")}`),
    settings,
  ),
  {
    "Time and disk": "As long as the downloads take, 0.03 to 313 MB each; --list gives their sizes.",
    "Examples": [
      "deno task data --list",
      "deno task data sst2 rte",
      "deno task data story-cloze --from ~/downloads/cloze.zip",
    ],
  },
).action(main);

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { folder, from, list } = settle("download data sets", settings, given(settings, options));
  for (const name of names) checked("download data sets", "name", setNames, name);
  if (from !== undefined) await checkReadable("your own copy", from);
  if (list) return await printList(folder);
  if (names.length === 0) {
    throw new InputError("Cannot download data sets as none is named: --list shows all names");
  }
  const signal = interruptible("");
  for (const set of downloads.filter(({ name }) => names.includes(name))) {
    const target = `${folder}/${set.name}`;
    if (await exists(target)) {
      console.error(`${target} exists already: remove it to download it again`);
      continue;
    }
    try {
      const checked = await obtainWithProgress(set, folder, from, signal);
      console.log(`${set.name}: ${target}${checked ? "" : ", not verified as no checksum is known"}`);
      const { licence, citation } = termsOf(set);
      console.log(`  licence: ${licence}\n  cite: ${citation}`);
    } catch (error) {
      if (!signal.aborted) throw error;
      return interrupted("Stopped before the end: the same command resumes from there");
    }
  }
}

/** Licence and citation, which are listed with the tasks. */
function termsOf({ name }: Download): TaskEntry {
  return listTasks().find(({ archive }) => archive === name)!;
}

/** Downloads a data set with a progress bar. */
async function obtainWithProgress(
  set: Download,
  folder: string,
  from: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  let bar: ReturnType<typeof progress> | undefined;
  let [current, first, since] = ["", 0, 0];
  try {
    return await obtain(set, folder, {
      from,
      signal,
      onProgress(file, bytes) {
        const name = fileName(file);
        if (name !== current) [current, first, since] = [name, bytes, performance.now()];
        bar ??= progress();
        bar.show({
          done: bytes / file.bytes,
          left: (performance.now() - since) / 1e3 / (bytes - first) * (file.bytes - bytes),
          text: bytes < file.bytes
            ? `${name}, ${megabytes(file.bytes)} MB`
            : `checking and unpacking ${name}`,
        });
      },
    });
  } finally {
    bar?.end();
  }
}

/** Prints a table of all data sets. */
async function printList(folder: string): Promise<void> {
  const rows = [["name", "MB", "local", "licence"]];
  for (const set of downloads) {
    const { name, files } = set;
    const size = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const there = await exists(`${folder}/${name}`);
    rows.push([name, size > 0 ? megabytes(size) : "–", there ? "yes" : "no", termsOf(set).licence]);
  }
  for (const [name, size, there, licence] of rows) {
    console.log(`${name!.padEnd(12)}${size!.padStart(7)}  ${there!.padEnd(6)} ${licence}`);
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1);

if (import.meta.main) await run(command);
