/**
 * The machine's own rate of matrix products, which the contenders' share is measured against: 1024³, as the BLAS
 * that the kit finds does it, or its own kernel.
 *
 * @module
 */
import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import { serve } from "./contender.ts";

const [threads] = Deno.args as [string];

await serve(async () => {
  const { matmul } = await backend("wasm", { threads: Number(threads) });
  const [a, b] = [1, 2].map((seed) => tf.randomNormal<tf.Rank.R2>([1024, 1024], 0, 1, "float32", seed));
  return {
    about: matmul,
    update: () => {
      for (let i = 0; i < 8; i++) tf.dispose(tf.matMul(a!, b!));
      return Promise.resolve(0);
    },
  };
});
