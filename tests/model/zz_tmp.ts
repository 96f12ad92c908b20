import { backend } from "../../lib/engine/mod.ts";
import { presets, init, countParameters, dispose, generate, type LanguageModel, gpt } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
console.log(await backend());
const t0 = performance.now();
const config = { ...presets.gpt1, vocabulary: 40478 };
const p = init(config, 1);
console.log("init", performance.now() - t0, countParameters(p), Deno.memoryUsage().rss / 1e6);
const tok = trainBpe("to be or not", { merges: 3 });
const big = { config, parameters: p, seed: 1, tokenizer: { ...tok, decode: (ids: Iterable<number>) => [...ids].join(" ") } } as LanguageModel;
for (const variant of ["paper", "clean"] as const) {
  const t1 = performance.now();
  console.log(await generate({ ...big, config: { ...config, variant } }, "to be", { tokens: 6 }));
  console.log(variant, (performance.now() - t1) / 6);
}
const t2 = performance.now(); dispose(p); console.log("dispose", performance.now() - t2);
