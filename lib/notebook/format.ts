import { fileURLToPath } from "node:url";
import { formatNotebook, KERNEL, type Notebook, parseNotebook } from "./notebook.ts";

/** Characters of a line: pages show as many without scrolling. */
const LINE_WIDTH = "90";

/**
 * Formats a notebook's text and code with `deno fmt` and the kit's configuration. `deno fmt --check` does not work: it
 * reports every notebook whose cells do not end in a line break, and Jupyter's never do.
 *
 * @param notebook The notebook.
 * @returns A new notebook, or the same one if a cell cannot be parsed.
 *
 * @example
 * ```ts ignore
 * import { format, parseNotebook } from "./mod.ts";
 *
 * const { cells } = await format(parseNotebook(await Deno.readTextFile("draft.ipynb"), "draft"));
 * ```
 */
export async function format(notebook: Notebook): Promise<Notebook> {
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--config", config, "--line-width", LINE_WIDTH, "--ext", "ipynb", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(formatNotebook({ ...notebook, metadata: KERNEL })));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) return notebook;
  const { cells } = parseNotebook(new TextDecoder().decode(stdout), "the output of deno fmt");
  return { ...notebook, cells };
}
