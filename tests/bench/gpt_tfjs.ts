/**
 * The GPT of npm's `gpt-tfjs`, trained by its own loop on backend "wasm", to which the kernel that it lacks is
 * lent. Fetched when the benchmark runs, and no part of the kit.
 *
 * @module
 */
import * as tf from "npm:@tensorflow/tfjs@4.22.0";
import "npm:@tensorflow/tfjs-backend-wasm@4.22.0";
import { serve } from "./contender.ts";
import { lendSegmentSum } from "./lend.ts";

const name = "npm:gpt-tfjs@0.0.5"; // Not a literal in the import, which would put it into the kit's lock.
const { default: { model: { GPTLMHeadModel } } } = await import(name);

await serve(async ({ layers, width, heads, context: T, vocabulary: V, batch: N, dropout }) => {
  tf.env().set("PROD", true);
  await tf.setBackend("wasm");
  lendSegmentSum(tf);
  const model = GPTLMHeadModel({
    nLayer: layers,
    nHead: heads,
    nEmbd: width,
    vocabSize: V,
    blockSize: T,
    dropout,
    embdDrop: dropout,
    residDrop: dropout,
  });
  let next = Promise.withResolvers<Int32Array>(), result = Promise.withResolvers<number>();
  const examples = tf.data.generator(
    async function* () {
      for (;;) {
        const ids = await next.promise;
        next = Promise.withResolvers();
        for (let n = 0; n < N; n++) {
          const row = ids.subarray(n * T, (n + 1) * T);
          const goals = Int32Array.from(row, (_, t) => row[(t + 1) % T]!);
          yield tf.tidy(() => ({
            x: tf.tensor1d(row, "int32"),
            y: tf.oneHot(tf.tensor1d(goals, "int32"), V),
          }));
        }
      }
    } as unknown as () => Iterator<tf.TensorContainer>,
  );
  const callback = (_: unknown, loss: number) => result.resolve(loss);
  model.train(examples, { batchSize: N, shuffle: 1, callbacks: [callback] })
    .catch((error: unknown) => result.reject(error));
  return {
    about: "gpt-tfjs 0.0.5",
    async update(ids) {
      result = Promise.withResolvers();
      next.resolve(ids);
      return await result.promise;
    },
  };
});
