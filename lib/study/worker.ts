/**
 * A process that carries out runs of a study: it reads the study's plan and then the runs' numbers from standard input,
 * and writes what comes of them, a line of JSON each, to standard output. Where its standard input ends, as it does when
 * the study's process is gone, it saves what is under way and ends.
 *
 * @module
 */
import { backend } from "../engine/mod.ts";
import { InputError, messageOf } from "../errors.ts";
import { stop, stopSignal } from "../stop.ts";
import { tokenizerFrom } from "../text/mod.ts";
import { runsOf } from "./plan.ts";
import { carryOut } from "./run.ts";
import { BEAT, frames, type Order, type Word } from "./workers.ts";

/** Milliseconds from one line about a run to the next: the reader looks at them a few times a second. */
const EVERY = 200;

/** Milliseconds that a worker without a reader has to save what is under way. */
const GRACE = 4000;

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, () => stop());
  const say = (word: Word) => console.log(JSON.stringify(word));
  const fail = (error: unknown) => {
    if (!(error instanceof InputError)) console.error(error); // A bug keeps its stack.
    say({ failure: messageOf(error) });
  };
  Deno.unrefTimer(setInterval(() => say({ beat: true }), BEAT));
  const next = orders();
  try {
    const order = await next() as Order | undefined;
    if (order) await work(order, next, say, fail);
  } catch (error) {
    fail(error);
  }
  Deno.exit();
}

/** Carries out the runs whose numbers come. */
async function work(
  { arms, tokenizer: state, saveEvery, backend: name }: Order,
  next: () => Promise<unknown>,
  say: (word: Word) => void,
  fail: (error: unknown) => void,
): Promise<void> {
  await backend(name, { threads: 1 });
  const tokenizer = tokenizerFrom(state);
  const runs = runsOf({ arms });
  say({ ready: true });
  for (let number = await next(); number !== undefined; number = await next()) {
    const steps = carryOut(runs[number as number]!, tokenizer, saveEvery, stopSignal());
    let said = -Infinity;
    try {
      let step = await steps.next();
      for (; !step.done; step = await steps.next()) {
        if (step.value.share < 1 && performance.now() - said < EVERY) continue;
        said = performance.now();
        say({ step: step.value });
      }
      say({ end: step.value });
    } catch (error) {
      fail(error);
    }
  }
}

/** What comes on standard input, one after the other; nothing after its end, or when this process is to end. */
function orders(): () => Promise<unknown> {
  const waiting: unknown[] = [];
  let wake = () => {};
  stopSignal().addEventListener("abort", () => wake());
  (async () => {
    for await (const order of frames(Deno.stdin.readable)) {
      waiting.push(order);
      wake();
    }
  })().catch(() => {}).finally(() => { // The study's process is gone, or wants no more.
    stop();
    Deno.unrefTimer(setTimeout(() => Deno.exit(), GRACE));
  });
  return async () => {
    while (waiting.length === 0 && !stopSignal().aborted) await new Promise<void>((resume) => wake = resume);
    return stopSignal().aborted ? undefined : waiting.shift();
  };
}
