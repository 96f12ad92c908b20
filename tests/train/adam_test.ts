import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, leaves, presets } from "../../lib/model/mod.ts";
import {
  adamState,
  adamUpdate,
  disposeAdam,
  finetuneDefaults,
  globalNorm,
  objective,
  schedules,
  train,
} from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { batchFor, modelOf, numbers, reference, zeros } from "../reference.ts";

await backend();

Deno.test("the schedules have the reference's values, zero at the first update of a warm-up among them", () => {
  assertEquals(reference.schedules.length, 21);
  for (const { schedule, warmup, x, value } of reference.schedules) {
    assertClose([schedules[schedule](x, warmup)], [value], `${schedule}(${x}, ${warmup})`, {
      relative: 1e-12,
    });
  }
});

Deno.test("50 updates of Adam on an artificial gradient leave every parameter where the reference has it", () => {
  const { lr: rate, warmup, updates, l2: decay, order, after, norms } = reference.adam;
  for (const schedule of reference.adam.schedules) {
    const shapes: Record<string, number[]> = { W: [3, 4], b: [4], E: [5, 3] };
    const variables = order.map((name) =>
      tf.variable(tf.tensor(numbers(`adam/start/${name}`), shapes[name]!))
    );
    const options = { ...finetuneDefaults(presets.gpt1), schedule, rate, warmup, updates, decay };
    const state = adamState(variables);
    for (let t = 0; t < updates; t++) {
      let j = 0;
      const gradients = variables.map((p) => {
        const values = Float32Array.from(
          p.dataSync(),
          (x) => 0.8 * Math.sin(3 * x + 0.37 * t + j++) * (0.05 + (t % 5) / 2.5),
        );
        return tf.tensor(values, p.shape);
      });
      const norm = globalNorm(gradients).dataSync()[0]!;
      assertClose([norm], [norms[schedule][t]!], `${schedule}: norm at ${t}`, { relative: 1e-4 });
      adamUpdate(variables, gradients, norm, state, options);
      tf.dispose(gradients);
      if (!after.includes(t + 1)) continue;
      order.forEach((name, i) => {
        const what = `adam/${schedule}/after-${t + 1}/${name}`;
        assertClose(variables[i]!.dataSync(), numbers(what), what, { relative: 1e-4 });
      });
    }
    disposeAdam(state);
    tf.dispose(variables);
  }
});

Deno.test("50 updates of a whole model with dropout end where PyTorch's end, under each schedule", async () => {
  const { lr: rate, warmup, updates, l2: decay, rate: dropout, seed, cases } = reference.training;
  assertEquals(cases.length, 6);
  for (const example of cases) {
    const lm = modelOf(example, { dropout });
    const named = leaves(lm.parameters).filter(([, leaf]) => leaf.trainable);
    const variables = named.map(([, leaf]) => leaf);
    const state = adamState(variables);
    const batch = batchFor(example.task);
    const losses: number[] = [];
    for await (
      const { loss } of train({
        variables,
        state,
        adam: { ...finetuneDefaults(presets.gpt1), schedule: example.schedule, rate, warmup, updates, decay },
        losses: (update) => objective(lm, batch, 0.5, { rate: dropout, seed, update }),
      })
    ) losses.push(loss);
    const where = `${example.positions} ${example.variant} ${example.schedule}`;
    assertClose(losses, example.losses, `${where}: losses`, { relative: 1e-4 });
    for (const [name, leaf] of named) {
      // A key's bias has no gradient, and Adam magnifies the rounding in its place: at most rate × updates.
      const zero = name.endsWith("c_attn.bias") ? zeros(example, name, leaf.shape) : [];
      const expected = numbers(example.final + name);
      const actual = leaf.dataSync().map((x, i) => zero.some(([a, b]) => i >= a && i < b) ? expected[i]! : x);
      assertClose(actual, expected, `${where}: ${name}`, { relative: 1e-4 });
      for (const [a, b] of zero) {
        leaf.dataSync().subarray(a, b).forEach((x, i) => {
          assert(Math.abs(x - expected[a + i]!) <= rate * updates, `${where}: ${name}[${a + i}] went astray`);
        });
      }
    }
    disposeAdam(state);
    dispose(lm.parameters);
  }
});

Deno.test("a loss that is not finite stops training with the update's number, before parameters change", async () => {
  const p = tf.variable(tf.tensor1d([1]));
  const state = adamState([p]);
  const job = {
    variables: [p],
    state,
    adam: { ...finetuneDefaults(presets.gpt1), schedule: "warmup_constant" as const, warmup: 0, updates: 5 },
    losses: (update: number) => ({ loss: (update < 2 ? p.square().sum() : p.mul(NaN).sum()) as tf.Scalar }),
  };
  let value = NaN;
  await assertRefused(async () => {
    for await (const _ of train(job)) value = p.dataSync()[0]!;
  }, /^Cannot make update 3 as its loss is NaN/);
  assertEquals(p.dataSync()[0], value);
  tf.dispose(p);
  disposeAdam(state);
});
