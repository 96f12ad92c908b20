import { resolve } from "node:path";
import { InputError, named } from "../errors.ts";
import { exists, writeAtomic } from "../files.ts";
import { findNotebooks, nameOf, pageContext, readNotebook, render } from "../notebook/mod.ts";
import { settle, text } from "../settings.ts";
import { addSections, addSettings, Command, given, run } from "./command.ts";

/** The settings of `deno task render`. */
export const settings = {
  out: { ...text, about: "output folder", unit: "folder", default: "data/results/html" },
};

/** `deno task render`. */
export const command = addSections(
  addSettings(
    new Command("deno task render")
      .description(
        "Renders all notebooks, or those named, as HTML: one file each, with interactive figures, usable offline. A " +
          "notebook that cannot be read does not prevent the others from being rendered.",
      )
      .argument("[names...]", "names of notebooks, such as 01_tokens or 01, or paths"),
    settings,
  ),
  {
    "Time and disk": "Seconds each, and 2 MB a page.",
    "Examples": ["deno task render", "deno task render 01 --out pages"],
  },
).action(main);

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { out } = settle("render notebooks", settings, given(settings, options));
  const paths = new Set((await findNotebooks(names)).map((path) => resolve(path)));
  const pages = new Map<string, string>();
  for (const path of paths) {
    const page = resolve(out, `${nameOf(path)}.html`);
    const other = [...pages].find(([, its]) => its === page)?.[0];
    if (other !== undefined) {
      throw new InputError(
        `Cannot render ${path} as its page would replace that of ${other}: rename one of them`,
      );
    }
    pages.set(path, page);
  }
  // Links may also lead to pages that were rendered before.
  for (const path of await findNotebooks([]).catch(() => [])) {
    const page = resolve(out, `${nameOf(path)}.html`);
    if (!pages.has(resolve(path)) && await exists(page)) pages.set(resolve(path), page);
  }
  for (const path of paths) {
    const name = nameOf(path);
    try {
      const context = pageContext(
        path,
        pages.get(path)!,
        pages,
        (message) => console.error(`${named(name)}: ${message}`),
      );
      const page = await render(await readNotebook(path), name, context);
      await writeAtomic(`${out}/${name}.html`, [page]);
      console.log(`${out}/${named(name)}.html: ${(page.length / 1e6).toFixed(2)} MB`);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      console.error(error.message);
      Deno.exitCode = 2;
    }
  }
}

if (import.meta.main) await run(command);
