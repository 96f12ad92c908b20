import * as tf from "../../lib/tfjs.ts";
import type { TaskOf } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { addHead, classify, dispose, gpt, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { encodeTask, evaluate, finetune, objective, zeroShot } from "../../lib/train/mod.ts";
import { exampleBatch } from "../../lib/train/batches.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { splits, toy } from "../toy.ts";

await backend("wasm", { threads: 1 });

const words = "sun rain wind snow frost cloud storm calm heat mist".split(" ");
const tokenizer = trainBpe(words.join(" ").repeat(20), { merges: 40 });

/** Examples of 2 to 5 choices, the right one of which has the context's word. */
const rows = Array.from({ length: 24 }, (_, i) => {
  const count = 2 + i % 4, label = (i * 7) % count;
  const right = words[i % words.length]!;
  const others = words.filter((word) => word !== right);
  return {
    context: `${right} and ${others[i % 5]}`,
    choices: Array.from({ length: count }, (_, c) => c === label ? right : `${others[c]!} ${others[c + 1]!}`),
    label,
  };
});
const task: TaskOf<"choice"> = {
  name: "weather",
  kind: "choice",
  labels: ["A", "B", "C", "D", "E"],
  ...toy,
  ...splits(rows),
  validation: rows.slice(0, 4),
};

for (const variant of ["clean", "paper"] as const) {
  Deno.test(`a batch of examples with 2 to 5 choices is what its examples are one at a time, ${variant}`, async () => {
    const lm = gpt({ ...presets.smoke, variant }, { tokenizer, seed: 1 });
    const tuned = await finetune(lm, task, { signal: AbortSignal.abort() }); // A head at its start.
    const encoded = encodeTask(task, tokenizer, lm.config.context);
    const variables = leaves(tuned).map(([, leaf]) => leaf);
    const measure = (rows: typeof encoded.train, lambda: number) => {
      const { value, grads } = tf.variableGrads(
        () => objective(tuned, exampleBatch(rows, encoded, tuned), lambda).loss,
        variables,
      );
      const all = variables.map(({ name, size }) => grads[name]?.dataSync() ?? new Float32Array(size));
      const loss = value.dataSync()[0]!;
      tf.dispose([value, grads]);
      return { loss, gradient: all.map((part) => Float64Array.from(part)) };
    };
    const some = encoded.train.slice(0, 8);
    const sequences = some.reduce((sum, { sequences }) => sum + sequences.length, 0);
    for (const lambda of [0, 0.5]) {
      const mixed = measure(some, lambda);
      // L2 is a mean over examples, L1 one over sequences.
      let loss = 0;
      const gradient = variables.map(({ size }) => new Float64Array(size));
      for (const row of some) {
        const parts = [[measure([row], 0), 1 / some.length]] as [ReturnType<typeof measure>, number][];
        if (lambda > 0) {
          const share = row.sequences.length / sequences;
          parts.push([measure([row], lambda), share], [parts[0]![0], -share]);
        }
        for (const [part, share] of parts) {
          loss += share * part.loss;
          gradient.forEach((sum, i) => part.gradient[i]!.forEach((g, j) => sum[j]! += share * g));
        }
      }
      assertClose([mixed.loss], [loss], `loss, λ = ${lambda}`, { relative: 1e-5 });
      const flat = (parts: readonly Float64Array[]) => parts.flatMap((part) => [...part]);
      assertClose(flat(mixed.gradient), flat(gradient), `gradient, λ = ${lambda}`, { relative: 2e-5 });
    }
    dispose(tuned);
    dispose(lm);
  });
}

Deno.test("choices counted one by one score as those counted together, dropout included", () => {
  const { parameters } = gpt(presets.smoke, { tokenizer, seed: 1 });
  addHead(parameters, "choice", 3, 1);
  const drop = { rate: 0.5, seed: 1, update: 1 };
  const [counted, together] = tf.tidy(() => {
    const h = tf.randomNormal([6, 4, presets.smoke.width], 0, 1, "float32", 1) as tf.Tensor3D;
    const lengths = Int32Array.of(4, 3, 2, 4, 4, 1);
    return [[3, 3], 2].map((examples) =>
      classify(parameters, "choice", h, lengths, examples, drop).arraySync()
    );
  });
  assertEquals(counted, together);
  dispose(parameters);
});

Deno.test("examples with 2 to 5 choices are learned, and evaluated as each of them alone", async () => {
  const lm = gpt({ ...presets.smoke, dropout: 0.1 }, { tokenizer, seed: 1 });
  const before = tf.memory().numTensors;
  const tuned = await finetune(lm, task, { lambda: 0.5, epochs: 80, batch: 6, rate: 5e-3, warmup: 0.1 });
  const { value, logits, predictions, loss } = await evaluate(tuned, task);
  assertEquals(logits.map(({ length }) => length), rows.map(({ choices }) => choices.length));
  assert(value > 0.6, `${value} where chance is 0.32`);
  let sum = 0;
  for (const [i, row] of rows.entries()) {
    const alone = await evaluate(tuned, { ...task, test: [row] });
    assertClose(logits[i]!, alone.logits[0]!, `example ${i}`, { relative: 1e-5 });
    assertEquals(predictions[i], alone.predictions[0]);
    assert(predictions[i]! < row.choices.length);
    sum += alone.loss;
  }
  assertClose([loss], [sum / rows.length], "loss", { relative: 1e-5 });
  dispose(tuned);
  assertEquals(tf.memory().numTensors, before);
  const found = await zeroShot(lm, task);
  assert(found.predictions.every((prediction, i) => prediction < rows[i]!.choices.length));
  dispose(lm);
});
