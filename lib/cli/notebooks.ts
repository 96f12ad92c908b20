import { Command } from "commander";
import { checkFile, checkWritable, fileError, writeWhole } from "../files.ts";
import { execute, findNotebooks, format, formatNotebook, nameOf, parseNotebook } from "../notebook/mod.ts";
import { flag, number, settle, text } from "../settings.ts";
import { addSettings, given, interrupted, interruptible, run } from "./command.ts";

/** What `deno task notebooks` takes. */
export const settings = {
  smoke: {
    ...flag,
    about: "run in small, to show that everything works; nothing is written without --out",
  },
  out: { ...text, about: "where they are written", unit: "folder", otherwise: "their own place" },
  timeout: {
    ...number({ from: 1, to: 1e6 }),
    about: "limit of each cell",
    unit: "seconds",
    otherwise: "3600, or 60 with --smoke",
  },
  python: { ...text, about: "a Python that has nbclient", unit: "path", otherwise: "the first that has" },
};

/** `deno task notebooks`. */
export const command = addSettings(
  new Command("deno task notebooks")
    .description(
      "Runs notebooks on Deno's kernel, all or those named, and writes them formatted, with their outputs. One that " +
        "fails stays as it was. A notebook's code may do whatever you may do.",
    )
    .argument("[names...]", "of notebooks, as 01_tokens or 01, or paths of files"),
  settings,
).action(main);

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { smoke, out, python, timeout = smoke ? 60 : 3600 } = settle(
    "run notebooks",
    settings,
    given(settings, options),
  );
  const paths = await findNotebooks(names);
  const signal = interruptible("");
  let failed = 0;
  for (const path of paths) {
    const name = nameOf(path);
    const target = out === undefined ? smoke ? undefined : path : `${out}/${name}.ipynb`;
    if (target) await checkWritable(target);
    const started = performance.now();
    try {
      await checkFile(path);
      const read = parseNotebook(await Deno.readTextFile(path), path);
      const notebook = smoke ? read : await format(read); // Before its code is hashed.
      const folder = await Deno.realPath(path.replace(/[^/\\]*$/, "") || ".");
      const ran = await execute(notebook, folder, {
        smoke,
        timeout,
        python,
        signal,
        onCell(cell, cells, seconds) {
          if (seconds === undefined) return;
          console.error(`${name}: cell ${cell} of ${cells}, ${seconds.toFixed(1)} s`);
        },
      });
      const took = `${((performance.now() - started) / 1e3).toFixed(1)} s`;
      if ("failure" in ran) {
        failed++;
        console.error(`${name}: failed after ${took} in ${ran.failure}`);
        continue;
      }
      if (target) await writeWhole(target, [formatNotebook(ran)]);
      console.log(`${name}: ${took}${target ? `, written to ${target}` : ""}`);
    } catch (error) {
      if (signal.aborted) return interrupted(`${name}: stopped, and left as it was`);
      throw fileError("run", path, error);
    }
  }
  if (failed) Deno.exitCode = 1;
}

if (import.meta.main) await run(command);
