/** Runs of different lengths share the updates before their decay, and end as each would alone. */
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, type LanguageModel, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { pretrain, type PretrainOptions, progressOf } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { resigned } from "./resigned.ts";

await backend();

const train = "a cold rain and a warm sun and a cold wind and a warm calm ".repeat(20);
const tokenizer = trainBpe(train, { merges: 20 });
const fresh = (seed = 3) => gpt({ ...presets.smoke, layers: 1, width: 8, context: 8 }, { tokenizer, seed });
const common = {
  schedule: "warmup_stable_decay",
  warmup: 3 / 2000,
  rate: 1e-2,
  batch: 2,
  dropout: 0.1,
} as const;

/** A run: the bits that it ends with, and the numbers of its updates. */
async function ran(
  options: PretrainOptions,
  lm: LanguageModel = fresh(),
): Promise<{ bits: number[]; updates: number[] }> {
  const updates: number[] = [];
  for await (const { update } of pretrain(lm, { train }, { ...common, ...options })) updates.push(update);
  const bits = leaves(lm.parameters).flatMap((
    [, leaf],
  ) => [...new Uint32Array(leaf.dataSync().slice().buffer)]);
  dispose(lm.parameters);
  return { bits, updates };
}

const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const filesOf = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
const [short, long] = [{ updates: 10 }, { updates: 20 }]; // Their decays begin after updates 8 and 16.
const [shortAlone, longAlone] = [await ran(short), await ran(long)];

Deno.test("a longer run starts where a shorter one began to decay, and ends bit for bit as it would alone", async () => {
  const folder = await Deno.makeTempDir(), trunk = `${folder}/t`;
  assertEquals(await ran({ ...short, trunk }), shortAlone);
  assertEquals(filesOf(folder), ["t-8.part"]);
  assertEquals(await ran({ ...long, trunk }), { ...longAlone, updates: from(9, 20) });
  assertEquals(filesOf(folder), ["t-16.part", "t-8.part"]);
  await Deno.utime(`${trunk}-8.part`, 0, 0);
  assertEquals(await ran({ ...short, trunk }), { ...shortAlone, updates: [9, 10] }, "a branch is made again");
  assertEquals(
    (await Deno.stat(`${trunk}-8.part`)).mtime?.getTime(),
    0,
    "a state that is there is not written",
  );
  const between = { updates: 18 }; // Its decay begins after update 14, before the longer one's.
  assertEquals(await ran({ ...between, trunk }), { ...await ran(between), updates: from(9, 18) });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a longer run that comes first leaves a shorter one nothing to start from", async () => {
  const folder = await Deno.makeTempDir(), trunk = `${folder}/t`;
  assertEquals(await ran({ ...long, trunk }), longAlone);
  assertEquals(await ran({ ...short, trunk }), shortAlone);
  assertEquals(filesOf(folder), ["t-16.part", "t-8.part"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("killed after any update, in warm-up, trunk and decay, it resumes and ends with the same bits", async () => {
  const folder = await Deno.makeTempDir();
  for (const start of ["nothing", "a trunk"]) {
    const own = `${folder}/${start}`,
      options = (at: string) => ({ trunk: `${at}/t`, checkpoint: `${at}/run.part` });
    await Deno.mkdir(own);
    if (start === "a trunk") await ran({ ...short, trunk: `${own}/t` });
    const copies: string[] = []; // What a kill at each update leaves.
    const lm = fresh();
    for await (
      const { update } of pretrain(lm, { train }, { ...common, ...long, ...options(own), saveEvery: 3 })
    ) {
      const copy = `${folder}/${start} ${update}`;
      await Deno.mkdir(copy);
      for (const name of filesOf(own)) {
        if (!name.endsWith(".tmp")) await Deno.copyFile(`${own}/${name}`, `${copy}/${name}`);
      }
      copies.push(copy);
    }
    dispose(lm.parameters);
    assertEquals(copies.length, start === "nothing" ? 20 : 12);
    for (const copy of copies) {
      const { bits, updates } = await ran({ ...long, ...options(copy) });
      assertEquals(bits, longAlone.bits, copy);
      const killed = Number(copy.match(/\d+$/)![0]);
      assert(updates[0]! > killed - 3 && updates[0]! <= killed, `${copy} goes on with ${updates[0]}`);
    }
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("of its own checkpoint and a trunk's state, a run resumes from the later", async () => {
  const folder = await Deno.makeTempDir();
  const [trunk, checkpoint] = [`${folder}/t`, `${folder}/run.part`];
  const stop = async (at: number) => {
    const lm = fresh();
    for await (const { update } of pretrain(lm, { train }, { ...common, ...long, checkpoint })) {
      if (update === at) break;
    }
    dispose(lm.parameters);
  };
  await ran({ ...short, trunk });
  await stop(5);
  assertEquals(await ran({ ...long, trunk, checkpoint }), { ...longAlone, updates: from(9, 20) });
  await Deno.remove(checkpoint);
  await stop(16);
  await Deno.remove(`${trunk}-16.part`);
  assertEquals(await ran({ ...long, trunk, checkpoint }), { ...longAlone, updates: from(17, 20) });
  assertEquals(filesOf(folder), ["run.part", "t-16.part", "t-8.part"], "a state that is missing is saved");
  await assertRefused(
    () => ran({ ...long, rate: 1e-3, trunk: `${folder}/new`, checkpoint }),
    /as its rate is 0\.01/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a branch takes the seconds of its trunk, once", async () => {
  const folder = await Deno.makeTempDir(), trunk = `${folder}/t`;
  await ran({ ...short, trunk });
  const { seconds } = (await progressOf(`${trunk}-8.part`))!;
  for await (const record of pretrain(fresh(), { train }, { ...common, ...long, trunk })) {
    assert(record.seconds > seconds && record.update >= 9, `${record.seconds} s after ${seconds} s`);
    break;
  }
  const again = (await progressOf(`${trunk}-8.part`))!;
  assertEquals([again.update, again.seconds], [8, seconds]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a trunk of another rate, seed, model or text is refused, and stays", async () => {
  const folder = await Deno.makeTempDir(), trunk = `${folder}/t`;
  await ran({ ...short, trunk });
  const before = await Deno.readFile(`${trunk}-8.part`);
  for (
    const [options, message] of [
      [{ rate: 1e-3 }, /t-8\.part as its rate is 0\.01: current rate is 0\.001$/],
      [{ seed: 4 }, /t-8\.part as its seed is 3: current seed is 4$/],
      [{ warmup: 0 }, /t-8\.part as its warmup is 0\.0015: current warmup is 0$/],
      [{ batch: 3 }, /t-8\.part as its batch is 2: current batch is 3$/],
      [{ dropout: 0 }, /t-8\.part as its dropout is 0\.1: current dropout is 0$/],
    ] as const
  ) {
    await assertRefused(() => ran({ ...long, ...options, trunk }), message);
  }
  await assertRefused(() => ran({ ...long, seed: 3, trunk }, fresh(4)), /its run started from another model/);
  await assertRefused(
    () => pretrain(fresh(), { train: train + train }, { ...common, ...long, trunk }),
    /t-8\.part as its text is /,
  );
  assertEquals(await Deno.readFile(`${trunk}-8.part`), before);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a file that is no state of the trunk is refused: damaged, cut, a model's, or a run's checkpoint", async () => {
  const folder = await Deno.makeTempDir(), trunk = `${folder}/t`, file = `${trunk}-8.part`;
  await ran({ ...short, trunk });
  const state = await Deno.readFile(file);
  const refused = async (bytes: Uint8Array, message: RegExp) => {
    await Deno.writeFile(file, bytes);
    await assertRefused(() => ran({ ...long, trunk }), message);
  };
  await refused(
    state.with(state.length - 1, state.at(-1)! ^ 1),
    /^Cannot read .*t-8\.part as its checksum does not match/,
  );
  await refused(state.subarray(0, 1000), /^Cannot (read|use) .*t-8\.part/);
  const unfinished = resigned(state, ({ __metadata__: metadata }) => void (metadata["update"] = "9"));
  await refused(unfinished, /^Cannot use .*t-8\.part as a checkpoint: /);
  const checkpoint = `${folder}/run.part`;
  await ran({ updates: 8, checkpoint }); // All of its 8 updates, decay included.
  await refused(
    await Deno.readFile(checkpoint),
    /t-8\.part as its run is "pretrain": current run is "trunk"$/,
  );
  await Deno.writeFile(file, state);
  await Deno.copyFile(file, checkpoint);
  await assertRefused(
    () => ran({ updates: 8, checkpoint }),
    /run\.part as its run is "trunk": current run is "pretrain"$/,
  );
  for (const name of ["t-012.part", "t-8.part.part", "t-9", "u-9.part", "t-.part"]) {
    await Deno.writeTextFile(`${folder}/${name}`, ""); // Not names of states.
  }
  assertEquals((await ran({ ...long, trunk })).updates, from(9, 20));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("two runs at once may write the same trunk", async () => {
  const folder = await Deno.makeTempDir(), trunk = `${folder}/t`;
  assertEquals(await Promise.all([ran({ ...long, trunk }), ran({ ...long, trunk })]), [longAlone, longAlone]);
  assertEquals(filesOf(folder), ["t-16.part"]);
  assertEquals(await ran({ ...long, trunk }), { ...longAlone, updates: from(17, 20) });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a trunk without its schedule, or in a place that cannot be written, is refused before training", async () => {
  await assertRefused(
    () => pretrain(fresh(), { train }, { updates: 10, trunk: "t" }),
    /^Cannot pre-train with trunk "t" as with schedule warmup_cosine runs of other lengths have no updates in common: warmup_stable_decay works$/,
  );
  await assertRefused(
    () => pretrain(fresh(), { train }, { ...short, schedule: "warmup_stable_decay" }),
    /^Cannot pre-train with warmup 0\.1 as .*: at most 0\.004 works$/,
  );
  const file = await Deno.makeTempFile();
  await assertRefused(() => ran({ ...short, trunk: `${file}/t` }), /^Cannot write .*\/t-8\.part/);
  await Deno.remove(file);
});
