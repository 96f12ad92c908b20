/**
 * A study of two arms, by as many workers as the argument says: prints the milliseconds that it took.
 *
 * @module
 */
import { backend } from "../../lib/engine/mod.ts";
import { presets } from "../../lib/model/mod.ts";
import { ablate, studies } from "../../lib/study/mod.ts";

const workers = Number(Deno.args[0]);
await backend("wasm", { threads: 1 });
const nouns = "ship whale sea captain mast wind harbour sailor storm rope deck anchor".split(" ");
const verbs = "sees follows fears leaves hails finds loses meets".split(" ");
const train = Array.from({ length: 6000 }, (_, i) => {
  const noun = (by: number) => nouns[(i * by + (i >> 3)) % nouns.length]!;
  return `The ${noun(5)} ${verbs[(i * 3 + (i >> 4)) % verbs.length]} the ${noun(7)}.`;
}).join(" ");
const examples = nouns.map((noun, i) => ({ text: `The ${noun} ${verbs[i % 8]} it.`, label: i % 2 }));
const folder = await Deno.makeTempDir();
const made = { licence: "MIT", about: "sentences of the sea" };
const begin = performance.now();
await ablate({
  preset: { ...presets.mini, dropout: 0.1 },
  positions: ["learned", "sinusoidal"],
  lambda: [0],
  tasks: [{
    name: "sea",
    kind: "classification",
    labels: ["no", "yes"],
    measures: ["accuracy"],
    train: examples,
    validation: examples,
    test: examples,
    source: "this file",
    ...made,
  }],
  seeds: 1,
  corpus: { name: "sea", train, heldout: train.slice(0, 20_000), dropped: 0, sources: [], ...made },
  merges: 300,
  pretrain: { ...studies.ablate.pretrain, updates: 120, batch: 8, dropout: 0.1 },
  finetune: { ...studies.ablate.finetune, epochs: 1 },
  trainExamples: examples.length,
  testExamples: examples.length,
  folder,
  workers,
});
console.log(performance.now() - begin);
await Deno.remove(folder, { recursive: true });
