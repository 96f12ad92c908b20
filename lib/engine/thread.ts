/**
 * A further thread of the engine: makes the kernel calls that come through its queue, in their order.
 *
 * @module
 */
import { workerData } from "node:worker_threads";
import { openBlas } from "./blas.ts";
import { kernelCallsOn } from "./kernel-calls.ts";
import { SPIN_LIMIT, StateIndex, Status, type ThreadSettings } from "./thread-pool.ts";

/**
 * Milliseconds until it starts: it waits for calls by blocking, and while a module's evaluation blocks, Deno holds what
 * other threads need to import a package that is new to the program, which would then never be loaded.
 */
const START_DELAY = 100;

const { memory, form, blas: path, constants, scratch, state, queue, reason } = workerData as ThreadSettings;

setTimeout(() => {
  try {
    const blas = path === undefined ? undefined : openBlas(path);
    if (typeof blas === "string") throw new Error(blas);
    const kernels = Object.values(
      kernelCallsOn(memory, form, blas, constants, scratch),
    ) as ((...args: number[]) => void)[];
    Atomics.store(state, StateIndex.status, Status.ready);
    const mask = queue.length - 1, args: number[] = [];
    for (let read = 0, tries = 0; Atomics.load(state, StateIndex.ending) === 0;) {
      if (Atomics.load(state, StateIndex.written) === read) {
        if (tries++ === 0) Atomics.notify(state, StateIndex.read);
        if (tries < SPIN_LIMIT) continue;
        Atomics.store(state, StateIndex.asleep, 1);
        Atomics.wait(state, StateIndex.written, read);
        Atomics.store(state, StateIndex.asleep, 0);
        continue;
      }
      tries = 0;
      const call = queue[read & mask]!, count = queue[(read + 1) & mask]!;
      args.length = count;
      for (let i = 0; i < count; i++) args[i] = queue[(read + 2 + i) & mask]!;
      kernels[call]!(...args);
      read = (read + count + 2) | 0;
      Atomics.store(state, StateIndex.read, read);
    }
  } catch (error) {
    reason.set(new TextEncoder().encode((error as Error).message).subarray(0, reason.length));
    Atomics.store(state, StateIndex.status, Status.failed);
  }
}, START_DELAY);
