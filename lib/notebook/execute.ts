import { fileURLToPath } from "node:url";
import { InputError, named } from "../errors.ts";
import { lines } from "../files.ts";
import { formatNotebook, MAX_LENGTH, type Notebook, parseNotebook, tidy } from "./notebook.ts";

/** How to run a notebook. */
export interface ExecuteOptions {
  /** Whether to do a smoke run, in which the notebook finds `GPT1_SMOKE=1` in its environment. */
  readonly smoke: boolean;
  /** Time limit per cell, in seconds. */
  readonly timeout: number;
  /** A Python with nbclient. Default: the first of `python3`, `python` and `/usr/bin/python3` that has it. */
  readonly python?: string | undefined;
  /** Stops the run and its kernel. */
  readonly signal?: AbortSignal;
  /** Called when a code cell starts, and with its duration in seconds when it ends. */
  readonly onCell?: (cell: number, cells: number, seconds?: number) => void;
}

/** A failed run. */
export interface Failure {
  /** The reason, in one or more lines. */
  readonly failure: string;
}

/** A message of the Python program, one per line. */
interface Message {
  readonly cell?: number;
  readonly seconds?: number;
  readonly failed?: number;
  readonly why?: string;
  readonly invalid?: string;
  readonly notebook?: unknown;
}

/**
 * Runs a notebook from the first cell to the last on the kernel of the current Deno, with Jupyter's nbclient. It writes
 * no file and ignores the user's Jupyter configuration. Processes that the cells started are killed at the end: their
 * process group and, on Linux, all processes that inherited a marker in their environment.
 *
 * @param notebook The notebook; its code runs without restrictions.
 * @param folder Working directory, an absolute path: the folder of the notebook's file.
 * @returns The notebook with its new outputs, or why it failed: a cell threw, left a promise rejection unhandled, killed
 * the kernel, or exceeded a limit.
 * @throws {InputError} If there is no Python with nbclient, or the notebook violates Jupyter's schema.
 * @throws The signal's reason, when it aborts.
 *
 * @example
 * ```ts ignore
 * import { execute, parseNotebook } from "./mod.ts";
 *
 * const notebook = parseNotebook(await Deno.readTextFile("notebooks/01_tokens.ipynb"), "01_tokens");
 * const ran = await execute(notebook, `${Deno.cwd()}/notebooks`, { smoke: true, timeout: 60 });
 * console.log("failure" in ran ? ran.failure : ran.cells.length);
 * ```
 */
export async function execute(
  notebook: Notebook,
  folder: string,
  { smoke, timeout, python: chosen, signal, onCell }: ExecuteOptions,
): Promise<Notebook | Failure> {
  const python = await findPython(chosen);
  signal?.throwIfAborted();
  const jupyter = await Deno.makeTempDir({ prefix: "gpt1-jupyter-" });
  try {
    await writeKernel(`${jupyter}/kernels/deno`);
    const { GPT1_SMOKE: _, ...env } = Deno.env.toObject();
    const child = new Deno.Command(python, {
      args: [fileURLToPath(new URL("./execute.py", import.meta.url))],
      clearEnv: true,
      env: {
        ...env,
        ...smoke && { GPT1_SMOKE: "1" },
        NO_COLOR: "1",
        JUPYTER_PATH: jupyter,
        JUPYTER_RUNTIME_DIR: `${jupyter}/runtime`,
        JUPYTER_CONFIG_DIR: `${jupyter}/config`,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      detached: true, // Signals from the terminal go to this process, which stops the child.
    }).spawn();
    const stdin = child.stdin.getWriter();
    const stop = () => void stdin.close().catch(() => {}); // It may be closed already.
    signal?.addEventListener("abort", stop);
    try {
      const text = formatNotebook({ ...notebook, nbformat_minor: 5 });
      const request = { notebook: text, folder, timeout, mark: crypto.randomUUID() };
      // If Python dies at once, its exit code is reported below.
      await stdin.write(new TextEncoder().encode(JSON.stringify(request) + "\n")).catch(() => {});
      const codes = notebook.cells.flatMap(({ cell_type }, i) => cell_type === "code" ? [i] : []);
      let result: Notebook | Failure | undefined;
      for await (const line of lines(child.stdout)) {
        const message = JSON.parse(line) as Message;
        if (message.cell !== undefined) {
          onCell?.(codes.indexOf(message.cell) + 1, codes.length, message.seconds);
        }
        if (message.failed !== undefined) {
          result = {
            failure: `cell ${codes.indexOf(message.failed) + 1} of ${codes.length}: ${
              named(message.why ?? "")
            }`,
          };
        }
        if (message.invalid !== undefined) {
          throw new InputError(
            `Cannot run a notebook that violates Jupyter's schema: ${named(message.invalid)}`,
          );
        }
        if (message.notebook) {
          result = checkSize(JSON.stringify(message.notebook), smoke);
        }
      }
      const { code } = await child.status;
      signal?.throwIfAborted();
      return result ?? { failure: `${python}, which ended with code ${code}` };
    } finally {
      stop();
      signal?.removeEventListener("abort", stop);
      await child.status;
    }
  } finally {
    await Deno.remove(jupyter, { recursive: true });
  }
}

/** The notebook as it is saved, unless its file would be too large to read. */
function checkSize(text: string, smoke: boolean): Notebook | Failure {
  let length = text.length;
  if (length <= MAX_LENGTH) {
    const notebook = tidy(parseNotebook(text, "the result"), smoke);
    length = formatNotebook(notebook).length; // Larger, as each line of a text becomes a line of the file.
    if (length <= MAX_LENGTH) return notebook;
  }
  const { cells } = JSON.parse(text) as { cells: { cell_type: string; outputs?: unknown }[] };
  const sizes = cells.filter(({ cell_type }) => cell_type === "code").map(({ outputs }) =>
    JSON.stringify(outputs).length
  );
  const largest = Math.max(...sizes);
  const mega = (length: number) => `${(length / 1e6).toFixed(0)} MB`;
  return {
    failure: `cell ${sizes.indexOf(largest) + 1} of ${sizes.length}: its outputs have ${mega(largest)}, ` +
      `and make a notebook of ${mega(length)}, more than ${mega(MAX_LENGTH)}`,
  };
}

/** Writes the kernel spec for Jupyter. */
async function writeKernel(folder: string): Promise<void> {
  const argv = [Deno.execPath(), "jupyter", "--quiet", "--kernel", "--conn", "{connection_file}"];
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/kernel.json`,
    JSON.stringify({ argv, display_name: "Deno", language: "typescript" }),
  );
}

/** `/usr/bin/python3` has Debian's packages, even if another `python3` comes first in the path. */
const PYTHONS = ["python3", "python", "/usr/bin/python3"];

/**
 * Finds a Python that can run notebooks.
 *
 * @param chosen The only Python to try.
 * @returns Its name or path.
 * @throws {InputError} If it has no nbclient; the message says what to install.
 */
export async function findPython(chosen?: string): Promise<string> {
  for (const python of chosen === undefined ? PYTHONS : [chosen]) {
    if (await hasNbclient(python)) return python;
  }
  throw new InputError(
    `Cannot run notebooks as ${
      chosen === undefined ? "no Python here has" : `${chosen} does not have`
    } nbclient: install it with ` +
      "`pip install nbclient` or `apt-get install python3-nbclient`, or name a Python that has it with --python",
  );
}

async function hasNbclient(python: string): Promise<boolean> {
  const [stdin, stdout, stderr] = ["null", "null", "null"] as const;
  try {
    const find = "from importlib.util import find_spec; import sys; sys.exit(find_spec('nbclient') is None)";
    const args = ["-c", find]; // To import it takes half a second.
    return (await new Deno.Command(python, { args, stdin, stdout, stderr }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false; // There is no such program.
  }
}
