import { basename, resolve } from "node:path";
import { InputError, named } from "../errors.ts";
import { checkFolders, checkWritable, exists, writeAtomic } from "../files.ts";
import {
  findNotebooks,
  nameOf,
  type Notebook,
  originalOf,
  pageContext,
  readNotebook,
  render,
  renderIndex,
  type Summary,
  summaryOf,
  TRANSLATION,
} from "../notebook/mod.ts";
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
        "Renders all notebooks, or those named, as HTML: one file each, with interactive figures, usable offline. Of " +
          "all notebooks, index.html lists the pages. A notebook that cannot be read does not prevent the others from " +
          "being rendered.",
      )
      .argument("[names...]", "names of notebooks, such as 01_tokens or 01, or paths"),
    settings,
  ),
  {
    "Time and disk": "Seconds each, and 3 MB a page, with 5 MB more for each model of its live cells.",
    "Examples": ["deno task render", "deno task render 01 --out pages"],
  },
).action(main);

/** A notebook and its page. */
interface Entry extends Summary {
  readonly path: string;
  readonly name: string;
  readonly page: string;
  readonly notebook: Notebook;
  /** Whether the page is to be written, rather than there already. */
  readonly isChosen: boolean;
}

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { out } = settle("render notebooks", settings, given(settings, options));
  checkFolders("write", out);
  const paths = new Set((await findNotebooks(names)).map((path) => resolve(path)));
  const index = resolve(out, "index.html");
  const owners = new Map<string, string>();
  for (const path of paths) {
    const page = pageOf(path), other = owners.get(page);
    if (page === index || other !== undefined) {
      const replaced = page === index ? "the list of all pages" : `that of ${other}`;
      throw new InputError(`Cannot render ${path} as its page would replace ${replaced}: rename one of them`);
    }
    owners.set(page, path);
  }
  // Links may also lead to pages that were rendered before.
  for (const path of await findNotebooks([]).catch(() => [])) {
    const page = pageOf(resolve(path));
    if (page !== index && !owners.has(page) && await exists(page)) owners.set(page, resolve(path));
  }
  // All are read first: the links between pages lead to those that there will be.
  const set: Entry[] = [];
  for (const [page, path] of owners) {
    const name = isTranslation(path) ? `${TRANSLATION}/${nameOf(path)}` : nameOf(path);
    const isChosen = paths.has(path);
    await guarded(isChosen, async () => {
      const notebook = await readNotebook(path);
      if (isChosen) await checkWritable(page);
      set.push({ path, name, page, notebook, isChosen, ...summaryOf(notebook, name) });
    });
  }
  set.sort((a, b) => a.page < b.page ? -1 : 1);
  const isWhole = names.length === 0 || await exists(index);
  const linkTo = (entry?: Entry) => entry && { href: hrefOf(entry), title: entry.title };
  const pages = new Map(set.map(({ path, page }) => [path, page]));
  for (const [i, { path, name, page, notebook, isChosen }] of set.entries()) {
    if (!isChosen) continue;
    await guarded(true, async () => {
      const context = pageContext(
        path,
        page,
        pages,
        (message) => console.error(`${named(name)}: ${message}`),
      );
      const navigation = {
        previous: linkTo(set[i - 1]),
        index: isWhole ? { href: "index.html", title: "All notebooks" } : undefined,
        next: linkTo(set[i + 1]),
      };
      await write(page, await render(notebook, name, { ...context, navigation }));
    });
  }
  if (names.length === 0) {
    await guarded(
      true,
      () => write(index, renderIndex(set.map((entry) => ({ ...entry, href: hrefOf(entry) })))),
    );
  }

  function pageOf(path: string): string {
    return resolve(out, `${nameOf(path)}${isTranslation(path) ? `.${TRANSLATION}` : ""}.html`);
  }
  async function write(page: string, html: string): Promise<void> {
    await writeAtomic(page, [html]);
    console.log(`${out}/${named(basename(page))}: ${(html.length / 1e6).toFixed(2)} MB`);
  }
}

const isTranslation = (path: string): boolean => originalOf(path) !== undefined;

const hrefOf = ({ page }: Entry): string => encodeURIComponent(basename(page));

/** Does something whose failure does not prevent what follows, and reports it if it matters. */
async function guarded(matters: boolean, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if (!matters) return;
    console.error(error.message);
    Deno.exitCode = 2;
  }
}

if (import.meta.main) await run(command);
