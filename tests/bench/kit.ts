/**
 * This kit as a contender: its forward pass, its objective, its loop.
 *
 * @module
 */
import { backend } from "../../lib/engine/mod.ts";
import { installGemm } from "../../lib/engine/gemm.ts";
import { init, leaves } from "../../lib/model/mod.ts";
import { adamState, objective, pretrainDefaults, train } from "../../lib/train/mod.ts";
import { serve } from "./contender.ts";

const [use, threads, variant] = Deno.args as ["blas" | "relaxed" | "webgpu", string, "clean" | "paper"];

async function start(): Promise<{ matmul: string }> {
  if (use === "webgpu") return await backend("webgpu");
  await backend("wasm", { threads: 1 });
  return await installGemm({ use, threads: Number(threads) });
}

await serve(async ({ dropout, batch, ...size }) => {
  const { matmul } = await start();
  const config = { ...size, positions: { kind: "learned" }, variant, dropout } as const;
  const parameters = init(config, 1);
  const variables = leaves(parameters).map(([, leaf]) => leaf);
  const lengths = new Int32Array(batch).fill(size.context);
  let ids = new Int32Array();
  const run = train({
    variables,
    adam: { ...pretrainDefaults, updates: 1e6 },
    state: adamState(variables),
    losses: (update) =>
      objective({ config, parameters }, { ids, lengths }, 0, { rate: dropout, seed: 1, update }),
  });
  return {
    about: matmul,
    async update(next) {
      ids = Int32Array.from(next);
      const { value } = await run.next();
      return value!.loss;
    },
  };
});
