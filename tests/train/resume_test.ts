import { fileURLToPath } from "node:url";
import { backend } from "../../lib/engine/mod.ts";
import { exists } from "../../lib/files.ts";
import { dispose, gpt, type LanguageModel, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { loadModel, pretrain } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

await backend();

/** The run that `killed.ts` makes in a process of its own. */
const child = fileURLToPath(new URL("./killed.ts", import.meta.url));

const bits = (lm: LanguageModel) =>
  leaves(lm.parameters).map(([name, leaf]) => [name, [...new Uint32Array(leaf.dataSync().slice().buffer)]]);

const spawn = (checkpoint: string) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", child, checkpoint],
    stdout: "piped",
    stderr: "piped",
  }).spawn();

Deno.test("killed at six random moments and resumed, a run ends bit for bit where an unbroken one ends", async () => {
  const folder = await Deno.makeTempDir();
  const whole = `${folder}/whole.safetensors`;
  const broken = `${folder}/broken.safetensors`;
  const { success, stderr } = await spawn(whole).output();
  assert(success, new TextDecoder().decode(stderr));

  /** A checkpoint that is being written, or was when its process was killed. */
  const left = () => [...Deno.readDirSync(folder)].find(({ name }) => name.endsWith(".tmp"))?.name;

  // It saves after every update. Every other kill waits until it sees a checkpoint being written.
  let [kills, writing, read] = [0, 0, 0];
  while ((kills < 6 || writing < 2) && kills < 40) {
    const run = spawn(broken);
    const said = run.stdout.getReader();
    await said.read(); // A busy machine takes its time to start a process: from here on it saves.
    await new Promise((resume) => setTimeout(resume, 200 * Math.random()));
    const patience = performance.now() + 5000;
    while (kills % 2 && performance.now() < patience && !left()) {
      await new Promise((resume) => setTimeout(resume, 1)); // The run needs a core.
    }
    run.kill("SIGKILL");
    assertEquals((await run.status).signal, "SIGKILL", "the run was under way when it was killed");
    await Promise.all([said.cancel(), run.stderr.cancel()]);
    kills++;
    const half = left();
    if (half !== undefined) {
      writing++;
      await Deno.remove(`${folder}/${half}`); // So that the next one seen is new.
    }
    if (await exists(broken)) {
      dispose((await loadModel(broken)).parameters); // Throws if it is incomplete.
      read++;
    }
  }
  assert(writing >= 2, `only ${writing} of ${kills} kills met a checkpoint being written`);
  assert(read > 0, "no kill came after the first checkpoint");
  assert((await spawn(broken).output()).success);
  const [a, b] = [await loadModel(whole), await loadModel(broken)];
  assertEquals(bits(b), bits(a));
  dispose(a.parameters);
  dispose(b.parameters);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("stopped by its signal and resumed, a run ends bit for bit where an unbroken one ends", async () => {
  const folder = await Deno.makeTempDir();
  const checkpoint = `${folder}/run.safetensors`;
  const train = "to be or not to be that is the question ".repeat(20);
  const tokenizer = trainBpe(train, { merges: 20 });
  const fresh = () => gpt({ ...presets.smoke, context: 8 }, { tokenizer, seed: 3 });
  const options = { updates: 6, batch: 2 };

  const unbroken = await pretrain(fresh(), { train }, options);
  const stop = new AbortController();
  const first = fresh();
  for await (
    const { update } of pretrain(first, { train }, { ...options, checkpoint, signal: stop.signal })
  ) {
    if (update === 3) stop.abort();
  }
  const seen: number[] = [];
  const second = fresh();
  for await (const { update } of pretrain(second, { train }, { ...options, checkpoint })) seen.push(update);
  assertEquals(seen, [4, 5, 6]);
  assertEquals(bits(second), bits(unbroken));

  // A reader who leaves the loop leaves a checkpoint behind as well.
  await Deno.remove(checkpoint);
  const third = fresh();
  for await (const { update } of pretrain(third, { train }, { ...options, checkpoint })) {
    if (update === 2) break;
  }
  assertEquals(bits(await loadModel(checkpoint)), bits(third));

  await assertRefused(
    () => pretrain(fresh(), { train }, { ...options, rate: 0.5, checkpoint }),
    /^Cannot resume from .* as its rate is 0\.001: current rate is 0\.5$/,
  );
  await assertRefused(
    () =>
      pretrain(gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 3 }), { train }, {
        ...options,
        checkpoint,
      }),
    /^Cannot resume from .* as its context is 8: current context is 16$/,
  );
  await assertRefused(
    () => pretrain(fresh(), { train: train + train }, { ...options, checkpoint }),
    /^Cannot resume from .* as its text is /,
  );
  await Deno.remove(folder, { recursive: true });
});
