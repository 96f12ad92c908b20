import { deserialize, serialize } from "node:v8";
import type { BackendName } from "../engine/mod.ts";
import { STALE } from "../claim.ts";
import { InputError } from "../errors.ts";
import { lines } from "../files.ts";
import type { TokenizerState } from "../text/mod.ts";
import type { Plan } from "./plan.ts";
import type { End, RunStep } from "./run.ts";

/** What a worker is told first, on its standard input: the study as it was planned. Numbers of runs follow. */
export interface Order extends Pick<Plan, "arms"> {
  /** The study's tokenizer. */
  readonly tokenizer: TokenizerState;
  /** Updates from one checkpoint of a run to the next. */
  readonly saveEvery: number;
  /** tfjs' backend. */
  readonly backend: BackendName;
}

/** What a worker says, a line each. */
export type Word =
  | { readonly ready: true }
  | { readonly beat: true }
  | { readonly step: RunStep }
  | { readonly end: End }
  | { readonly failure: string };

/** Milliseconds from one sign of life to the next. */
export const BEAT = 5000;

/** A worker that ended before its run did, and why. */
export class WorkerEnded extends Error {}

/** A process that carries out runs of a study. */
export interface Worker {
  /** Number of the process. */
  readonly id: number;
  /**
   * Carries a run out.
   *
   * @param number Its place among the study's runs.
   * @throws {InputError} If it cannot be carried out.
   * @throws {WorkerEnded} If the process ends before.
   */
  carryOut(number: number): AsyncGenerator<RunStep, End>;
  /** Lets it save what is under way, and waits until it has ended. */
  close(): Promise<void>;
}

/**
 * Starts a worker: tfjs uses one core, and a run that dies takes no other along. It ends when this process does,
 * whatever ends it.
 *
 * @param program As {@linkcode workerProgram} found it.
 * @param folder Where it may write.
 * @param order What {@linkcode frame} made of an {@linkcode Order}.
 * @param silence Milliseconds without a sign of life after which it is ended; default: two minutes.
 */
export function startWorker(
  program: string,
  folder: string,
  order: readonly Uint8Array<ArrayBuffer>[],
  silence: number = STALE,
): Worker {
  const child = spawn(program, folder);
  let why = "";
  const kill = (reason: string) => {
    why ||= reason;
    try {
      child.kill("SIGKILL");
    } catch { /* It has ended. */ }
  };
  const atOnce = () => kill(""); // A process that ends in a hurry does not wait for its workers.
  addEventListener("unload", atOnce);
  void child.status.finally(() => removeEventListener("unload", atOnce));

  const last = lastLine(child.stderr);
  const stdin = child.stdin.getWriter();
  const send = async (parts: readonly Uint8Array<ArrayBuffer>[]) => {
    try {
      for (const part of parts) await stdin.write(part);
    } catch { /* One that has ended is told by its words. */ }
  };
  const words = lines(child.stdout);
  const word = async (): Promise<Word> => {
    const timer = setTimeout(() => kill(`did not answer for ${Math.round(silence / 1000)} seconds`), silence);
    const { value, done } = await words.next().finally(() => clearTimeout(timer));
    if (!done) return JSON.parse(value) as Word;
    const { code, signal } = await child.status;
    throw new WorkerEnded(
      `process ${child.pid} ${
        why || (signal ? `was ended by ${signal}` : await last || `ended with code ${code}`)
      }`,
    );
  };
  const ready = (async () => {
    await send(order);
    for (;;) {
      const said = await word();
      if ("ready" in said) return;
      if ("failure" in said) why ||= said.failure;
    }
  })();
  ready.catch(() => {}); // Who wants something of it hears.

  return {
    id: child.pid,
    async *carryOut(number) {
      await ready;
      await send(frame(number));
      for (;;) {
        const said = await word();
        if ("step" in said) yield said.step;
        if ("end" in said) return said.end;
        if ("failure" in said) throw new InputError(said.failure);
      }
    },
    async close() {
      await stdin.close().catch(() => {});
      const timer = setTimeout(() => kill(""), silence);
      await child.status.finally(() => clearTimeout(timer));
      await words.return().catch(() => {});
    },
  };
}

/** Environment variables that a worker looks at: where a BLAS may be. */
const VARIABLES = [
  ...["GPT1_BLAS", "CONDA_PREFIX", "VIRTUAL_ENV", "PATH", "HOME"],
  ...["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"],
];

const isGranted = (permission: Deno.PermissionDescriptor) =>
  Deno.permissions.querySync(permission).state === "granted";

/**
 * What starts workers: Deno itself is the only program that they need. Nothing if this process may not run it, or may
 * not read what it reads.
 */
export async function workerProgram(): Promise<string | undefined> {
  if (!isGranted({ name: "read" })) return undefined;
  const own = Deno.execPath();
  if (isGranted({ name: "run", command: own })) return own;
  if (!isGranted({ name: "run", command: "deno" })) return undefined;
  try { // `--allow-run=deno` allows the one in PATH, which may be another.
    const { stdout } = await new Deno.Command("deno", { args: ["--version"], stderr: "null" }).output();
    return new TextDecoder().decode(stdout).startsWith(`deno ${Deno.version.deno} `) ? "deno" : undefined;
  } catch {
    return undefined; // There is none.
  }
}

/** A worker with as much of this process' permissions as it needs: it writes to the study's folder alone. */
function spawn(program: string, folder: string): Deno.ChildProcess {
  const variables = VARIABLES.filter((variable) => isGranted({ name: "env", variable }));
  return new Deno.Command(program, {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      `--allow-write=${folder.replaceAll(",", ",,")}`,
      ...variables.length > 0 ? [`--allow-env=${variables}`] : [],
      ...isGranted({ name: "ffi" }) ? ["--allow-ffi"] : [],
      ...isGranted({ name: "sys", kind: "hostname" }) ? ["--allow-sys=hostname"] : [],
      new URL("./worker.ts", import.meta.url).href,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** A value as bytes, after their number. V8's own form keeps what JSON has not: infinities, and objects held twice. */
export function frame(value: unknown): Uint8Array<ArrayBuffer>[] {
  const bytes = new Uint8Array(serialize(value));
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(bytes.length), true);
  return [size, bytes];
}

/** The values of frames, as they come; one that is cut short is left out. */
export async function* frames(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<unknown, void> {
  const reader = stream.getReader({ mode: "byob" });
  const read = async (count: number): Promise<Uint8Array | undefined> => {
    if (count === 0) return new Uint8Array();
    const { value, done } = await reader.read(new Uint8Array(count), { min: count });
    return done ? undefined : value;
  };
  for (;;) {
    const size = await read(8);
    if (!size) return;
    const bytes = await read(Number(new DataView(size.buffer).getBigUint64(0, true)));
    if (!bytes) return;
    yield deserialize(bytes);
  }
}

async function lastLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let last = "";
  for await (const line of lines(stream)) if (line.trim()) last = line.trim();
  return last;
}
