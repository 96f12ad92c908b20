import * as tf from "@tensorflow/tfjs";
import { lines } from "../files.ts";
import type { ArmStep } from "./arm.ts";
import type { StudySettings } from "./settings.ts";

/** What a worker is told, on its standard input. */
export interface Order {
  /** The whole study. */
  readonly study: StudySettings;
  /** Which of its arms to run. */
  readonly arm: number;
  /** Keys of the arm's runs, which the worker must find, too. */
  readonly keys: readonly string[];
  /** tfjs' backend to run it on. */
  readonly backend: string;
}

/** An arm that could not be finished, and why; the others go on. */
export interface Failure {
  /** One sentence. */
  readonly failure: string;
}

/**
 * Runs arms side by side, each in a process of its own: tfjs uses one core, and an arm that dies takes no other
 * along.
 *
 * @param arms Indices in the study's plan, and the arms' keys.
 * @param workers How many at a time.
 */
export async function* sideBySide(
  study: StudySettings,
  arms: readonly Pick<Order, "arm" | "keys">[],
  workers: number,
  signal?: AbortSignal,
): AsyncGenerator<ArmStep | Failure, void> {
  const waiting = [...arms];
  const children = new Set<Deno.ChildProcess>();
  const interrupt = () => children.forEach((child) => tryKill(child));
  signal?.addEventListener("abort", interrupt);
  let left = false;
  const work = async (report: (step: ArmStep | Failure) => void) => {
    for (
      let next = waiting.shift();
      next !== undefined && !signal?.aborted && !left;
      next = waiting.shift()
    ) {
      const child = spawn();
      children.add(child);
      const last = lastLine(child.stderr);
      await send(child, { study, ...next, backend: tf.getBackend() });
      let under = "";
      for await (const line of lines(child.stdout)) {
        const step = JSON.parse(line) as ArmStep;
        under = step.run;
        report(step);
      }
      const { success, code, signal: fatal } = await child.status;
      children.delete(child);
      if (!success && !(fatal === "SIGINT" && (signal?.aborted || left))) { // It may not yet have listened.
        const why = fatal
          ? `its process was ended by ${fatal}`
          : await last || `its process ended with code ${code}`;
        report({ failure: `Cannot finish ${under || `arm ${next.arm + 1}`}: ${why}` });
      }
    }
  };
  const steps = new ReadableStream<ArmStep | Failure>({
    start(controller) {
      const report = (step: ArmStep | Failure) => left || controller.enqueue(step);
      Promise.all(Array.from({ length: Math.min(workers, arms.length) }, () => work(report)))
        .then(() => left || controller.close(), (error) => controller.error(error));
    },
    cancel() {
      left = true;
      interrupt();
    },
  });
  try {
    yield* steps;
  } finally {
    signal?.removeEventListener("abort", interrupt);
    await Promise.all([...children].map(({ status }) => status));
  }
}

/** A worker with the permissions of this process, as far as it needs them. */
function spawn(): Deno.ChildProcess {
  const granted = (["read", "write", "ffi"] as const)
    .filter((name) => Deno.permissions.querySync({ name }).state === "granted");
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-env",
      ...granted.map((name) => `--allow-${name}`),
      new URL("./worker.ts", import.meta.url).href,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

const limits = ["trainExamples", "testExamples", "heldoutWindows"];

/** An order as text; JSON has no infinity, which as a limit means all. */
export function encodeOrder(order: Order): string {
  return JSON.stringify(order, (key, value) => limits.includes(key) && value === Infinity ? "all" : value);
}

/** An order from its text. */
export function decodeOrder(text: string): Order {
  return JSON.parse(
    text,
    (key, value) => limits.includes(key) && value === "all" ? Infinity : value,
  ) as Order;
}

async function send(child: Deno.ChildProcess, order: Order): Promise<void> {
  const writer = child.stdin.getWriter();
  // A worker that dies before it has read its order is reported by its status.
  await writer.write(new TextEncoder().encode(encodeOrder(order))).then(() => writer.close()).catch(() => {});
}

/** Asks a worker to stop after its update; it may have ended by itself. */
function tryKill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGINT");
  } catch { /* gone */ }
}

async function lastLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let last = "";
  for await (const line of lines(stream)) if (line.trim()) last = line.trim();
  return last;
}
