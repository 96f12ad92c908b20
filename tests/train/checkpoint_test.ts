import { backend } from "../../lib/engine/mod.ts";
import { addHead, countParameters, dispose, gpt, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { loadModel, saveModel } from "../../lib/train/mod.ts";
import { assertEquals, assertRefused } from "../assert.ts";

await backend();

const tokenizer = trainBpe("to be or not to be that is the question", { merges: 20 });

Deno.test("a saved model comes back whole: leaves, configuration, seed, tokenizer, task", async () => {
  const path = await Deno.makeTempFile();
  for (const kind of ["learned", "sinusoidal", "none"] as const) {
    const lm = gpt({ ...presets.smoke, positions: { kind, scale: "raw" } }, { tokenizer, seed: 7 });
    addHead(lm.parameters, "entailment", 3, 7);
    const task = { name: "nli", kind: "entailment" as const, labels: ["yes", "no", "maybe"] };
    await saveModel(path, { ...lm, task });
    const again = await loadModel(path);
    assertEquals([again.config, again.seed, again.task], [lm.config, 7, task]);
    assertEquals(again.tokenizer.encode("to be that"), tokenizer.encode("to be that"));
    assertEquals(
      leaves(again.parameters).map(([name, leaf]) => [name, leaf.trainable, leaf.dataSync()]),
      leaves(lm.parameters).map(([name, leaf]) => [name, leaf.trainable, leaf.dataSync()]),
    );
    dispose(lm.parameters);
    dispose(again.parameters);
  }
  await Deno.remove(path);
});

Deno.test("a checkpoint cut short anywhere, or with any byte changed, is refused", async () => {
  const path = await Deno.makeTempFile();
  await saveModel(path, gpt({ ...presets.smoke, layers: 1, width: 8, context: 4 }, { tokenizer }));
  const whole = await Deno.readFile(path);
  for (let i = 0; i <= 20; i++) {
    await Deno.writeFile(path, whole.subarray(0, Math.floor(i / 21 * whole.length)));
    await assertRefused(() => loadModel(path), /^Cannot (read|use) .*: |^Cannot read .* as its checksum/);
  }
  for (let i = 0; i < 60; i++) {
    const damaged = whole.slice();
    const at = Math.floor(i / 60 * whole.length);
    damaged[at] = damaged[at]! ^ (1 << (i % 8));
    await Deno.writeFile(path, damaged);
    await assertRefused(() => loadModel(path), /^Cannot (read|use) /);
  }
  await Deno.remove(path);
});

Deno.test("a file that is no checkpoint, or not there, is refused in a sentence that names it", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "a poem of more than eight letters");
  await assertRefused(() => loadModel(path), new RegExp(`^Cannot read ${path} as safetensors: `));
  await Deno.remove(path);
  await assertRefused(() => loadModel(path), new RegExp(`^Cannot read a checkpoint ${path}: `));
});

Deno.test("a place that cannot be written to is refused, and nothing half-written stays", async () => {
  const folder = await Deno.makeTempDir();
  const lm = gpt(presets.smoke, { tokenizer });
  await Deno.writeTextFile(`${folder}/file`, "");
  await assertRefused(() => saveModel(`${folder}/file/model.safetensors`, lm), /^Cannot write .*file\/model/);
  await Deno.mkdir(`${folder}/taken`);
  await assertRefused(() => saveModel(`${folder}/taken`, lm), /^Cannot write .*taken/);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["file", "taken"]);
  await Deno.remove(folder, { recursive: true });
  dispose(lm.parameters);
});

Deno.test("a model saved in half precision is the same model, rounded", async () => {
  const path = await Deno.makeTempFile();
  const lm = gpt(presets.smoke, { tokenizer, seed: 3 });
  await saveModel(path, lm);
  const { size } = await Deno.stat(path);
  await saveModel(path, lm, { half: true });
  const saved = size - (await Deno.stat(path)).size;
  assertEquals(Math.abs(saved - 2 * countParameters(lm.parameters)) <= 8, true); // The header is padded.
  const again = await loadModel(path);
  for (const [i, [name, leaf]] of leaves(lm.parameters).entries()) {
    const [read, rounded] = leaves(again.parameters)[i]!;
    assertEquals([read, rounded.dataSync()], [name, leaf.dataSync().map(Math.f16round)]);
  }
  dispose(lm.parameters);
  dispose(again.parameters);
  await Deno.remove(path);
});
