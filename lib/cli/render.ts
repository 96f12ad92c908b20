import { Command } from "commander";
import { checkFile, fileError, writeWhole } from "../files.ts";
import { findNotebooks, nameOf, parseNotebook, render } from "../notebook/mod.ts";
import { settle, text } from "../settings.ts";
import { addSettings, given, run } from "./command.ts";

/** What `deno task render` takes. */
export const settings = {
  out: { ...text, about: "where the pages go", unit: "folder", default: "data/results/html" },
};

/** `deno task render`. */
export const command = addSettings(
  new Command("deno task render")
    .description(
      "Makes pages of notebooks, all or those named: each one HTML file that needs no network, with live figures.",
    )
    .argument("[names...]", "of notebooks, as 01_tokens or 01, or paths of files"),
  settings,
).action(main);

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { out } = settle("render notebooks", settings, given(settings, options));
  for (const path of await findNotebooks(names)) {
    const name = nameOf(path);
    let text: string;
    try {
      await checkFile(path);
      text = await Deno.readTextFile(path);
    } catch (error) {
      throw fileError("render", path, error);
    }
    const page = await render(parseNotebook(text, path), name);
    await writeWhole(`${out}/${name}.html`, [page]);
    console.log(`${out}/${name}.html: ${(page.length / 1e6).toFixed(2)} MB`);
  }
}

if (import.meta.main) await run(command);
