/**
 * A further thread of the engine: makes the calls that come through its queue, in their order.
 *
 * @module
 */
import { workerData } from "node:worker_threads";
import { openBlas } from "./blas.ts";
import { callsOn } from "./calls.ts";
import { At, Health, type Orders, PATIENCE } from "./team.ts";

const { memory, form, blas: path, constants, scratch, state, queue, why } = workerData as Orders;

try {
  const blas = path === undefined ? undefined : openBlas(path);
  if (typeof blas === "string") throw new Error(blas);
  const calls = Object.values(
    callsOn(memory, form, blas, constants, scratch),
  ) as ((...args: number[]) => void)[];
  say(Health.well);
  const mask = queue.length - 1, args: number[] = [];
  for (let read = 0, tries = 0; Atomics.load(state, At.ending) === 0;) {
    if (Atomics.load(state, At.written) === read) {
      if (tries++ === 0) Atomics.notify(state, At.read);
      if (tries < PATIENCE) continue;
      Atomics.store(state, At.asleep, 1);
      Atomics.wait(state, At.written, read);
      Atomics.store(state, At.asleep, 0);
      continue;
    }
    tries = 0;
    const call = queue[read & mask]!, count = queue[(read + 1) & mask]!;
    args.length = count;
    for (let i = 0; i < count; i++) args[i] = queue[(read + 2 + i) & mask]!;
    calls[call]!(...args);
    read = (read + count + 2) | 0;
    Atomics.store(state, At.read, read);
  }
} catch (error) {
  why.set(new TextEncoder().encode((error as Error).message).subarray(0, why.length));
  say(Health.failed);
}

function say(health: number): void {
  Atomics.store(state, At.health, health);
  Atomics.notify(state, At.health);
}
