/**
 * One arm of a study in a process of its own: reads its order from standard input, writes its steps, a line of
 * JSON each, to standard output, and ends after the update under way when it is interrupted.
 *
 * @module
 */
import { backend, type BackendName } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { runArm } from "./arm.ts";
import { keysOf, planOf } from "./plan.ts";
import { decodeOrder } from "./workers.ts";

/** Milliseconds from one line to the next: the reader looks at them a few times a second. */
const EVERY = 200;

if (import.meta.main) {
  const stop = new AbortController();
  Deno.addSignalListener("SIGINT", () => stop.abort());
  try {
    const order = decodeOrder(await new Response(Deno.stdin.readable).text());
    await backend(order.backend as BackendName, { threads: 1 });
    const plan = await planOf(order.study);
    const arm = plan.arms[order.arm]!;
    if (keysOf(arm).join() !== order.keys.join()) {
      throw new InputError(
        "its process reads other data than the study: a file may have changed since it began",
      );
    }
    let said = -Infinity;
    for await (const step of runArm(arm, order.study, stop.signal)) {
      if (step.share < 1 && performance.now() - said < EVERY) continue;
      said = performance.now();
      console.log(JSON.stringify(step));
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}
