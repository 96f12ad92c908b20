import { deserialize, serialize } from "node:v8";
import type { BackendName } from "../engine/mod.ts";
import { STALE } from "../claim.ts";
import { InputError } from "../errors.ts";
import { lines } from "../files.ts";
import type { TokenizerState } from "../text/mod.ts";
import type { Plan } from "./plan.ts";
import type { RunOutcome, RunStep } from "./run.ts";

/** The first message to a worker, on its standard input: the planned study. Indices of runs follow. */
export interface WorkerPlan extends Pick<Plan, "runs"> {
  /** The study's tokenizers. */
  readonly tokenizers: readonly TokenizerState[];
  /** Number of updates between checkpoints. */
  readonly saveEvery: number;
  /** tfjs' backend. */
  readonly backend: BackendName;
}

/** A message from a worker, one line each. */
export type WorkerMessage =
  | { readonly ready: true }
  | { readonly heartbeat: true }
  | { readonly step: RunStep }
  | { readonly end: RunOutcome }
  | { readonly failure: string };

/** Milliseconds between heartbeats. */
export const HEARTBEAT_INTERVAL = 5000;

/** A worker died during a run. */
export class WorkerEnded extends Error {}

/** A process that executes runs of a study. */
export interface Worker {
  /** Process ID. */
  readonly id: number;
  /**
   * Executes a run.
   *
   * @param number Index of the run in the study.
   * @throws {InputError} If the run fails.
   * @throws {WorkerEnded} If the process dies.
   */
  executeRun(number: number): AsyncGenerator<RunStep, RunOutcome>;
  /** Lets it save a checkpoint and exit, and waits for that. */
  close(): Promise<void>;
}

/**
 * Starts a worker process: tfjs uses one core, and a crash of one run does not affect others. It exits when this process
 * does, for whatever reason.
 *
 * @param program From {@linkcode workerProgram}.
 * @param folder The folder that it may write to.
 * @param order A {@linkcode WorkerPlan}, encoded by {@linkcode frame}.
 * @param timeout Milliseconds without a heartbeat after which it is killed. Default: two minutes.
 */
export function startWorker(
  program: string,
  folder: string,
  order: readonly Uint8Array<ArrayBuffer>[],
  timeout: number = STALE,
): Worker {
  const child = spawn(program, folder);
  let why = "";
  const kill = (reason: string) => {
    why ||= reason;
    try {
      child.kill("SIGKILL");
    } catch { /* It has exited. */ }
  };
  const killNow = () => kill(""); // On a sudden exit there is no time to wait for workers.
  addEventListener("unload", killNow);
  void child.status.finally(() => removeEventListener("unload", killNow));

  const last = lastLine(child.stderr);
  const stdin = child.stdin.getWriter();
  const send = async (parts: readonly Uint8Array<ArrayBuffer>[]) => {
    try {
      for (const part of parts) await stdin.write(part);
    } catch { /* An exit is noticed when reading messages. */ }
  };
  const messages = lines(child.stdout);
  const nextMessage = async (): Promise<WorkerMessage> => {
    const inTime = limit(timeout, () => kill(`did not answer for ${Math.round(timeout / 1000)} seconds`));
    const { value, done } = await messages.next().finally(inTime);
    if (!done) return JSON.parse(value) as WorkerMessage;
    const { code, signal } = await child.status;
    throw new WorkerEnded(
      `process ${child.pid} ${
        why || (signal ? `was killed by ${signal}` : await last || `exited with code ${code}`)
      }`,
    );
  };
  const ready = (async () => {
    await send(order);
    for (;;) {
      const message = await nextMessage();
      if ("ready" in message) return;
      if ("failure" in message) why ||= message.failure;
    }
  })();
  ready.catch(() => {}); // Callers of executeRun get the error.

  return {
    id: child.pid,
    async *executeRun(number) {
      await ready;
      await send(frame(number));
      for (;;) {
        const message = await nextMessage();
        if ("step" in message) yield message.step;
        if ("end" in message) return message.end;
        if ("failure" in message) throw new InputError(message.failure);
      }
    },
    async close() {
      await stdin.close().catch(() => {});
      await child.status.finally(limit(timeout, () => kill("")));
      await messages.return().catch(() => {});
    },
  };
}

/**
 * Does something after a time, which is counted in ten parts: after Ctrl-Z and fg, which stop workers, too, one part is due,
 * and not all of the time.
 *
 * @returns Ends the wait.
 */
function limit(milliseconds: number, act: () => void): () => void {
  let parts = 0;
  const timer = setInterval(() => {
    if (++parts === 10) act();
  }, milliseconds / 10);
  return () => clearInterval(timer);
}

/** Environment variables for a worker: where to find a BLAS library. */
const VARIABLES = [
  ...["GPT1_BLAS", "CONDA_PREFIX", "VIRTUAL_ENV", "PATH", "HOME"],
  ...["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"],
];

const isGranted = (permission: Deno.PermissionDescriptor) =>
  Deno.permissions.querySync(permission).state === "granted";

/**
 * The program that starts workers: Deno itself. Undefined if this process has no permission to run it or to read files.
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
    return undefined; // Not found.
  }
}

/** The module of a worker. */
const program = new URL("./worker.ts", import.meta.url);

/** Starts a worker with the permissions that it needs, at most those of this process; it writes to the study's folder only. */
function spawn(deno: string, folder: string): Deno.ChildProcess {
  const variables = VARIABLES.filter((variable) => isGranted({ name: "env", variable }));
  return new Deno.Command(deno, {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-read",
      `--allow-write=${folder.replaceAll(",", ",,")}`,
      ...variables.length > 0 ? [`--allow-env=${variables}`] : [],
      ...isGranted({ name: "ffi" }) ? ["--allow-ffi"] : [],
      ...isGranted({ name: "sys", kind: "hostname" }) ? ["--allow-sys=hostname"] : [],
      // A host that Deno does not allow by itself, as it does JSR's.
      ...program.host && isGranted({ name: "import", host: program.host })
        ? [`--allow-import=${program.host}`]
        : [],
      program.href,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Encodes a value as bytes with a length prefix. V8's format supports infinities and shared objects, unlike JSON. */
export function frame(value: unknown): Uint8Array<ArrayBuffer>[] {
  const bytes = new Uint8Array(serialize(value));
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(bytes.length), true);
  return [size, bytes];
}

/** Decodes values from a stream of frames; an incomplete last frame is ignored. */
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
