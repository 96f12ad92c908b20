/**
 * A worker process that executes runs of a study. It reads the study's plan and then indices of runs from standard input,
 * and writes messages as lines of JSON to standard output. When its standard input ends, as it does when the study's
 * process is gone, it saves a checkpoint and exits.
 *
 * @module
 */
import { backend } from "../engine/mod.ts";
import { InputError, messageOf } from "../errors.ts";
import { stop, stopSignal, stopSignals } from "../stop.ts";
import { tokenizerFrom } from "../text/mod.ts";
import { executeRun } from "./run.ts";
import { frames, HEARTBEAT_INTERVAL, type WorkerMessage, type WorkerPlan } from "./workers.ts";

/** Milliseconds between progress messages of a run. */
const STEP_INTERVAL = 200;

/** Milliseconds that a worker has to save a checkpoint when the study's process is gone. */
const SHUTDOWN_TIMEOUT = 4000;

if (import.meta.main) {
  for (const signal of stopSignals) Deno.addSignalListener(signal, () => stop());
  const send = (message: WorkerMessage) => console.log(JSON.stringify(message));
  const fail = (error: unknown) => {
    if (!(error instanceof InputError)) console.error(error); // A bug keeps its stack.
    send({ failure: messageOf(error) });
  };
  Deno.unrefTimer(setInterval(() => send({ heartbeat: true }), HEARTBEAT_INTERVAL));
  const next = incomingMessages();
  try {
    const order = await next() as WorkerPlan | undefined;
    if (order) await work(order, next, send, fail);
  } catch (error) {
    fail(error);
  }
  Deno.exit();
}

/** Executes the runs whose indices arrive. */
async function work(
  { runs, tokenizers: states, saveEvery, backend: name }: WorkerPlan,
  next: () => Promise<unknown>,
  send: (message: WorkerMessage) => void,
  fail: (error: unknown) => void,
): Promise<void> {
  await backend(name, { threads: 1 });
  const tokenizers = states.map((state) => tokenizerFrom(state));
  send({ ready: true });
  for (let number = await next(); number !== undefined; number = await next()) {
    const run = runs[number as number]!;
    const steps = executeRun(run, tokenizers[run.tokenizer]!, saveEvery, stopSignal());
    let lastSent = -Infinity;
    try {
      let step = await steps.next();
      for (; !step.done; step = await steps.next()) {
        if (step.value.share < 1 && performance.now() - lastSent < STEP_INTERVAL) continue;
        lastSent = performance.now();
        send({ step: step.value });
      }
      send({ end: step.value });
    } catch (error) {
      fail(error);
    }
  }
}

/** Returns a function that waits for the next message on standard input; undefined at its end, or when stopped. */
function incomingMessages(): () => Promise<unknown> {
  const waiting: unknown[] = [];
  let wake = () => {};
  stopSignal().addEventListener("abort", () => wake());
  (async () => {
    for await (const order of frames(Deno.stdin.readable)) {
      waiting.push(order);
      wake();
    }
  })().catch(() => {}).finally(() => { // The study's process is gone, or has closed the pipe.
    stop();
    Deno.unrefTimer(setTimeout(() => Deno.exit(), SHUTDOWN_TIMEOUT));
  });
  return async () => {
    while (waiting.length === 0 && !stopSignal().aborted) await new Promise<void>((resume) => wake = resume);
    return stopSignal().aborted ? undefined : waiting.shift();
  };
}
