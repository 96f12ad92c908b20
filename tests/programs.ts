/**
 * Programs that a test may need beside Deno: a machine may have none of them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import kit from "../deno.json" with { type: "json" };

/** The folder of the checkout, ending in a slash. */
export const root = fileURLToPath(new URL("../", import.meta.url));

/** The command of a task of deno.json. */
export function commandOf(name: string): string {
  return (kit.tasks as Record<string, { command: string }>)[name]!.command;
}

/** The environment that users have: with colours, for which libraries ask for other variables, too. */
export const inColour = { NO_COLOR: "" };

type StartOptions = Pick<Deno.CommandOptions, "cwd" | "env" | "signal" | "stdout">;

/** Starts the command of a task of deno.json, with the permissions that it has. */
export function startTask(name: string, args: readonly string[], options?: StartOptions): Deno.ChildProcess {
  return startDeno([...commandOf(name).split(" ").slice(1), ...args], options);
}

/** Starts Deno as a user would, in the checkout unless told otherwise. */
export function startDeno(
  args: readonly string[],
  { cwd = root, env, signal, stdout = "piped" }: StartOptions = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { ...inColour, ...env },
    ...signal && { signal },
    stdin: "null",
    stdout,
    stderr: "piped",
  }).spawn();
}

/** How a process ended, and what it wrote, without colours. */
export async function endOf(child: Deno.ChildProcess): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) =>
    stripVTControlCharacters(new TextDecoder().decode(bytes)).trim()
  );
  return { code, out: out!, err: err! };
}

/**
 * What a program prints.
 *
 * @returns Nothing where there is no such program, which `Deno.Command` throws at once, or where it fails.
 */
export async function outputOf(program: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/**
 * Starts Deno on a program that it reads from standard input, with standard output to be read.
 *
 * @param code The program.
 * @param args After `deno run`: what it is allowed, for one.
 * @returns The process, and what it will have written to standard error.
 */
export async function startCode(
  code: string,
  ...args: string[]
): Promise<{ child: Deno.ChildProcess; err: Promise<string> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...args, "-"],
    cwd: root,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const err = new Response(child.stderr).text();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  return { child, err };
}

/** A Chromium's name, where there is one. */
export const chromium: string | undefined = await (async () => {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    if (await outputOf(name, "--version") !== undefined) return name;
  }
  return undefined;
})();

/** A running process. */
export interface Process {
  readonly id: number;
  readonly parent: number;
  readonly group: number;
  /** `Z` where it has ended and nobody has asked how. */
  readonly state: string;
  /** Its program and arguments. */
  readonly command: string;
}

/** All running processes, where there is a `ps`. */
export async function processes(): Promise<Process[] | undefined> {
  const text = await outputOf("ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args=");
  return text?.trim().split("\n").map((line) => {
    const [id, parent, group, state, ...command] = line.trim().split(/\s+/);
    return {
      ...{ id: Number(id), parent: Number(parent), group: Number(group), state: state![0]! },
      command: command.join(" "),
    };
  });
}
