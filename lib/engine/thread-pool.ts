/**
 * Threads that work in one memory. Each has a queue of kernel calls, which only numbers go through: a call is its
 * number, how many arguments it has, and these.
 *
 * @module
 */
import { InputError } from "../errors.ts";
import { workerUrl } from "../origin.ts";
import type { KernelCalls } from "./kernel-calls.ts";
import type { Simd, WasmBackend } from "./wasm-memory.ts";

/** What a thread is given as it starts. */
export interface ThreadSettings {
  /** The memory. */
  readonly memory: WebAssembly.Memory;
  /** The form of SIMD. */
  readonly form: Simd;
  /** The path of the BLAS that multiplies. Without it our own kernel does. */
  readonly blas: string | undefined;
  /** As `kernelCallsOn` has it. */
  readonly constants: number;
  /** As `kernelCallsOn` has it. */
  readonly scratch: number;
  /** The queue's counters, by {@linkcode StateIndex}. */
  readonly state: Int32Array<SharedArrayBuffer>;
  /** The queue, a ring. */
  readonly queue: Float64Array<SharedArrayBuffer>;
  /** Gets the reason where the thread fails, in UTF-8. */
  readonly reason: Uint8Array<SharedArrayBuffer>;
}

/** The part of a thread's settings that the pool makes itself. */
type Own = "state" | "queue" | "reason";

/** Where a queue's state holds what: numbers written and read, whether the thread sleeps, its status, whether to end. */
export const StateIndex = { written: 0, read: 1, asleep: 2, status: 3, ending: 4 } as const;

/** A thread's status. */
export const Status = { starting: 0, ready: 1, failed: 2 } as const;

/**
 * Numbers in a queue, a power of two, so that the index of one is its count's lower bits. Some hundred heads of
 * attention fit at T = 512; who finds it full waits, and does nothing meanwhile.
 */
const QUEUE_LENGTH = 2 ** 18;
/**
 * Tries to see a change before a thread that waits goes to sleep, some 100 µs: longer than most pauses between two
 * operations. With a fifth of it an update of a small model takes an eighth more, for waking up.
 */
export const SPIN_LIMIT = 20_000;
/** Bytes of a reason. */
const REASON_BYTES = 1024;
/** Milliseconds in which a thread must have started. */
const START_TIMEOUT = 30_000;
/** Milliseconds between two looks whether it has. */
const START_INTERVAL = 2;

/** The work of one part of several: makes kernel calls. */
type PartOfWork = (kernels: KernelCalls, part: number, parts: number) => void;

/** The threads of a memory, this one included. */
export interface ThreadPool {
  /** How many there are. */
  readonly threads: number;
  /** What this thread does alone. */
  readonly own: KernelCalls;
  /**
   * Divides work: calls `work` for each part, and returns when all is done. The parts must not touch each other's
   * results.
   *
   * @param cost Floating-point operations, to see what is worth dividing.
   */
  run(cost: number, work: PartOfWork): void;
  /** Ends all threads but this one. */
  end(): void;
}

/** Work that one thread does sooner than two, in floating-point operations. */
const SMALL = 2e6;

const pools = new WeakMap<WasmBackend, ThreadPool>();

/** The threads of a backend, if `installGemm` was called: the same object until it is called again. */
export function threadPoolOn(backend: WasmBackend): ThreadPool | undefined {
  return pools.get(backend);
}

/** Gives a backend its threads, and ends those that it had. */
export function setThreadPool(backend: WasmBackend, pool: ThreadPool): void {
  const before = pools.get(backend);
  pools.set(backend, pool);
  before?.end();
}

/**
 * Starts threads.
 *
 * @param own The kernel calls of this thread.
 * @param others Settings of each further thread.
 * @throws {InputError} If one does not start.
 */
export async function startThreadPool(
  own: KernelCalls,
  others: readonly Omit<ThreadSettings, Own>[],
): Promise<ThreadPool> {
  const workers = others.length === 0 ? [] : await startThreads(Object.keys(own), others);
  const pool: ThreadPool = {
    threads: workers.length + 1,
    own,
    run(cost, work) {
      if (cost < SMALL || workers.length === 0) return work(own, 0, 1);
      const parts = workers.length + 1;
      const errors: unknown[] = [];
      const attempt = (step: () => void) => {
        try {
          step();
        } catch (error) {
          errors.push(error);
        }
      };
      workers.forEach(({ kernels }, i) => attempt(() => work(kernels, i + 1, parts)));
      attempt(() => work(own, 0, parts));
      // Even after an error: a thread that goes on would work on what the error frees.
      for (const worker of workers) attempt(() => worker.wait());
      if (errors.length > 0) throw errors[0];
    },
    end: () => workers.forEach((worker) => worker.end()),
  };
  try {
    await Promise.all(workers.map((worker) => worker.start()));
  } catch (error) {
    pool.end();
    throw error;
  }
  return pool;
}

/** Further threads, imported on demand: a page has no such workers, and one thread. */
async function startThreads(names: readonly string[], others: readonly Omit<ThreadSettings, Own>[]) {
  const { Worker } = await import("node:worker_threads");
  return others.map((settings) => startThread(Worker, names, settings));
}

/** One further thread. */
function startThread(
  Worker: typeof import("node:worker_threads").Worker,
  names: readonly string[],
  settings: Omit<ThreadSettings, Own>,
) {
  const state = new Int32Array(new SharedArrayBuffer(4 * 5));
  const queue = new Float64Array(new SharedArrayBuffer(8 * QUEUE_LENGTH));
  const reason = new Uint8Array(new SharedArrayBuffer(REASON_BYTES));
  const worker = new Worker(workerUrl(new URL("./thread.ts", import.meta.url)), {
    workerData: { ...settings, state, queue, reason } satisfies ThreadSettings,
  });
  worker.unref(); // A program ends when it has nothing else to do.
  worker.on("error", ({ message }) => {
    reason.set(new TextEncoder().encode(message).subarray(0, REASON_BYTES));
    Atomics.store(state, StateIndex.status, Status.failed);
  });
  const check = (action: string) => {
    const status = Atomics.load(state, StateIndex.status);
    if (status === Status.ready) return;
    const why = status === Status.failed
      ? new TextDecoder().decode(reason.slice()).split("\0", 1)[0]
      : `it has not answered in ${START_TIMEOUT / 1e3} s`;
    throw new InputError(`Cannot ${action} another thread of the engine as ${why}: one thread works`);
  };
  let written = 0;
  /** Waits until the thread has read all but so many numbers. */
  const wait = (left = 0) => {
    for (let tries = 0;; tries++) {
      const read = Atomics.load(state, StateIndex.read);
      if (((written - read) | 0) <= left) return;
      if (tries < SPIN_LIMIT) continue;
      Atomics.wait(state, StateIndex.read, read, 1);
      check("go on with");
    }
  };
  const push = (call: number, args: readonly (number | boolean)[]) => {
    wait(QUEUE_LENGTH - args.length - 2);
    queue[written & (QUEUE_LENGTH - 1)] = call;
    queue[(written + 1) & (QUEUE_LENGTH - 1)] = args.length;
    for (let i = 0; i < args.length; i++) queue[(written + 2 + i) & (QUEUE_LENGTH - 1)] = Number(args[i]);
    written = (written + args.length + 2) | 0; // The counters wrap around.
    Atomics.store(state, StateIndex.written, written);
    if (Atomics.load(state, StateIndex.asleep)) Atomics.notify(state, StateIndex.written);
  };
  const kernels = Object.fromEntries(
    names.map((name, call) => [name, (...args: (number | boolean)[]) => push(call, args)]),
  ) as unknown as KernelCalls;
  const start = async () => {
    // By turns of the event loop, in which its modules are downloaded where they are not in files. A timer keeps the
    // program alive, a wait for the worker or its status would not.
    const end = performance.now() + START_TIMEOUT;
    while (Atomics.load(state, StateIndex.status) === Status.starting && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, START_INTERVAL));
    }
    check("start");
  };
  const end = () => {
    Atomics.store(state, StateIndex.ending, 1);
    Atomics.add(state, StateIndex.written, 1); // Which wakes it, and keeps it from going to sleep just now.
    Atomics.notify(state, StateIndex.written);
  };
  return { kernels, start, wait, end };
}

/** The numbers from `part`/`parts` of `count` on to the next part's, in whole units. */
export function share(count: number, part: number, parts: number, unit = 1): [first: number, end: number] {
  const units = Math.ceil(count / unit);
  const from = (part: number) => Math.min(count, Math.ceil(units * part / parts) * unit);
  return [from(part), from(part + 1)];
}
