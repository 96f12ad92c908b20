/**
 * Threads that work on one heap. Each has a queue of calls, which only numbers go through: a call is its number,
 * how many arguments it has, and these.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { InputError } from "../errors.ts";
import type { Calls } from "./calls.ts";
import type { Simd } from "./heap.ts";

/** What a thread is told as it starts. */
export interface Orders {
  /** The heap. */
  readonly memory: WebAssembly.Memory;
  /** The form of SIMD. */
  readonly form: Simd;
  /** The path of what multiplies; our own kernel without it. */
  readonly blas: string | undefined;
  /** As `callsOn` has them. */
  readonly constants: number;
  /** As `callsOn` has it. */
  readonly scratch: number;
  /** The queue's counters, by {@linkcode At}. */
  readonly state: Int32Array<SharedArrayBuffer>;
  /** The queue, a ring. */
  readonly queue: Float64Array<SharedArrayBuffer>;
  /** Gets the reason where the thread fails, in UTF-8. */
  readonly why: Uint8Array<SharedArrayBuffer>;
}

/** What of a thread's orders the team makes itself. */
type Own = "state" | "queue" | "why";

/**
 * What stands where in a queue's state: numbers written and read, whether the thread sleeps, how it is, whether it
 * shall end.
 */
export const At = { written: 0, read: 1, asleep: 2, health: 3, ending: 4 } as const;

/** How a thread is. */
export const Health = { starting: 0, well: 1, failed: 2 } as const;

/**
 * Numbers in a queue, a power of two, so that the place of one is its count's lower bits. Some hundred heads of
 * attention fit at T = 512: whoever finds it full waits, and does nothing meanwhile.
 */
const SIZE = 2 ** 18;
/**
 * Tries to see a change before whoever waits goes to sleep, some 100 µs: longer than most pauses between two
 * operations. With a fifth of it an update of a small model takes an eighth more, for waking up.
 */
export const PATIENCE = 20_000;
/** Bytes of a reason. */
const WHY = 1024;
/** Milliseconds in which a thread must have started. */
const START = 30_000;

/** The work of one part of several: makes calls. */
type Work = (calls: Calls, part: number, parts: number) => void;

/** The threads of a heap, this one included. */
export interface Team {
  /** How many there are. */
  readonly threads: number;
  /** What this thread does alone. */
  readonly own: Calls;
  /**
   * Divides work: calls `work` for each part, and returns when all is done. The parts must not touch each other's
   * results.
   *
   * @param cost Floating-point operations, to see what is worth dividing.
   */
  run(cost: number, work: Work): void;
  /** Ends all threads but this one. */
  end(): void;
}

/** Work that is done by one thread rather sooner than by two, in floating-point operations. */
const SMALL = 2e6;

/**
 * Starts threads.
 *
 * @param own What this thread does itself.
 * @param others What each further thread is told.
 * @throws {InputError} If one does not start.
 */
export function startTeam(own: Calls, others: readonly Omit<Orders, Own>[]): Team {
  const members = others.map((orders) => startMember(Object.keys(own), orders));
  const team: Team = {
    threads: members.length + 1,
    own,
    run(cost, work) {
      if (cost < SMALL || members.length === 0) return work(own, 0, 1);
      const parts = members.length + 1;
      const errors: unknown[] = [];
      const attempt = (step: () => void) => {
        try {
          step();
        } catch (error) {
          errors.push(error);
        }
      };
      members.forEach(({ calls }, i) => attempt(() => work(calls, i + 1, parts)));
      attempt(() => work(own, 0, parts));
      // Whatever happened: a thread that goes on would work on what the error frees.
      for (const member of members) attempt(() => member.wait());
      if (errors.length > 0) throw errors[0];
    },
    end: () => members.forEach((member) => member.end()),
  };
  try {
    members.forEach((member) => member.start());
  } catch (error) {
    team.end();
    throw error;
  }
  return team;
}

/** One further thread. */
function startMember(names: readonly string[], orders: Omit<Orders, Own>) {
  const state = new Int32Array(new SharedArrayBuffer(4 * 5));
  const queue = new Float64Array(new SharedArrayBuffer(8 * SIZE));
  const why = new Uint8Array(new SharedArrayBuffer(WHY));
  const worker = new Worker(new URL("./thread.ts", import.meta.url), {
    workerData: { ...orders, state, queue, why } satisfies Orders,
  });
  worker.unref(); // A program ends when it has nothing else to do.
  worker.on("error", ({ message }) => {
    why.set(new TextEncoder().encode(message).subarray(0, WHY));
    Atomics.store(state, At.health, Health.failed);
  });
  const check = (what: string) => {
    const health = Atomics.load(state, At.health);
    if (health === Health.well) return;
    const said = health === Health.failed
      ? new TextDecoder().decode(why.slice()).split("\0", 1)[0]
      : `it has not said a word in ${START / 1e3} s`;
    throw new InputError(`Cannot ${what} another thread of the engine as ${said}: one thread works`);
  };
  let written = 0;
  /** Waits until the thread has read all but so many numbers. */
  const wait = (left = 0) => {
    for (let tries = 0;; tries++) {
      const read = Atomics.load(state, At.read);
      if (((written - read) | 0) <= left) return;
      if (tries < PATIENCE) continue;
      Atomics.wait(state, At.read, read, 1);
      check("go on with");
    }
  };
  const push = (call: number, args: readonly (number | boolean)[]) => {
    wait(SIZE - args.length - 2);
    queue[written & (SIZE - 1)] = call;
    queue[(written + 1) & (SIZE - 1)] = args.length;
    for (let i = 0; i < args.length; i++) queue[(written + 2 + i) & (SIZE - 1)] = Number(args[i]);
    written = (written + args.length + 2) | 0; // The counters go round.
    Atomics.store(state, At.written, written);
    if (Atomics.load(state, At.asleep)) Atomics.notify(state, At.written);
  };
  const calls = Object.fromEntries(
    names.map((name, call) => [name, (...args: (number | boolean)[]) => push(call, args)]),
  ) as unknown as Calls;
  const start = () => {
    // Waiting without the event loop, which ends a program where nothing else is to be done.
    Atomics.wait(state, At.health, Health.starting, START);
    check("start");
  };
  const end = () => {
    Atomics.store(state, At.ending, 1);
    Atomics.add(state, At.written, 1); // Which wakes it, and keeps it from going to sleep just now.
    Atomics.notify(state, At.written);
  };
  return { calls, start, wait, end };
}

/** The numbers from `part`/`parts` of `count` on to the next part's, in whole units. */
export function share(count: number, part: number, parts: number, unit = 1): [first: number, end: number] {
  const units = Math.ceil(count / unit);
  const from = (part: number) => Math.min(count, Math.ceil(units * part / parts) * unit);
  return [from(part), from(part + 1)];
}
