import { keyOf, words } from "../../lib/engine/random.ts";
import { type Config, dispose, init, leaves, presets } from "../../lib/model/mod.ts";
import { adamState, disposeAdam, objective, pretrainDefaults, train } from "../../lib/train/mod.ts";

/** The losses of a small model's first updates on the current backend, with dropout, on sequences of unlike lengths. */
export async function lossesOf(updates: number): Promise<number[]> {
  const config: Config = { ...presets.smoke, vocabulary: 60, dropout: 0.1 };
  const [N, T] = [3, 21];
  const lm = { config, parameters: init(config, 1) };
  const variables = leaves(lm.parameters).map(([, leaf]) => leaf);
  const state = adamState(variables);
  const losses: number[] = [];
  const batch = (update: number) => ({
    ids: Int32Array.from(words(keyOf(1, `batch ${update}`), N * T), (word) => word % 60),
    lengths: Int32Array.from([T, 9, 2]),
  });
  const job = {
    variables,
    state,
    adam: { ...pretrainDefaults, warmup: 0.1, updates },
    losses: (update: number) => objective(lm, batch(update), 0, { rate: 0.1, seed: 1, update }),
  };
  for await (const { loss } of train(job)) losses.push(loss);
  disposeAdam(state);
  dispose(lm.parameters);
  return losses;
}
