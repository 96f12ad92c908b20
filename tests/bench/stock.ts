/**
 * The same model as a user of tfjs writes it: stock operations and their gradients, stock optimiser, backend
 * "wasm". The one kernel that its gradients lack there is lent.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { serve } from "./contender.ts";
import { lendSegmentSum } from "./lend.ts";

type Weight = tf.Variable<tf.Rank>;

await serve(async ({ layers, width: d, heads: H, context: T, vocabulary: V, batch: N, dropout }) => {
  tf.env().set("PROD", true);
  await tf.setBackend("wasm");
  lendSegmentSum(tf);
  const drawn = (shape: number[]): Weight => tf.variable(tf.randomNormal(shape, 0, 0.02));
  const zeros = (shape: number[]): Weight => tf.variable(tf.zeros(shape));
  const ones = (shape: number[]): Weight => tf.variable(tf.ones(shape));
  const affine = (from: number, to: number) => ({ weight: drawn([from, to]), bias: zeros([to]) });
  const [tokens, places] = [drawn([V, d]), drawn([T, d])];
  const blocks = Array.from({ length: layers }, () => ({
    qkv: affine(d, 3 * d),
    out: affine(d, d),
    norm1: { gain: ones([d]), bias: zeros([d]) },
    wide: affine(d, 4 * d),
    narrow: affine(4 * d, d),
    norm2: { gain: ones([d]), bias: zeros([d]) },
  }));
  const mask = tf.linalg.bandPart(tf.ones([T, T]), -1, 0).sub(1).mul(1e9);
  const optimizer = tf.train.adam(1e-3);

  const linear = (x: tf.Tensor, { weight, bias }: { weight: Weight; bias: Weight }) =>
    tf.matMul(x.reshape([N * T, -1]), weight).add(bias).reshape<tf.Tensor3D>([N, T, -1]);
  const normed = (x: tf.Tensor, { gain, bias }: { gain: Weight; bias: Weight }) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(gain).add(bias);
  };
  const gelu = (x: tf.Tensor) =>
    x.mul(0.5).mul(x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI)).tanh().add(1));
  const drop = <X extends tf.Tensor>(x: X) => dropout > 0 ? tf.dropout(x, dropout) as X : x;
  const split = (x: tf.Tensor) => x.reshape([N, T, H, d / H]).transpose([0, 2, 1, 3]);
  const forward = (ids: tf.Tensor2D) => {
    let x: tf.Tensor = drop(tokens.gather(ids).add(places));
    for (const { qkv, out, norm1, wide, narrow, norm2 } of blocks) {
      const [q, k, v] = tf.split(linear(x, qkv), 3, -1).map(split) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const scores = tf.matMul(q, k, false, true).div(Math.sqrt(d / H)).add(mask).softmax();
      const mixed = tf.matMul(drop(scores), v).transpose([0, 2, 1, 3]).reshape([N, T, d]);
      x = normed(x.add(drop(linear(mixed, out))), norm1);
      x = normed(x.add(drop(linear(gelu(linear(x, wide)), narrow))), norm2);
    }
    return tf.matMul(x.slice([0, 0, 0], [N, T - 1, d]).reshape([N * (T - 1), d]), tokens, false, true);
  };

  return {
    about: "tfjs wasm, stock operations",
    async update(batch) {
      const loss = tf.tidy(() => {
        const ids = tf.tensor2d(batch, [N, T], "int32");
        return optimizer.minimize(() => {
          const logits = forward(ids); // (N·(T − 1), V)
          const targets = tf.oneHot(ids.slice([0, 1]).flatten(), V);
          return tf.losses.softmaxCrossEntropy(targets, logits);
        }, true)!;
      });
      const [value] = await loss.data();
      loss.dispose();
      return value!;
    },
  };
});
