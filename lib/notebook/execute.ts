import { fileURLToPath } from "node:url";
import { InputError, named } from "../errors.ts";
import { lines } from "../files.ts";
import { formatNotebook, LARGEST, type Notebook, parseNotebook, tidy } from "./notebook.ts";

/** How to run a notebook. */
export interface ExecuteOptions {
  /** In small: `GPT1_SMOKE=1` tells the notebook's set-up. */
  readonly smoke: boolean;
  /** Limit of each cell, in seconds. */
  readonly timeout: number;
  /** A Python that has nbclient; sought unless given. */
  readonly python?: string | undefined;
  /** Ends the run and its kernel. */
  readonly signal?: AbortSignal;
  /** Called when a code cell begins, and with the seconds that it took when it ends. */
  readonly onCell?: (cell: number, cells: number, seconds?: number) => void;
}

/** A run that came to no end, and why. */
export interface Failure {
  /** In a line or more. */
  readonly failure: string;
}

/** What the Python program tells, one of these a line. */
interface Word {
  readonly cell?: number;
  readonly seconds?: number;
  readonly failed?: number;
  readonly why?: string;
  readonly invalid?: string;
  readonly notebook?: unknown;
}

/**
 * Runs a notebook from its first cell to its last on the kernel of this very Deno, by Jupyter's nbclient. It
 * is not written anywhere, and the user's own Jupyter configuration is left alone. What its cells have started ends
 * with it: their process group, and on Linux all that has inherited a mark in its environment.
 *
 * @param notebook What to run: its code does what it likes with this machine.
 * @param folder In which folder, as an absolute path: that of the notebook's file.
 * @returns The notebook with its new outputs, or why there is none: a cell threw, left a rejection to nobody, died, or exceeded
 * a limit.
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
      detached: true, // A signal of the terminal is for this process, which ends that one.
    }).spawn();
    const stdin = child.stdin.getWriter();
    const stop = () => void stdin.close().catch(() => {}); // Closed once, it cannot be closed again.
    signal?.addEventListener("abort", stop);
    try {
      const text = formatNotebook({ ...notebook, nbformat_minor: 5 });
      const order = { notebook: text, folder, timeout, mark: crypto.randomUUID() };
      // Of a Python that dies at once its exit code tells.
      await stdin.write(new TextEncoder().encode(JSON.stringify(order) + "\n")).catch(() => {});
      const codes = notebook.cells.flatMap(({ cell_type }, i) => cell_type === "code" ? [i] : []);
      let result: Notebook | Failure | undefined;
      for await (const line of lines(child.stdout)) {
        const word = JSON.parse(line) as Word;
        if (word.cell !== undefined) onCell?.(codes.indexOf(word.cell) + 1, codes.length, word.seconds);
        if (word.failed !== undefined) {
          result = {
            failure: `cell ${codes.indexOf(word.failed) + 1} of ${codes.length}: ${named(word.why ?? "")}`,
          };
        }
        if (word.invalid !== undefined) {
          throw new InputError(
            `Cannot run a notebook that violates Jupyter's schema: ${named(word.invalid)}`,
          );
        }
        if (word.notebook) {
          result = finished(JSON.stringify(word.notebook), smoke);
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

/** The notebook as it is kept, unless its file could not be read again. */
function finished(text: string, smoke: boolean): Notebook | Failure {
  let letters = text.length;
  if (letters <= LARGEST) {
    const notebook = tidy(parseNotebook(text, "the result"), smoke);
    letters = formatNotebook(notebook).length; // More, as each line of a text is one of the file.
    if (letters <= LARGEST) return notebook;
  }
  const { cells } = JSON.parse(text) as { cells: { cell_type: string; outputs?: unknown }[] };
  const sizes = cells.filter(({ cell_type }) => cell_type === "code").map(({ outputs }) =>
    JSON.stringify(outputs).length
  );
  const largest = Math.max(...sizes);
  const mega = (letters: number) => `${(letters / 1e6).toFixed(0)} MB`;
  return {
    failure: `cell ${sizes.indexOf(largest) + 1} of ${sizes.length}: its outputs have ${mega(largest)}, ` +
      `and make a notebook of ${mega(letters)}, more than ${mega(LARGEST)}`,
  };
}

/** The kernel as Jupyter wants it described. */
async function writeKernel(folder: string): Promise<void> {
  const argv = [Deno.execPath(), "jupyter", "--quiet", "--kernel", "--conn", "{connection_file}"];
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/kernel.json`,
    JSON.stringify({ argv, display_name: "Deno", language: "typescript" }),
  );
}

/** Debian's own Python has Debian's packages, whatever else is called `python3`. */
const PYTHONS = ["python3", "python", "/usr/bin/python3"];

/**
 * Finds a Python that can run notebooks.
 *
 * @param chosen The only one to try.
 * @returns Its name or path.
 * @throws {InputError} If it has no nbclient; it says what to install.
 */
export async function findPython(chosen?: string): Promise<string> {
  for (const python of chosen === undefined ? PYTHONS : [chosen]) {
    if (await hasNbclient(python)) return python;
  }
  throw new InputError(
    `Cannot run notebooks as ${chosen ?? "no Python here"} has no nbclient: install it with ` +
      "`pip install nbclient` or `apt-get install python3-nbclient`, or name a Python that has it with --python",
  );
}

async function hasNbclient(python: string): Promise<boolean> {
  const [stdin, stdout, stderr] = ["null", "null", "null"] as const;
  try {
    const args = ["-c", "import nbclient"];
    return (await new Deno.Command(python, { args, stdin, stdout, stderr }).output()).success;
  } catch {
    return false; // There is no such program.
  }
}
