import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import {
  alibiSlopes,
  classify,
  dispose,
  forward,
  leaves,
  positionKinds,
  relativeBucket,
  tokenLogits,
} from "../../lib/model/mod.ts";
import { objective } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { batchFor, batchOf, type Case, modelOf, numbers, positions, reference, zeros } from "../reference.ts";

await backend();

/** Both files: the paper's kinds of positions, and those that act in attention. */
const files = [{ about: reference, numbers, modelOf, batchFor }, positions];

function checkGradients(
  { modelOf, numbers }: Pick<typeof positions, "modelOf" | "numbers">,
  example: Case,
  batch: Parameters<typeof objective>[1],
  options: {
    dropout?: { rate: number; seed: number; update: number };
    change?: Parameters<typeof modelOf>[1];
  } = {},
) {
  const where = `${example.positions} ${example.scale} ${example.variant} ${example.task}`;
  const lm = modelOf(example, options.change);
  const named = leaves(lm.parameters).filter(([, leaf]) => leaf.trainable);
  const losses: Record<string, number> = {};
  const { value, grads } = tf.variableGrads(() => {
    const found = objective(lm, batch, 0.5, options.dropout);
    for (const name of ["L1", "L2"] as const) if (found[name]) losses[name] = found[name].dataSync()[0]!;
    return found.loss;
  }, named.map(([, leaf]) => leaf));
  assertClose(value.dataSync(), [example.loss], `${where}: loss`);
  for (const name of ["L1", "L2"] as const) {
    if (example[name] !== undefined) assertClose([losses[name]!], [example[name]], `${where}: ${name}`);
  }
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
  assertEquals(files.map(({ about: { cases } }) => cases.length), [52, 30]);
  assertEquals(
    [...new Set(files.flatMap(({ about: { cases } }) => cases.map(({ positions }) => positions)))],
    [...positionKinds],
  );
  for (const { about, modelOf, batchFor, numbers } of files) {
    for (const example of about.cases) {
      const lm = modelOf(example);
      const { ids, lengths, labels } = batchFor(example.task);
      const N = lengths.length;
      tf.tidy(() => {
        const { h } = forward(lm, tf.tensor2d(ids, [N, ids.length / N], "int32"));
        assertClose(h.dataSync(), numbers(example.hidden), example.hidden);
        if (!example.logits) return;
        const scores = classify(lm.parameters, lm.task!.kind, h, lengths, labels!.length);
        assertClose(scores.dataSync(), numbers(example.logits), example.logits);
      });
      dispose(lm.parameters);
    }
  }
});

Deno.test("L1, L2, L3 and every gradient equal PyTorch's", () => {
  for (const file of files) {
    for (const example of file.about.cases) checkGradients(file, example, file.batchFor(example.task));
  }
});

Deno.test("with dropout at all sites, losses and every gradient equal PyTorch's under the same masks", () => {
  assertEquals(files.map(({ about }) => about.dropout.cases.length), [20, 18]);
  for (const file of files) {
    const { rate, seed, update, cases } = file.about.dropout;
    for (const example of cases) {
      checkGradients(file, example, file.batchFor(example.task), { dropout: { rate, seed, update } });
    }
  }
});

Deno.test("in blocks that attend in both directions, states, loss and every gradient equal PyTorch's", () => {
  const { batch, cases } = positions.about.bidirectional;
  assertEquals(cases.length, 3);
  const { ids, lengths } = batchOf(batch);
  const masked = { positions: Int32Array.from(batch.positions), tokens: Int32Array.from(batch.tokens) };
  const change = { architecture: "bert" } as const, N = lengths.length, T = ids.length / N;
  for (const example of cases) {
    const lm = positions.modelOf(example, change);
    tf.tidy(() => {
      const { h } = forward(lm, tf.tensor2d(ids, [N, T], "int32"), { lengths });
      const isReal = [...lengths].map((length) => Array.from({ length: T }, (_, t) => [Number(t < length)]));
      assertClose(h.mul(tf.tensor3d(isReal)).dataSync(), positions.numbers(example.hidden), example.hidden, {
        zero: [...lengths].map((length, n) => [(n * T + length) * 12, (n + 1) * T * 12]),
      });
    });
    dispose(lm.parameters);
    checkGradients(positions, example, { ids, lengths, masked }, { change });
  }
});

Deno.test("in blocks that begin with their norms, states and L1 equal PyTorch's", () => {
  const { cases } = positions.about.prenorm;
  assertEquals(cases.length, 3);
  const { ids, lengths } = positions.batchFor("lm"), N = lengths.length;
  for (const example of cases) {
    const lm = positions.modelOf(example, { architecture: "gpt2" });
    tf.tidy(() => {
      const { h } = forward(lm, tf.tensor2d(ids, [N, ids.length / N], "int32"));
      assertClose(h.dataSync(), positions.numbers(example.hidden), example.hidden);
      assertClose(objective(lm, { ids, lengths }, 0).loss.dataSync(), [example.L1], example.hidden);
    });
    dispose(lm.parameters);
  }
});

Deno.test("four times the context read at once has PyTorch's states, for the kinds that can", () => {
  const { batch, cases } = positions.about.beyond;
  assertEquals(cases.map(({ positions }) => positions), [
    ...["none", "sinusoidal", "rotary", "alibi", "relative"] as const,
  ]);
  for (const example of cases) {
    const lm = positions.modelOf(example);
    const longer = { ...lm, config: { ...lm.config, context: 4 * lm.config.context } };
    const h = tf.tidy(() => forward(longer, tf.tensor2d(batch.ids, undefined, "int32")).h.dataSync().slice());
    assertClose(h, positions.numbers(example.hidden), example.hidden);
    dispose(lm.parameters);
  }
});

Deno.test("ALiBi's slopes and T5's buckets are their authors'", () => {
  const { slopes, buckets } = positions.about;
  for (const { heads, values } of slopes) assertEquals(alibiSlopes(heads), values);
  for (const [name, { from, values }] of Object.entries(buckets)) {
    if (!Array.isArray(values)) continue; // Their number and the largest distance.
    const isCausal = name === "causal";
    assertEquals(values.map((_, i) => relativeBucket(isCausal ? -(from + i) : from + i, isCausal)), values);
  }
});

Deno.test("the next token's scores equal PyTorch's, and so does a greedy continuation", () => {
  for (const { about, modelOf, numbers } of files) {
    for (const example of about.generation) {
      const lm = modelOf({ ...example, task: "lm" });
      const ids = [...example.prompt];
      for (const token of example.tokens) {
        const best = tf.tidy(() => {
          const { h } = forward(lm, tf.tensor2d([ids], undefined, "int32"));
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
