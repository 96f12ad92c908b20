/** Studies whose pre-training differs in length share what precedes the decay. */
import { backend } from "../../lib/engine/mod.ts";
import { ablate, smoke, studies, type Study, type StudyOptions } from "../../lib/study/mod.ts";
import { outlookOf } from "../../lib/study/list.ts";
import { settleStudy } from "../../lib/study/settings.ts";
import { modelOf } from "../../lib/study/plan.ts";
import { planOf } from "../../lib/study/tuning.ts";
import { assertClose, assertEquals, assertRefused } from "../assert.ts";
import { sky, untimed, weather, words } from "./weather.ts";

await backend();

const rows = Array.from(
  { length: 16 },
  (_, i) => ({ text: `${words[i % 10]} ${i % 2 ? "warm" : "cold"}`, label: i % 2 }),
);
const decaying = { ...weather.pretrain, schedule: "warmup_stable_decay", warmup: 2 / 2000 } as const;
const study = (folder: string, pretrain: StudyOptions["pretrain"]): StudyOptions => ({
  ...{ ...weather, tasks: [sky(rows, rows, rows)], trainExamples: 16, testExamples: 16 },
  ...{ positions: ["learned"], lambda: [0.5], seeds: 2, workers: 1, folder },
  pretrain: { ...decaying, ...pretrain },
});

/** Runs a study: its result, and how many updates of pre-training were made. */
async function ran(options: StudyOptions): Promise<{ study: Study; updates: number }> {
  let updates = 0;
  const run = ablate(options);
  for await (const { run: name } of run) if (name.startsWith("pretrain")) updates++;
  return { study: await run, updates };
}

const trunks = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".part"))
    .map((name) => name.replace(/-[0-9a-f]{6,}-/, "-")).sort();

Deno.test("a study of longer pre-training starts at the trunks of a shorter one in its folder", async () => {
  const [folder, alone] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const first = await ran(study(folder, { updates: 10 }));
  assertEquals(first.updates, 2 * 10);
  assertEquals(trunks(folder), [
    "pretrain-learned-seed1-trunk-8.part",
    "pretrain-learned-seed2-trunk-8.part",
  ]);
  const second = await ran(study(folder, { updates: 20 }));
  assertEquals(second.updates, 2 * (20 - 8), "the updates before the first decay are not made again");
  assertEquals(trunks(folder).length, 4, "trunks stay");
  const expected = await ran(study(alone, { updates: 20 }));
  assertEquals(expected.updates, 2 * 20);
  assertEquals(untimed(second.study), untimed(expected.study));
  assertEquals((await ran(study(folder, { updates: 20 }))).updates, 0);
  assertEquals(untimed((await ran(study(folder, { updates: 10 }))).study), untimed(first.study));
  for (const path of [folder, alone]) await Deno.remove(path, { recursive: true });
});

Deno.test("budgets of one study are branches of a trunk, the shortest first, also of two workers", async () => {
  const [folder, two] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const vary = { "pretrain.updates": [20, 10, 30] };
  const all = await ran({ ...study(folder, {}), vary });
  assertEquals(all.updates, 2 * (10 + (20 - 8) + (30 - 16)));
  const curves = all.study.curves("pretrain.updates", { at: { task: "held-out text" } });
  assertEquals(curves.map(({ x }) => x), [[20, 10, 30]]);
  const parallel = await ablate({ ...study(two, {}), vary, workers: 2 });
  assertEquals(untimed(parallel), untimed(all.study));
  for (const path of [folder, two]) await Deno.remove(path, { recursive: true });
});

Deno.test("a run's losses are those of all its updates, also of its trunk's, and of fine-tuning without adaptation", async () => {
  const folder = await Deno.makeTempDir();
  const losses = new Map<string, number[]>();
  const run = ablate({
    ...study(folder, {}),
    ...{ seeds: 1, vary: { "pretrain.updates": [10, 20], "finetune.adaptEpochs": [0, 1] } },
  });
  for await (const { run: name, record } of run) {
    const { L1, L2 } = record!, own = losses.get(name) ?? [];
    if (L2 === undefined && !name.startsWith("pretrain")) continue; // Adaptation.
    losses.set(name, [...own, L2 ?? L1!]);
  }
  const { pretrained, finetuned } = await run;
  const means = (of: string) =>
    [...losses].filter(([name]) => name.startsWith(of)).map(([, values]) => values);
  const [short, branch] = means("pretrain");
  assertEquals(pretrained.map(({ losses }) => losses), [
    { every: 1, updates: 10, means: short! },
    { every: 1, updates: 20, means: [...short!.slice(0, 8), ...branch!] },
  ]);
  const sorted = (some: readonly (readonly number[])[]) => some.toSorted(([a], [b]) => a! - b!);
  assertEquals(sorted(finetuned.map(({ losses }) => losses!.means)), sorted(means("sky")));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("what a study takes counts a trunk once, in its list and its progress, also where it resumes", async () => {
  const folder = await Deno.makeTempDir();
  const options = {
    ...study(folder, {}),
    ...{ tasks: [], lambda: [0], seeds: 1, vary: { "pretrain.updates": [20, 10, 30] } },
  };
  const made = [20 - 8, 10, 30 - 16], total = 10 + (20 - 8) + (30 - 16);
  const outlook = () => outlookOf(settleStudy(studies.ablate, options));
  const before = await outlook(), pace = before.seconds / total;
  assertClose(before.runs.map(({ seconds }) => seconds / pace), made, "updates of the runs");
  assertClose([before.longest / pace], [total], "updates of the longest chain"); // Branches wait for each other.
  const controller = new AbortController(), done: number[] = [];
  const first = ablate({ ...options, signal: controller.signal });
  for await (const step of first) {
    if (done.push(step.done) === 10 + 6) controller.abort();
  }
  await first;
  const { runs: [open, finished, last], seconds, longest } = await outlook();
  assertEquals([open!.state, finished!.state, last!.share], ["pending", "done", 0]);
  assertClose([open!.share], [6 / 12], "share");
  assertClose(
    [seconds, longest].map((left) => left / last!.seconds),
    [(6 + 14) / 14, (6 + 14) / 14],
    "what is left",
  );
  for await (const step of ablate(options)) done.push(step.done);
  assertClose(done, Array.from({ length: total }, (_, i) => (i + 1) / total), "progress");
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".json")) await Deno.remove(`${folder}/${name}`);
  }
  const scored = await outlook(); // The models are there, from this study or another: only their scores are missing.
  assertEquals(scored.runs.map(({ state, share }) => [state, share]), Array(3).fill(["pending", 1]));
  assertEquals([scored.seconds, scored.longest, scored.bytes], [0, 0, 0]);
  await Deno.remove((await planOf(settleStudy(studies.ablate, options))).runs.map(modelOf)[1]!); // Of 10 updates.
  const again: number[] = [];
  for await (const step of ablate(options)) again.push(step.done);
  assertClose(again, Array.from({ length: 2 }, (_, i) => (total - 1 + i) / total), "progress beside models");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("what a study takes counts a trunk once before its rate is chosen, if arms share the choice", async () => {
  const folder = await Deno.makeTempDir();
  const options = (shared: Pick<StudyOptions, "tunePer" | "tuneAt">) => ({
    ...study(folder, {}),
    ...{ tasks: [], lambda: [0], seeds: 1, vary: { "pretrain.updates": [10, 20] } },
    tune: { "pretrain.rate": [1e-3, 2e-3], seeds: 1 },
    ...shared,
  });
  const secondsOf = async (shared: Pick<StudyOptions, "tunePer" | "tuneAt">) => {
    const { runs } = await outlookOf(settleStudy(studies.ablate, options(shared)));
    const [one, other] = runs.filter(({ run }) => !run.endsWith("tuning")).map(({ seconds }) => seconds);
    return other! / one!;
  };
  const one = await secondsOf({ tunePer: ["positions"], tuneAt: { "pretrain.updates": [10] } });
  const several = [await secondsOf({ tunePer: ["pretrain.updates"] }), await secondsOf({})];
  assertClose([one, ...several], [1.2, 2, 2], "ratios");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("another rate has another trunk, and other schedules have none", async () => {
  const folder = await Deno.makeTempDir();
  await ran(study(folder, { updates: 10 }));
  assertEquals((await ran(study(folder, { updates: 20, rate: 2e-3 }))).updates, 2 * 20);
  assertEquals(trunks(folder).length, 4);
  await ran(study(folder, { updates: 10, schedule: "warmup_cosine" }));
  assertEquals(trunks(folder).length, 4);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the disk that a study takes includes its trunks", async () => {
  const folder = await Deno.makeTempDir();
  const bytes = async (options: StudyOptions) =>
    (await outlookOf(settleStudy(studies.ablate, options))).bytes;
  const [with_, without] = [
    await bytes(study(folder, {})),
    await bytes(study(folder, { schedule: "warmup_cosine" })),
  ];
  assertEquals(with_ / without, (4 + 1) / (1 + 1)); // Per seed a model pre-trained and one fine-tuned.
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a warm-up that is too long for a study's pre-training or fine-tuning is refused before either", async () => {
  const folder = await Deno.makeTempDir();
  await assertRefused(
    () => ablate(study(folder, { updates: 10, warmup: 0.1 })),
    /^Cannot run a study with pretrain\.warmup 0\.1 as .* begins after update 8: at most 0\.004 works$/,
  );
  const finetune = { ...weather.finetune, schedule: "warmup_stable_decay", warmup: 0.1 } as const;
  await assertRefused(
    () => ablate({ ...study(folder, {}), finetune }),
    /^Cannot run a study with finetune\.warmup 0\.1 as .* begins after update 2: at most 0\.001 works$/,
  );
  assertEquals([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a study of the schedule can be made small", () => {
  const pretrain = { ...studies.ablate.pretrain, schedule: "warmup_stable_decay" } as const;
  const small = smoke({ ...studies.ablate, pretrain });
  assertEquals([settleStudy(small, {}).pretrain.warmup, smoke(studies.ablate).pretrain.warmup], [0, 0.1]);
  const vary = { "pretrain.schedule": ["warmup_cosine", "warmup_stable_decay"] };
  assertEquals(smoke({ ...studies.ablate, vary }).pretrain.warmup, 0);
});
