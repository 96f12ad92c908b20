import { Command } from "commander";
import { fileError, writeWhole } from "../files.ts";
import { findNotebooks, nameOf, parseNotebook, render } from "../notebook/mod.ts";
import { run } from "./command.ts";

const command = new Command("deno task render")
  .description(
    "Makes pages of notebooks, all or those named: each one HTML file that needs no network, with live figures.",
  )
  .argument("[names...]", "of notebooks, as 01_tokens or 01, or paths of files")
  .option("--out <folder>", "where the pages go", "data/results/html")
  .action(main);

async function main(names: string[], { out }: { out: string }): Promise<void> {
  for (const path of await findNotebooks(names)) {
    const name = nameOf(path);
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      throw fileError("render", path, error);
    }
    const page = await render(parseNotebook(text, path), name);
    await writeWhole(`${out}/${name}.html`, [page]);
    console.log(`${out}/${name}.html: ${(page.length / 1e6).toFixed(2)} MB`);
  }
}

await run(command);
