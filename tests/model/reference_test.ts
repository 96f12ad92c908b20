import * as tf from "@tensorflow/tfjs";
import { backend } from "../../lib/engine/mod.ts";
import { classify, dispose, forward, leaves, tokenLogits } from "../../lib/model/mod.ts";
import { objective } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { batchFor, type Case, modelOf, numbers, reference, zeros } from "../reference.ts";

await backend();

function checkGradients(example: Case, drop?: { rate: number; seed: number; update: number }) {
  const where = `${example.positions} ${example.scale} ${example.variant} ${example.task}`;
  const lm = modelOf(example);
  const named = leaves(lm.parameters).filter(([, leaf]) => leaf.trainable);
  const losses: Record<string, number> = {};
  const { value, grads } = tf.variableGrads(() => {
    const found = objective(lm, batchFor(example.task), 0.5, drop);
    for (const name of ["L1", "L2"] as const) if (found[name]) losses[name] = found[name].dataSync()[0]!;
    return found.loss;
  }, named.map(([, leaf]) => leaf));
  assertClose(value.dataSync(), [example.loss], `${where}: loss`);
  assertClose([losses["L1"]!], [example.L1], `${where}: L1`);
  if (example.L2 !== undefined) assertClose([losses["L2"]!], [example.L2], `${where}: L2`);
  for (const [name, leaf] of named) {
    const zero = zeros(example, name, leaf.shape);
    assertClose(grads[leaf.name]!.dataSync(), numbers(example.gradient + name), `${where}: ∇${name}`, {
      zero,
    });
  }
  dispose(lm.parameters);
  tf.dispose([value, grads]);
}

Deno.test("hidden states and scores equal PyTorch's for each position kind, variant and task kind", () => {
  assertEquals(reference.cases.length, 52);
  for (const example of reference.cases) {
    const lm = modelOf(example);
    const { ids, lengths, labels } = batchFor(example.task);
    const N = lengths.length;
    tf.tidy(() => {
      const { h } = forward(lm.parameters, lm.config, tf.tensor2d(ids, [N, ids.length / N], "int32"));
      assertClose(h.dataSync(), numbers(example.hidden), example.hidden);
      if (!example.logits) return;
      const scores = classify(lm.parameters, lm.task!.kind, h, lengths, labels!.length);
      assertClose(scores.dataSync(), numbers(example.logits), example.logits);
    });
    dispose(lm.parameters);
  }
});

Deno.test("L1, L2, L3 and every gradient equal PyTorch's", () => {
  for (const example of reference.cases) checkGradients(example);
});

Deno.test("with dropout at all sites, losses and every gradient equal PyTorch's under the same masks", () => {
  const { rate, seed, update, cases } = reference.dropout;
  assertEquals(cases.length, 20);
  for (const example of cases) checkGradients(example, { rate, seed, update });
});

Deno.test("the next token's scores equal PyTorch's, and so does a greedy continuation", () => {
  for (const example of reference.generation) {
    const lm = modelOf({ ...example, task: "lm" });
    const ids = [...example.prompt];
    for (const token of example.tokens) {
      const best = tf.tidy(() => {
        const { h } = forward(lm.parameters, lm.config, tf.tensor2d([ids], undefined, "int32"));
        const last = h.slice([0, ids.length - 1, 0], [1, 1, -1]).reshape([1, -1]) as tf.Tensor2D;
        const logits = tokenLogits(lm.parameters, last).dataSync();
        if (ids.length === example.prompt.length) {
          assertClose(logits, numbers(example.logits!).slice(0, logits.length), example.logits!);
        }
        return logits.indexOf(Math.max(...logits));
      });
      assertEquals(best, token);
      ids.push(best);
    }
    dispose(lm.parameters);
  }
});

Deno.test("λ = 0 leaves the language-model head out: its loss is not computed", () => {
  const example = reference.cases.find(({ task }) => task === "classification")!;
  const lm = modelOf(example);
  tf.tidy(() => {
    const losses = objective(lm, batchFor("classification"), 0);
    assert(losses.L1 === undefined);
    assertClose(losses.loss.dataSync(), [example.L2!], "L2 alone");
  });
  dispose(lm.parameters);
});
