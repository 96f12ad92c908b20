import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, presets, withReadLock } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { adamState, disposeAdam, pretrain, pretrainDefaults, train } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

await backend("cpu");

/** A job whose updates take so long, and nothing else. */
function busy(ms: number, updates: number) {
  const x = tf.variable(tf.scalar(1));
  return {
    variables: [x],
    adam: { ...pretrainDefaults, updates },
    state: adamState([x]),
    losses: () => {
      for (const begin = performance.now(); performance.now() - begin < ms;);
      return { loss: x.square() as tf.Scalar };
    },
  };
}

Deno.test("a signal is heard while updates follow each other, within a second", async () => {
  let heard: number | undefined;
  const hear = () => heard = performance.now();
  Deno.addSignalListener("SIGUSR1", hear);
  const job = busy(60, 60);
  let sent = 0;
  try {
    for await (const { update } of train(job)) {
      if (update === 4) {
        Deno.kill(Deno.pid, "SIGUSR1");
        sent = performance.now();
      }
      if (heard !== undefined) break;
    }
  } finally {
    Deno.removeSignalListener("SIGUSR1", hear);
    disposeAdam(job.state);
    tf.dispose(job.variables);
  }
  assert(heard !== undefined && heard - sent < 1000, `heard after ${heard! - sent} ms`);
});

Deno.test("a loss that is not finite ends the run, names the update, and leaves what was reached", async () => {
  const x = tf.variable(tf.scalar(1));
  const state = adamState([x]);
  let at: number | undefined, saved = 0;
  const job = {
    variables: [x],
    state,
    adam: { ...pretrainDefaults, updates: 10 },
    losses: (update: number) => ({ loss: x.mul(update === 3 ? Infinity : 1) as tf.Scalar }),
    save: () => Promise.resolve(void (saved = state.update)),
    saveEvery: 2,
  };
  let said = "";
  try {
    for await (const _ of train(job)) at = x.dataSync()[0];
  } catch (error) {
    said = (error as Error).message;
  }
  assert(/^Cannot make update 4 as its loss is (Infinity|NaN) and its gradient norm/.test(said), said);
  assertEquals([x.dataSync()[0], state.update, saved], [at, 3, 2]);
  disposeAdam(state);
  x.dispose();
});

Deno.test("an update is saved after its record is read, so that what is done at it is not lost by a kill", async () => {
  const job = busy(0, 5), order: string[] = [];
  const save = () => Promise.resolve(void order.push(`saved ${job.state.update}`));
  for await (const { update } of train({ ...job, save, saveEvery: 2 })) order.push(`read ${update}`);
  assertEquals(order, ["read 1", "read 2", "saved 2", "read 3", "read 4", "saved 4", "read 5", "saved 5"]);
  disposeAdam(job.state);
  tf.dispose(job.variables);
});

Deno.test("a run's seconds are those of its updates, not of who reads its records", async () => {
  const job = busy(20, 3);
  let last = 0;
  for await (const { seconds } of train(job)) {
    last = seconds;
    await new Promise((resume) => setTimeout(resume, 500));
  }
  assert(last >= 0.06 && last < 1, `${last}`);
  disposeAdam(job.state);
  tf.dispose(job.variables);
});

Deno.test("an update that leaves numbers that are not finite ends the run at its end, and before a save", async () => {
  const cases = [
    { updates: 3, saveEvery: 1 },
    { updates: 3, saveEvery: 10 },
    { updates: 3 }, // Nothing is saved.
    { updates: 9, saveEvery: 3 },
    { updates: 9, saveEvery: 10, leaves: true },
  ];
  for (const { updates, saveEvery, leaves } of cases) {
    const x = tf.variable(tf.tensor2d([[3e20]]));
    const state = adamState([x]), saved: number[] = [];
    const job = {
      variables: [x],
      state,
      adam: {
        ...pretrainDefaults,
        rate: 10,
        decay: 100,
        schedule: "warmup_constant" as const,
        warmup: 0,
        updates,
      },
      losses: (update: number) => { // The third update overflows, and no loss is asked after it.
        if (update === 2) x.assign(tf.tensor2d([[3e38]]));
        return { loss: x.mul(1e-40).sum() as tf.Scalar };
      },
      ...saveEvery !== undefined && { save: () => Promise.resolve(void saved.push(state.update)), saveEvery },
    };
    await assertRefused(async () => {
      for await (const { update } of train(job)) if (leaves && update === 3) break;
    }, /^Cannot make update 3 as parameters or moments are then not finite: a smaller rate may help$/);
    assertEquals(saved, saveEvery === 1 ? [1, 2] : []);
    disposeAdam(state);
    x.dispose();
  }
});

Deno.test("numbers whose squares are not finite are no reason to end a run", async () => {
  const x = tf.variable(tf.tensor2d([[1e30, -1e30]]));
  const state = adamState([x]);
  const job = { variables: [x], state, adam: { ...pretrainDefaults, updates: 2 } };
  const tensors = tf.memory().numTensors;
  let updates = 0;
  for await (const _ of train({ ...job, losses: () => ({ loss: x.mul(1e-30).sum() as tf.Scalar }) })) {
    updates++;
  }
  assertEquals([updates, tf.memory().numTensors], [2, tensors]);
  disposeAdam(state);
  x.dispose();
});

Deno.test("a score that begins at any moment of a training is of one state of the model", async () => {
  const text = "to be or not to be that is the question ".repeat(40);
  const lm = gpt({ ...presets.smoke, dropout: 0 }, { tokenizer: trainBpe(text, { merges: 10 }), seed: 1 });
  const { weight } = lm.parameters.tokens_embed, sumOf = async () => (await weight.sum().data())[0]!;
  let [trained, scores, states] = [false, 0, new Set<number>()];
  const training = pretrain(lm, { train: text }, { updates: 30, batch: 2, rate: 1e-2 });
  void Promise.resolve(training).then(() => trained = true);
  while (!trained) {
    // Some begin in the same turn of the event loop, in which an update waits for its loss, some later.
    if (scores++ % 3 === 0) await new Promise((resume) => setTimeout(resume));
    for (let i = scores % 5; i > 0; i--) await undefined;
    await withReadLock(lm, async () => {
      const before = await sumOf();
      for (let i = 0; i < 3; i++) await new Promise((resume) => setTimeout(resume));
      assertEquals(await sumOf(), before, `score ${scores}`);
      states = states.add(before);
    });
  }
  assert(states.size > 5, `${states.size} states`);
  dispose(lm.parameters);
});
