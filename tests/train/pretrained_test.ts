import { backend } from "../../lib/engine/mod.ts";
import { sha256 as digestOf } from "../../lib/digest.ts";
import { dispose, leaves, type PositionKind } from "../../lib/model/mod.ts";
import { loadModel, pretrained, pretrainedModels, scoreText } from "../../lib/train/mod.ts";
import { corpus } from "../../lib/data/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

await backend();
const folder = new URL("../../data/models/", import.meta.url);
const read = async (file: string) => JSON.parse(await Deno.readTextFile(new URL(file, folder)));

Deno.test("the models that come with the kit are those that the files beside them tell of", async () => {
  const { heldout } = await corpus("books");
  for (const [name, kinds] of Object.entries(pretrainedModels)) {
    for (const [positions, { bytes, sha256 }] of Object.entries(kinds)) {
      const file = await Deno.readFile(new URL(`${name}-${positions}.safetensors`, folder));
      assertEquals([file.length, digestOf(file)], [bytes, sha256]);
      const { settings, result, provenance } = await read(`${name}-${positions}.json`);
      const lm = await pretrained(name as "mini", { positions: positions as PositionKind });
      assertEquals([settings.preset, lm.config.positions.kind], [lm.config, positions]);
      assertEquals([settings.seed, settings.merges], [lm.seed, lm.tokenizer.merges.length]);
      for (const [, leaf] of leaves(lm.parameters)) {
        const weights = leaf.dataSync();
        assertEquals(weights, weights.map(Math.f16round));
      }
      const { bitsPerCharacter } = await scoreText(lm, heldout, { windows: 50 });
      assert(Math.abs(bitsPerCharacter - result.heldout.bitsPerCharacter) < 0.35, `${bitsPerCharacter}`);
      assert(result.heldout.bitsPerCharacter < result.baselines.bigram.bitsPerCharacter);
      assert(/^[0-9a-f]{40}$/.test(provenance.revision));
      dispose(lm.parameters);
    }
  }
});

Deno.test("the models that come with the kit take 10 MB together at the most, with all that is known of them", async () => {
  let bytes = 0;
  for (const { name } of Deno.readDirSync(folder)) bytes += (await Deno.stat(new URL(name, folder))).size;
  assert(bytes > 2e6 && bytes <= 10e6, `${bytes} bytes`);
});

Deno.test("a model that does not come with the kit is refused, and what comes is named", async () => {
  const why = /^Cannot load pre-trained model mini with positions "none" as it has learned or sinusoidal$/;
  await assertRefused(() => pretrained("mini", { positions: "none" }), why);
  await assertRefused(
    () => pretrained("../mini" as "mini"),
    /^Cannot load a pre-trained model with name "..\/mini" as it must be one of mini$/,
  );
  await assertRefused(() => loadModel("data/models/mini.safetensors"), /^Cannot read a checkpoint/);
});
