import { keyOf, uniforms } from "../../lib/engine/mod.ts";
import { processes } from "../programs.ts";
import type { Part } from "./part.ts";
import {
  alive,
  contents,
  corpusText,
  descendants,
  differenceOf,
  start,
  type Subject,
  subjects,
} from "./subjects.ts";

/** Kills before a command is let through and what it made is looked at. */
const CHAIN = 5;

/** Milliseconds after which no process of a killed command may be left. */
const GONE = 5000;

/** Milliseconds after which a command that was asked to end has failed to. */
const ENDS = 60_000;

const signals = ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"] as const;

/** Kills of commands that train, at random moments, again and again until what they make is there. */
export const kills: Part = {
  about:
    "kills of pretrain, finetune and studies at random moments, by four signals, of a worker, too: the same command " +
    "goes on, makes the same bytes, and leaves no process",
  times: 200,
  async *attacks(seed) {
    if (!await processes()) return yield { name: "there is no ps, so that processes cannot be looked for" };
    const folder = await Deno.makeTempDir();
    const corpus = `${folder}/corpus.txt`;
    await Deno.writeTextFile(corpus, corpusText);
    try {
      const whole = new Map<Subject, { seconds: number; contents: Record<string, string> }>();
      for (let count = 0;; count++) {
        const subject = subjects[count % subjects.length]!;
        const draw = uniforms(keyOf(seed, "kills", count), 3 * CHAIN);
        let reference = whole.get(subject);
        if (!reference) {
          whole.set(subject, reference = await unbroken(subject, `${folder}/whole${count}`, corpus));
        }
        const own = `${folder}/${count}`;
        await Deno.mkdir(own);
        const args = subject.args(own, corpus);
        for (let i = 0; i < CHAIN; i++) {
          const [when, how, whom] = draw.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
          const signal = signals[Math.floor(how * signals.length)]!;
          const outcome = await kill(args, 1000 * reference.seconds * when, signal, whom < 0.15);
          const name = `${subject.name}, ${signal} ${outcome.at}`;
          if (i < CHAIN - 1) {
            yield { name, ...outcome.wrong !== undefined && { wrong: outcome.wrong } };
            continue;
          }
          await new Promise((resume) => setTimeout(resume, 2500)); // What was half written is left alone for a while.
          const end = await through(args);
          const wrong = outcome.wrong ?? end ?? differenceOf(await contents(own), reference.contents);
          yield { name, ...wrong !== undefined && { wrong } };
        }
        await Deno.remove(own, { recursive: true });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

async function unbroken(subject: Subject, folder: string, corpus: string) {
  await Deno.mkdir(folder);
  const begin = performance.now();
  const wrong = await through(subject.args(folder, corpus));
  if (wrong !== undefined) throw new Error(`Cannot run ${subject.name} unbroken: ${wrong}`);
  const seconds = (performance.now() - begin) / 1e3;
  return { seconds, contents: await contents(folder) };
}

/** Lets a command through: what is wrong with its end, if anything. A command whose work is done already says so. */
async function through(args: readonly string[]): Promise<string | undefined> {
  const { child, said } = start(args);
  const { code } = await child.status;
  const isThere = code === 2 && /exists already: remove it or choose another file/.test(await said);
  return code === 0 || isThere
    ? undefined
    : `called again it ends with code ${code}: ${(await said).slice(-300)}`;
}

/** Kills a command, or one of its workers. */
async function kill(
  args: readonly string[],
  after: number,
  signal: typeof signals[number],
  isWorkers: boolean,
): Promise<{ at: string; wrong?: string }> {
  const { child, said } = start(args);
  let isOver = false;
  const over = child.status.then((status) => (isOver = true, status));
  await Promise.race([new Promise((resume) => setTimeout(resume, after)), over]);
  const at = `after ${(after / 1000).toFixed(2)} s`;
  if (isOver) {
    const { code } = await over;
    const isThere = code === 2 && /exists already/.test(await said);
    return code === 0 || isThere
      ? { at: `${at}, when it had ended` }
      : { at, wrong: `it ended with code ${code}: ${await said}` };
  }
  const workers = await descendants(child.pid);
  const worker = isWorkers ? workers[0] : undefined;
  try {
    if (worker !== undefined) Deno.kill(worker, "SIGKILL");
    else child.kill(signal);
  } catch { /* It has just ended. */ }
  const timer = setTimeout(() => child.kill("SIGKILL"), ENDS);
  const { code, signal: by } = await over;
  clearTimeout(timer);
  const whom = worker !== undefined ? `${at}, SIGKILL of a worker` : at;
  if (by === "SIGKILL" && signal !== "SIGKILL" && worker === undefined) {
    return { at: whom, wrong: "it did not end for a minute" };
  }
  const codes = { SIGKILL: [137], SIGTERM: [143, 0], SIGHUP: [129, 0], SIGINT: [130, 0] }[signal];
  if (worker !== undefined ? code !== 0 : !codes.includes(code)) {
    return { at: whom, wrong: `it ended with code ${code}: ${(await said).slice(-300)}` };
  }
  const begin = performance.now();
  let left = await alive(workers);
  for (; left.length > 0 && performance.now() - begin < GONE; left = await alive(left)) {
    await new Promise((resume) => setTimeout(resume, 100));
  }
  return {
    at: whom,
    ...left.length > 0 && { wrong: `${left.length} of its processes were left after five seconds` },
  };
}
