import { checkFolders, checkWritable, exists, fileError, writeAtomic } from "../files.ts";
import { dirname } from "node:path";
import { InputError, named } from "../errors.ts";
import {
  execute,
  findNotebooks,
  findPython,
  format,
  formatNotebook,
  nameOf,
  type Notebook,
  originalOf,
  readNotebook,
  translationOf,
  updateTranslation,
} from "../notebook/mod.ts";
import { flag, number, settle, text } from "../settings.ts";
import { addSections, addSettings, Command, given, interrupted, interruptible, run } from "./command.ts";

/** The settings of `deno task notebooks`. */
export const settings = {
  smoke: {
    ...flag,
    about: "run at a small scale to test that everything works; nothing is written without --out",
    default: false,
  },
  out: { ...text, about: "output folder", unit: "folder", otherwise: "the notebooks' own folder" },
  timeout: {
    ...number({ from: 1, to: 1e6 }),
    about: "time limit of each cell",
    unit: "seconds",
    otherwise: "3600, or 60 with --smoke",
  },
  python: { ...text, about: "a Python with nbclient", unit: "path", otherwise: "the first one found" },
};

/** `deno task notebooks`. */
export const command = addSections(
  addSettings(
    new Command("deno task notebooks")
      .description(
        "Runs all notebooks, or those named, with Deno's Jupyter kernel, and writes them formatted, with their outputs. A " +
          "notebook that fails is not changed, and the others are run. A notebook's code has all your permissions. " +
          "Translations in notebooks/zh are not run: each gets the code and outputs of its original, after the original " +
          "has run or when the translation is named.",
      )
      .argument("[names...]", "names of notebooks, such as 01_tokens or 01, or paths"),
    settings,
  ),
  {
    "Time and disk": "With --smoke within a minute each, otherwise minutes each; less than 3 MB a notebook.",
    "Examples": [
      "deno task notebooks 01_tokens",
      "deno task notebooks --smoke",
      "deno task notebooks --out data/results/notebooks 01 02",
    ],
  },
).action(main);

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { smoke, out, python, timeout = smoke ? 60 : 3600 } = settle(
    "run notebooks",
    settings,
    given(settings, options),
  );
  if (out !== undefined) checkFolders("write", out);
  const paths = [...new Set(await findNotebooks(names))];
  const targets = new Map<string, string>();
  for (const path of paths) {
    const target = out === undefined ? path : `${out}/${nameOf(path)}.ipynb`;
    const other = targets.get(target);
    if (other !== undefined) {
      throw new InputError(
        `Cannot run ${named(path)} as it would overwrite ${named(other)}: rename one of them`,
      );
    }
    targets.set(target, path);
  }
  const signal = interruptible("");
  const refused = (action: string, path: string, error: unknown) => {
    const failure = fileError(action, path, error);
    if (!(failure instanceof InputError)) throw failure;
    console.error(failure.message);
    Deno.exitCode = 2;
  };
  const notebooks: { path: string; target: string | undefined; read: Notebook; original?: string }[] = [];
  for (const [destination, path] of targets) {
    const target = out === undefined && smoke ? undefined : destination;
    try {
      const read = await readNotebook(path);
      const original = originalOf(path);
      const isTranslation = original !== undefined && await exists(original);
      if (target) await checkWritable(target);
      notebooks.push({ path, target, read, ...isTranslation && { original } });
    } catch (error) {
      refused("run", path, error);
    }
  }
  const chosen = notebooks.some(({ original }) => !original) ? await findPython(python) : python;
  for (const { path, target, read, original } of notebooks) {
    const name = named(nameOf(path));
    const started = performance.now();
    try {
      if (original) {
        await translate(await readNotebook(original), path, target);
        continue;
      }
      const notebook = smoke ? read : await format(read); // Before its code is hashed.
      const ran = await execute(notebook, await Deno.realPath(dirname(path)), {
        smoke,
        timeout,
        python: chosen,
        signal,
        onCell(cell, cells, seconds) {
          if (seconds === undefined) return;
          console.error(`${name}: cell ${cell} of ${cells}, ${seconds.toFixed(1)} s`);
        },
      });
      const took = `${((performance.now() - started) / 1e3).toFixed(1)} s`;
      if ("failure" in ran) {
        console.error(`${name}: failed after ${took} in ${ran.failure}`);
        Deno.exitCode ||= 1;
        continue;
      }
      if (target === path && formatNotebook(await readNotebook(path)) !== formatNotebook(read)) {
        throw new InputError(`Cannot write ${named(path)} as it was changed during the run`);
      }
      if (target) await writeAtomic(target, [formatNotebook(ran)]);
      console.log(`${name}: ${took}${target ? `, written to ${named(target)}` : ""}`);
      const translation = translationOf(path);
      if (target === path && await exists(translation)) await translate(ran, translation, translation);
    } catch (error) {
      if (signal.aborted) return interrupted(`${name}: stopped, and not changed`);
      refused("run", path, error);
    }
  }
}

/** Updates a translation with its original's code and outputs, and names the cells that need a translator. */
async function translate(original: Notebook, path: string, target: string | undefined): Promise<void> {
  const { notebook, untranslated, outdated, removed } = updateTranslation(original, await readNotebook(path));
  if (target) {
    await writeAtomic(target, [formatNotebook(notebook)]);
    console.log(`${named(nameOf(path))}: translation written to ${named(target)}`);
  }
  const report = (ids: readonly string[], why: string) => {
    if (ids.length > 0) console.error(`${named(path)}: ${why}: ${ids.join(", ")}`);
  };
  report(untranslated, "not translated");
  report(
    outdated,
    "translated from an earlier text (when translated again, remove `translates` from the cell's metadata)",
  );
  report(removed, "no longer in the original");
}

if (import.meta.main) await run(command);
