import { Command } from "commander";
import { InputError } from "../errors.ts";
import { checkWritable, fileError, writeWhole } from "../files.ts";
import { execute, findNotebooks, format, formatNotebook, nameOf, parseNotebook } from "../notebook/mod.ts";
import { interrupted, interruptible, number, run } from "./command.ts";

const command = new Command("deno task notebooks")
  .description(
    "Runs notebooks on Deno's kernel, all or those named, and writes them formatted, with their outputs. One that " +
      "fails stays as it was. A notebook's code may do whatever you may do.",
  )
  .argument("[names...]", "of notebooks, as 01_tokens or 01, or paths of files")
  .option("--smoke", "run in small, to show that everything works; nothing is written without --out")
  .option("--out <folder>", "where they are written; in their own place unless given")
  .option("--timeout <seconds>", "limit of each cell (default: 3600, or 60 with --smoke)", number)
  .option("--python <path>", "a Python that has nbclient (default: the first that has)")
  .action(main);

interface Options {
  smoke?: true;
  out?: string;
  timeout?: number;
  python?: string;
}

async function main(names: string[], options: Options): Promise<void> {
  const { smoke = false, out, timeout = smoke ? 60 : 3600, python } = options;
  if (!(timeout > 0)) {
    throw new InputError(`Cannot give cells ${timeout} s as --timeout must be more than 0`);
  }
  const paths = await findNotebooks(names);
  const signal = interruptible("");
  let failed = 0;
  for (const path of paths) {
    const name = nameOf(path);
    const target = out === undefined ? smoke ? undefined : path : `${out}/${name}.ipynb`;
    if (target) await checkWritable(target);
    const started = performance.now();
    try {
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

await run(command);
