/** Any setting is a factor: a column, effects, a choice by validation, without code of its own. */
import type { Task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import type { Levels } from "../../lib/study/factors.ts";
import {
  ablate,
  openStudy,
  smoke,
  studies,
  type Study,
  type StudyOptions,
  type StudySettings,
} from "../../lib/study/mod.ts";
import { seedsOf, settleOptions, settleStudy } from "../../lib/study/settings.ts";
import { executeRun } from "../../lib/study/run.ts";
import { planOf } from "../../lib/study/tuning.ts";
import { store } from "../../lib/train/mod.ts";
import { named } from "../../lib/errors.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { corpus, sky, untimed, weather, words } from "./weather.ts";

await backend();

const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    text: `${words[(i + from) % 10]} ${words[(3 * i + from) % 10]} ${i % 2 ? "warm" : "cold"}`,
    label: i % 2,
  }));
const small: StudySettings = {
  ...weather,
  preset: { ...weather.preset, heads: 2 },
  positions: ["learned"],
  lambda: [0.5],
  seeds: 2,
  tasks: [sky(rows(24), rows(8, 1), rows(16, 2))],
  trainExamples: 24,
  testExamples: 16,
};

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("an encoder's rate of pre-training is chosen by its masked tokens, beside the others'", () =>
  inFolder(async (folder) => {
    const tune = { "pretrain.rate": [1e-9, 1e-2], seeds: 1 };
    const models = ["gpt1", "bert"] as const;
    const study = await ablate({
      ...{ base: small, models, lambda: 0, seeds: 1, pretrain: { updates: 20 } },
      ...{ tune, folder, workers: 1 },
    });
    const rows = study.tuning.objects() as Record<string, unknown>[];
    assertEquals(rows.map(({ model, "pretrain.rate": rate, chosen }) => [model, rate, chosen]).slice(0, 4), [
      ["gpt1", 1e-9, false],
      ["gpt1", 1e-2, true],
      ["bert", 1e-9, false],
      ["bert", 1e-2, true],
    ]);
    assert(rows.every(({ validation }) => Number(validation) > 0), JSON.stringify(rows));
    const found = Object.fromEntries(study.pretrained.map((row) => [row.levels["model"], row]));
    assert(found["gpt1"]!.heldout !== undefined && found["gpt1"]!.masked === undefined);
    assert(found["bert"]!.heldout === undefined && found["bert"]!.masked! > 0);
    assert(study.report.includes("; bert by its masked tokens, which no other"), study.report);
  }));

Deno.test("a setting that no code foresaw is a column, a table's, an effect and a curve", () =>
  inFolder(async (folder) => {
    const vary = { heads: [2, 4], "pretrain.batch": [1, 2], trainExamples: [8, 24] };
    const study = await ablate({ base: small, vary, folder, workers: 1 });
    assertEquals(study.complete, true);
    const [texts, tasks] = [study.pretrained, study.finetuned];
    assertEquals([texts.length, tasks.length], [2 * 2 * 2, 2 * 2 * 2 * 2]);
    assertEquals(texts[0]!.levels, {
      ...{ model: "gpt1", positions: "learned", lambda: null, transfer: null },
      ...{ "preset.heads": 2, "pretrain.batch": 1, trainExamples: null },
    });
    for (const name of ["preset.heads", "pretrain.batch", "trainExamples"]) {
      assert(study.runs.columnNames().includes(name), name);
    }
    assertEquals(study.table.columnNames().slice(0, 5), [
      ...["task", "measure", "heads", "pretrain batch", "training examples"],
    ]);
    const effects = study.effect("preset.heads", { at: { task: "sky" } });
    assertEquals(effects.map(({ where, difference }) => [where, difference]), [
      ["sky, pretrain batch = 1, training examples = 8", "heads = 4 − heads = 2"],
      ["sky, pretrain batch = 1, training examples = 24", "heads = 4 − heads = 2"],
      ["sky, pretrain batch = 2, training examples = 8", "heads = 4 − heads = 2"],
      ["sky, pretrain batch = 2, training examples = 24", "heads = 4 − heads = 2"],
    ]);
    const curves = study.curves("trainExamples", { at: { task: "sky", "pretrain.batch": 2 } });
    assertEquals(curves.map(({ name, x, y }) => [name, x, y.length]), [
      ["heads = 2", [8, 24], 2],
      ["heads = 4", [8, 24], 2],
    ]);
  }));

Deno.test("a task's own option and the corpus's merges are factors, with data of their own", async () => {
  const study = settleStudy(small, { tasks: ["imdb"], vary: { words: [10, 12], merges: [10, 20] } });
  const { runs, tokenizers } = await planOf({ ...study, trainExamples: 8, testExamples: 8 });
  assertEquals(tokenizers.map(({ merges }) => merges.length), [10, 20]);
  const tuned = runs.filter((run) => "start" in run && run.seed === 1);
  assertEquals(
    tuned.map(({ arms: [levels], tokenizer }) => [levels!["words"], levels!["merges"], tokenizer]),
    [
      ...[[10, 10, 0], [10, 20, 1], [12, 10, 0], [12, 20, 1]],
    ],
  );
  assertEquals(new Set(tuned.map(({ trained }) => trained)).size, 4);
  const read = runs.filter((run) => "evaluation" in run && run.seed === 1);
  assertEquals(read.map(({ arms: [levels] }) => [levels!["words"], levels!["merges"]]), [[null, 10], [
    null,
    20,
  ]]);
});

Deno.test("the schedule of λ is a factor of arms with λ, and of those without makes no other run", () =>
  inFolder(async (folder) => {
    const vary = { "finetune.lambdaSchedule": ["constant", "linear"] };
    const study = await ablate({ base: small, seeds: 1, lambda: [0, 0.5], vary, folder, workers: 1 });
    assertEquals(
      study.finetuned.map(({ levels }) => [levels["lambda"], levels["finetune.lambdaSchedule"]]),
      [[0, null], [0.5, "constant"], [0.5, "linear"]],
    );
    const [, constant, linear] = study.finetuned;
    assert(constant!.loss !== linear!.loss);
    const [effect] = study.effect("finetune.lambdaSchedule", { at: { task: "sky", lambda: 0.5 } });
    assertEquals(
      effect!.difference,
      "finetune lambda schedule = constant − finetune lambda schedule = linear",
    );
  }));

Deno.test("adaptation is a factor, and counts in updates, tokens, operations and estimates", () =>
  inFolder(async (folder) => {
    const vary = { "finetune.adaptEpochs": [0, 2] };
    const study = await ablate({ base: small, seeds: 1, vary, folder, workers: 1 });
    const [none, adapted] = study.finetuned.map(({ levels, trained }) => {
      const { updates, tokens, flops } = trained!;
      return { epochs: levels["finetune.adaptEpochs"], updates, tokens, flops };
    });
    const { updates, tokens, flops } = none!;
    assertEquals([none!.epochs, updates], [0, 3]); // One epoch of 24 examples by 8.
    assertEquals(adapted, { epochs: 2, updates: 3 * updates, tokens: 3 * tokens!, flops: 3 * flops! });
    assert(study.report.includes("- sky: 3 to 9 updates, "), study.report);
    const { runs } = await planOf({ ...settleStudy(small, { seeds: 1, vary, folder }) });
    assertEquals(runs.slice(1).map(({ tokens }) => tokens), [tokens, adapted!.tokens]);
    // Of 1,424 parameters 12 × 8 are positions and 57 × 8 the token embedding, which multiplies where tokens are predicted.
    const both = await planOf({ ...settleStudy(small, { seeds: 1, lambda: [0, 0.5], vary, folder }) });
    assertEquals(
      both.runs.slice(1).map((
        { inputs, products },
      ) => ["lambda" in inputs && inputs.lambda, products / tokens!]),
      [[0, 872], [0.5, 1328], [0, 3 * 872 + 2 * 456], [0.5, 3 * 1328]],
    );
    const tune = { "finetune.adaptEpochs": [0, 2], seeds: 1 };
    const found = await ablate({ base: small, seeds: 1, tune, folder, workers: 1 });
    assertEquals(found.tuning.numRows(), 2);
    assert([0, 2].includes(found.finetuned[0]!.tuned["finetune.adaptEpochs"] as number));
  }));

Deno.test("adaptation of an encoder is refused before any data is loaded, as is a warm-up longer than it", async () => {
  const models = ["gpt1", "bert"] as const, own = { ...small, lambda: [0] };
  for (
    const asked of [
      { finetune: { adaptEpochs: 2 } },
      { vary: { "finetune.adaptEpochs": [0, 2] } },
      { tune: { "finetune.adaptEpochs": [0, 2] } },
    ]
  ) {
    await assertRefused(
      () => settleStudy(own, { models, ...asked }),
      /^Cannot run a study of bert with finetune\.adaptEpochs 2 as it has no L1: leave either out$/,
    );
  }
  settleStudy(own, { models, vary: { "finetune.lambdaSchedule": ["constant", "linear"] } });
  const finetune = { schedule: "warmup_stable_decay", warmup: 0.002, epochs: 20, adaptEpochs: 1 } as const;
  await assertRefused(
    () => planOf(settleStudy(own, { finetune })),
    /^Cannot run a study with finetune\.warmup 0\.002 as .* after update 2: at most 0\.001 works$/,
  );
});

Deno.test("numbers of training examples beyond a task's own are one arm, which says how many it has", () =>
  inFolder(async (folder) => {
    const vary = { trainExamples: [8, 48, 24, 99] }; // The task has 24.
    const study = await ablate({ base: small, lambda: [0, 0.5], vary, folder, workers: 1 });
    for (const lambda of [0, 0.5]) {
      const own = study.finetuned.filter(({ levels, seed }) => levels["lambda"] === lambda && seed === 1);
      assertEquals(own.map(({ levels, trained }) => [levels["trainExamples"], trained!.examples]), [[8, 8], [
        48,
        24,
      ]]);
    }
    const scores = study.scores.filter(({ where }) => where === "sky");
    assertEquals(scores.map(({ n, values }) => [n <= 2, values.length]), Array(4).fill([true, 2]));
    assertEquals(
      study.curves("trainExamples", { at: { task: "sky" } }).map(({ x }) => x),
      Array(2).fill([8, 48]),
    );
    assert(
      study.report.includes("Of sky there are 24 training examples: arms of 48 and 99 are one."),
      study.report,
    );
  }));

Deno.test("a setting by which training diverges is not chosen, and keeps no arm from the others", () =>
  inFolder(async (folder) => {
    const finetune = {
      ...small.finetune,
      rate: 10,
      clip: 0,
      epochs: 60,
      schedule: "warmup_constant" as const,
    };
    const options: StudyOptions = {
      base: { ...small, finetune, seeds: 1 },
      tune: { "finetune.decay": [1, 0.01], seeds: 1 },
      ...{ folder, workers: 1 },
    };
    const study = await ablate(options);
    const tried = study.tuning.objects() as Record<string, unknown>[];
    const diverged = tried.filter(({ validation }) => validation === null);
    if (diverged.length === 2) throw new Error("both diverged: this test shows nothing");
    assertEquals([diverged.length, diverged[0]!["finetune.decay"], diverged[0]!["chosen"]], [1, 1, false]);
    assert(
      /\|(\*\*\d+\.\d\*\*°?\|diverged\|█·|diverged\|\*\*\d+\.\d\*\*°?\|·█)\|/.test(study.report),
      study.report,
    );
    assertEquals([study.complete, study.failures, study.finetuned.length], [true, [], 1]);
    for await (const _ of ablate(options)) throw new Error("all runs are there");
  }));

Deno.test("a search of pre-training that diverged is done, though it leaves no model", () =>
  inFolder(async (folder) => {
    const settings = settleStudy({ ...small, seeds: 1 }, {
      tune: { "pretrain.rate": [1e-3, 1e-2], seeds: 1 },
      folder,
    });
    const { runs: [run], tokenizers } = await planOf(settings);
    await store(run!.result, run!, { diverged: true }, 0);
    const steps = executeRun(run!, tokenizers[0]!, 100, new AbortController().signal);
    assertEquals(await steps.next(), { done: true, value: "done" });
  }));

Deno.test("a batch for which there is no memory is refused before any run", () =>
  inFolder(async (folder) => {
    const base = { ...small, preset: { ...small.preset, width: 256 } };
    const run = ablate({ base, vary: { "pretrain.batch": [2, 65536] }, folder, workers: 1 });
    await assertRefused(async () => {
      for await (const step of run) throw new Error(`${step.run} has begun`);
    }, /as an update needs about .* GiB and backend "wasm" has at most 4 GiB: a batch of \d+ fits$/);
  }));

Deno.test("validation examples are limited as those of the test are, and no setting is refused after hours", async () => {
  const change: StudyOptions = { testExamples: 4, tune: { "finetune.rate": [1e-3, 1e-2] } };
  const { runs } = await planOf(settleStudy(small, change));
  const tuning = runs.filter(({ isTuning }) => isTuning) as unknown as { task: Task }[];
  assertEquals(new Set(tuning.map(({ task }) => task.test.length)), new Set([4]));
  const schedule = { ...small.finetune, schedule: "warmup_stable_decay" as const };
  const late: StudyOptions = {
    base: { ...small, finetune: { ...schedule, warmup: 0 } },
    tune: { "pretrain.rate": [1e-3, 1e-2], "finetune.warmup": [0, 0.9] },
  };
  await inFolder((folder) => assertRefused(() => ablate({ ...late, folder }), /finetune\.warmup 0\.9 as /));
});

Deno.test("what is left of a study counts the search that comes after another", () =>
  inFolder(async (folder) => {
    const rates = { "pretrain.rate": [1e-3, 1e-2], "finetune.rate": [1e-4, 1e-3, 1e-2] };
    const run = ablate({ base: small, tune: rates, folder, workers: 1 });
    let last = 0;
    for await (const { done, runs, left } of run) {
      assertEquals(runs, 2 * 2 + 3 * 2 + 2 + 2);
      assert(done >= last && done <= 1 && !(left < 0), `${done} after ${last}, ${left} s left`);
      last = done;
    }
    assertEquals([last, (await run).complete], [1, true]);
  }));

Deno.test("a report says which searches were made, by what, and what is not finished", () =>
  inFolder(async (folder) => {
    const rates = { "finetune.rate": [6.25e-5, 1e-9] };
    const { report, curves } = await ablate({ base: small, tune: rates, folder, workers: 1 });
    const [line] = curves("finetune.rate"); // The few seeds of a search do not measure: it has no intervals.
    assertEquals(line!.y.map(({ mean, low, high }) => [mean, low, high].map(Number.isFinite)), [
      [true, false, false],
      [true, false, false],
    ]);
    assert(/\|validation, %\|rate 0\.0000625\|rate 1e-9\|taller bar is better\|/.test(report), report);
    assert(
      /\|sky\|(\*\*\d+\.\d\*\*°\|\d+\.\d°\|(█▁|██)|\d+\.\d°\|\*\*\d+\.\d\*\*°\|▁█)\|\n[^]*\n° with runs that did not leave chance/
        .test(report),
      report,
    );
    assert(
      report.includes(
        "Fine-tuning: finetune.rate 0.0000625, 1e-9, on the validation examples of each task, from",
      ),
    );
    const stop = new AbortController();
    const broken = ablate({
      base: small,
      tune: rates,
      folder: `${folder}/other`,
      workers: 1,
      signal: stop.signal,
    });
    for await (const _ of broken) stop.abort();
    const part = (await broken).report;
    assert(part.startsWith("**Not finished**: runs are missing"), part);
    const one = await ablate({ base: small, tune: { "finetune.rate": [1e-3] }, folder, workers: 1 });
    assert(one.report.includes("**No arm was tuned**: each setting to tune has one value only."), one.report);
  }));

Deno.test("a study made small has few updates, epochs and examples at every level, distinct and in their order", () => {
  const made = smoke({
    ...studies.ablate,
    vary: {
      ...{ "pretrain.updates": [8000, 1000, 2000, 4000], "finetune.adaptEpochs": [0, 10, 3] },
      ...{ trainExamples: [100, Infinity], heads: [2, 4], "pretrain.batch": [1, 8] },
    },
    tune: { "finetune.epochs": [3, 30], "finetune.rate": [1e-3, 1e-2], seeds: 5 },
    tunePer: ["trainExamples"],
    tuneAt: { "pretrain.updates": [1000] },
  });
  assertEquals(made.vary, {
    ...{ "pretrain.updates": [40, 10, 20, 30], "finetune.adaptEpochs": [0, 2, 1] },
    ...{ trainExamples: [16, 32], "preset.heads": [2, 4], "pretrain.batch": [1, 8] },
  });
  assertEquals(made.tune, { "finetune.epochs": [1, 2], "finetune.rate": [1e-3, 1e-2], seeds: 2 });
  assertEquals(made.tuneAt, { "pretrain.updates": [10] });
  assertEquals({ ...smoke(made), folder: made.folder }, made);
  const { finetune } = smoke({
    ...studies.ablate,
    finetune: { ...studies.ablate.finetune, adaptEpochs: 10 },
  });
  assertEquals([finetune.adaptEpochs, smoke(studies.ablate).finetune.adaptEpochs], [1, 0]);
  settleStudy(made, {});
  assertEquals(smoke({ ...studies.ablate, tune: { "finetune.rate": [1e-4, 1e-3, 1e-2], seeds: 1 } }).tune, {
    ...{ "finetune.rate": [1e-4, 1e-3], seeds: 1 },
  });
});

Deno.test("a short form and its path are one factor", () => {
  const lists = { lambda: [0, 1], positions: ["learned", "none"] as const };
  const settled = settleStudy(small, { vary: { lambda: [0, 1], "positions.kind": ["learned", "none"] } });
  assertEquals(settled, settleStudy(small, lists));
  assertEquals(settleStudy(small, { vary: { heads: 2 as never } }).vary, { "preset.heads": [2] });
});

Deno.test("what cannot vary or be tuned is refused with what would work", async () => {
  const rates = { "finetune.rate": [1e-3, 1e-2] };
  for (
    const [change, message] of [
      [{ vary: { headz: [2] } }, /^Cannot vary headz as there is no such setting: did you mean heads\?$/],
      [{ vary: { "preset.heads": [2, 2] } }, /^Cannot vary preset\.heads with \[2,2\] as .* none twice$/],
      [{ vary: { "preset.heads": [] } }, /^Cannot vary preset\.heads with \[\] as /],
      [{ vary: { "preset.heads": [2, "x"] } }, /^Cannot vary preset\.heads with "x" as it must be a whole/],
      [{ vary: { "preset.heads": [3] } }, /heads/],
      [{ vary: { folder: ["a", "b"] } }, /^Cannot vary folder as there is no such setting/],
      [{ vary: { "__proto__.x": [1] } }, /^Cannot vary __proto__\.x as there is no such setting/],
      [{ vary: [1] }, /vary \[1\] as it must be an object of settings/],
      [{ vary: { lambda: [0, 1] }, lambda: [0] }, /^Cannot vary lambda twice: /],
      [{ vary: { heads: [1, 2], "preset.heads": [1, 2] } }, /^Cannot vary preset\.heads twice: /],
      [{ tune: { "preset.heads": [1, 2] } }, /^Cannot tune preset\.heads as there is no such setting/],
      [{ tune: { "finetune.rate": [1e-3], seeds: 0 } }, /^Cannot tune with seeds 0 as /],
      [
        { tune: { "finetune.rate": [1e-3] }, vary: { "finetune.rate": [1e-3, 1e-2] } },
        /^Cannot tune finetune\.rate as it is varied: /,
      ],
      [
        { tune: { "finetune.rate": [1e-3, 2e-3] }, tunePer: ["position"] },
        /^Cannot tune per "position" as there is no such factor: did you mean positions\?$/,
      ],
      [
        { pretrained: "mini", tune: { "pretrain.rate": [1e-3, 2e-3] } },
        /^Cannot tune pretrain\.rate in a study of "mini" as it is pre-trained already/,
      ],
      [
        { pretrained: "mini", vary: { "preset.heads": [2, 4] } },
        /^Cannot vary preset\.heads in a study of "mini" as it is pre-trained already/,
      ],
      [{ tune: { "finetune.rate": [1e-3, 1e-2], seeds: [2, 3] } }, /^Cannot tune with seeds \[2,3\] as /],
      [{ tune: { seeds: 5 } }, /^Cannot tune seeds alone: /],
      [{ tunePer: ["lambda"] }, /^Cannot use tunePer without tune/],
      [
        { tune: { "finetune.rate": [1e-3, 1e-2] }, tunePer: ["task"] },
        /^Cannot tune per "task" as tasks always choose separately$/,
      ],
      [{ tuneAt: { "pretrain.updates": [10] } }, /^Cannot use tuneAt without tune/],
      [{ tunedBy: "data/studies/ablate" }, /^Cannot use tunedBy without tune/],
      [
        { tune: rates, tunePer: ["positions"], tuneAt: { heads: [2] } },
        /^Cannot tune at "preset\.heads" as there is no such factor/,
      ],
      [
        { tune: rates, tunePer: ["positions"], tuneAt: { tasks: ["imdb"] } },
        /^Cannot tune at "tasks" as tasks always choose separately$/,
      ],
      [
        { tune: rates, tunePer: ["positions"], tuneAt: { model: ["bert"] } },
        /^Cannot tune at model "bert" as the study has no such level: current ones are gpt1$/,
      ],
      [
        { tune: rates, vary: { heads: [1, 2] }, tuneAt: { heads: [1] } },
        /^Cannot tune at preset\.heads 1 as each arm chooses by itself: tunePer names the factors/,
      ],
      [
        { tune: rates, lambda: [0, 1], tunePer: ["lambda"], tuneAt: { lambda: [1] } },
        /^Cannot tune at lambda 1 as tunePer lets each of its levels choose$/,
      ],
      [
        {
          tune: rates,
          vary: { heads: [1, 2] },
          tunePer: ["positions"],
          tuneAt: { heads: [1], "preset.heads": [2] },
        },
        /^Cannot tune at preset\.heads twice/,
      ],
      [
        {
          ...{ models: ["gpt1", "bert"], lambda: [0, 1], tune: rates, tunePer: ["model"] },
          tuneAt: { lambda: [1] },
        },
        /^Cannot tune model bert, .* on sky as none of its arms is at lambda 1, where the search is made$/,
      ],
      [
        { tasks: [], pretrained: "mini" },
        /^Cannot run a study without tasks with pretrained "mini" as nothing is/,
      ],
      [{ tasks: [], tune: rates }, /^Cannot run a study without tasks with finetune\.rate as nothing is/],
      [{ seeds: [] }, /seeds \[\] as /],
      [{ seeds: [1, 1] }, /seeds \[1,1\] as /],
    ] as const
  ) {
    await assertRefused(() => ablate({ base: small, ...change as object }), message);
  }
});

Deno.test("seeds are a number or a list, and a list's runs are those of a number", async () => {
  assertEquals(seedsOf({ seeds: 3 }), [1, 2, 3]);
  const own = async (seeds: StudySettings["seeds"]) =>
    (await planOf({ ...small, seeds })).runs.map(({ key }) => key);
  const [some, all] = [await own([3, 1]), await own(3)];
  assertEquals(some.filter((key) => !all.includes(key)), []);
  assertEquals([some.length, all.length], [4, 6]);
});

Deno.test("each seed trains on examples of its own, which all its arms share, and is scored on the same", async () => {
  const options: StudyOptions = { base: small, lambda: [0, 0.5], trainExamples: 8 };
  const textsOf = async (study: StudySettings) => {
    const runs = (await planOf(study)).runs.filter((run) => "start" in run);
    return runs.map((run) => {
      const { train, test } = (run as unknown as { task: Task }).task;
      return { seed: run.seed, train: JSON.stringify(train), test: JSON.stringify(test) };
    });
  };
  const { base: _, ...changes } = options;
  const drawn = await textsOf(settleStudy(small, changes));
  assertEquals(new Set(drawn.map(({ train }) => train)).size, 2);
  assertEquals(new Set(drawn.map(({ seed, train }) => seed + train)).size, 2);
  assertEquals(new Set(drawn.map(({ test }) => test)).size, 1);
  const once = await textsOf(settleStudy(small, { ...changes, sample: "once" }));
  assertEquals(new Set(once.map(({ train }) => train)).size, 1);
});

const tune = { "pretrain.rate": [1e-9, 1e-2], "finetune.rate": [1e-9, 1e-2], "finetune.dropout": [0, 0.1] };

Deno.test("each arm chooses its settings on validation, with seeds of its own, and is scored on test once", () =>
  inFolder(async (folder) => {
    const options: StudyOptions = { base: small, lambda: [0, 0.5], tune, folder, workers: 1 };
    const names = new Set<string>();
    const run = ablate(options);
    for await (const { run: name } of run) names.add(name);
    const study = await run;
    assertEquals([study.complete, study.failures], [true, []]);
    const tuning = [...names].filter((name) => name.endsWith(" tuning"));
    // Pre-training: two rates × two seeds; fine-tuning: two arms × four settings × two seeds.
    assertEquals([tuning.length, names.size - tuning.length], [4 + 16, 2 + 4]);
    assert(tuning.every((name) => /seed100000[12] /.test(name)), tuning[0]);
    for (const { tuned } of study.pretrained) assertEquals(tuned, { "pretrain.rate": 1e-2 });
    const tried = study.tuning.objects() as Record<string, unknown>[];
    assertEquals(tried.length, 2 + 2 * 4);
    for (const one of tried.filter(({ task }) => task === "sky")) {
      const best = Math.max(
        ...tried.filter((other) => other["lambda"] === one["lambda"] && other["task"] === "sky")
          .map(({ validation }) => validation as number),
      );
      if (one["chosen"]) assert(Number(one["validation"]) >= best - 0.005);
    }
    for (const { levels, tuned, validation } of study.finetuned) {
      const chosen = tried.find((one) =>
        one["chosen"] && one["lambda"] === levels["lambda"] && one["task"] === "sky"
      )!;
      assertEquals([tuned["finetune.rate"], tuned["finetune.dropout"]], [
        chosen["finetune.rate"],
        chosen["finetune.dropout"],
      ]);
      assert(validation!.value >= 0 && validation!.value <= 1);
    }
    assert(study.report.includes("Pre-training: pretrain.rate 1e-9, 0.01, by the part of the held-out text"));
    assert(
      study.report.includes(
        "Fine-tuning: finetune.rate 1e-9, 0.01 × finetune.dropout 0, 0.1, on the validation",
      ),
    );
    const [curve] = study.curves("pretrain.rate");
    assertEquals([curve!.name, curve!.x], ["held-out text", [1e-9, 1e-2]]);
    assert(curve!.y[1]!.mean < curve!.y[0]!.mean);
    for await (const _ of ablate(options)) throw new Error("all runs are there");
    const again = await ablate(options);
    assertEquals([untimed(again), again.report], [untimed(study), study.report]);

    // Repeated with a seed of its own, and one of its arms, it searches nothing and has the same settings.
    const repeated: StudyOptions = {
      ...{ base: small, lambda: 0.5, tune, seeds: [7], workers: 1, tunedBy: folder },
      folder: `${folder}/repeated`,
    };
    const { workers: _, ...planned } = settleOptions(repeated);
    const { runs } = await planOf(planned);
    assertEquals(runs.map(({ seed, isTuning }) => [seed, isTuning]), [[7, false], [7, false]]);
    const repetition = await ablate(repeated), opened = await openStudy(`${folder}/repeated`);
    const settingsOf = ({ levels, tuned }: { levels: Levels; tuned: Levels }) =>
      levels["lambda"] === 0.5 && tuned;
    assertEquals(
      repetition.finetuned.map(settingsOf),
      study.finetuned.map(settingsOf).filter(Boolean).slice(1),
    );
    assertEquals([repetition.complete, repetition.tuning.numRows()], [true, 2 + 4]);
    assert(
      repetition.report.includes(
        `**Tuning**, by the study in ${named(folder)}, on models of its own: each arm has`,
      ),
    );
    assertEquals(opened.report, repetition.report);
    const refused: [StudyOptions, RegExp][] = [
      [{ lambda: [0.5, 1] }, /chose as its lambda are \[0,0\.5\], without 1$/],
      [
        { tune: { "finetune.rate": [1e-9, 1e-2] } },
        /chose as its tune\.pretrain\.rate is \[1e-9,0\.01\], not undefined$/,
      ],
      [{ tune: { ...tune, seeds: 3 } }, /chose as its tune\.seeds is 2, not 3$/],
      [{ tunePer: ["lambda"] }, /chose as its tunePer is undefined, not \["lambda"\]$/],
      [{ vary: { "preset.heads": [1, 2] } }, /chose as it varies \[\], not \["preset\.heads"\]$/],
      [{ finetune: { epochs: 7 } }, /chose as its finetune\.epochs is \d, not 7$/],
      [{ trainExamples: 23 }, /chose as its trainExamples is 24, not 23$/],
      [{ tasks: [{ ...small.tasks[0] as Task, name: "sea" }] }, /its tasks are \["sky"\], without "sea"$/],
      [
        { tasks: [{ ...small.tasks[0] as Task, validation: (small.tasks[0] as Task).test } as Task] },
        /chose as task sky is not what it was: its SHA-256 is \w{16}, not \w{16}$/,
      ],
      [
        { corpus: { ...corpus, train: `${corpus.train} sun` } },
        /chose as the text of corpus weather is not what it was/,
      ],
      [{ tunedBy: `${folder}/none` }, /as it has no study\.json/],
      [{ tunedBy: "data/studies/ablate" }, /as it tuned nothing$/],
    ];
    for (const [change, sentence] of refused) {
      await assertRefused(() => ablate({ ...repeated, ...change }), sentence);
    }
  }));

Deno.test("pre-training is tuned on text that is not reported", async () => {
  const { runs } = await planOf(settleStudy(small, { tune: { "pretrain.rate": [1e-3, 1e-2] } }));
  const heldout = runs.map((run) => "evaluation" in run ? run.evaluation.heldout : "");
  assertEquals(new Set(heldout).size, 1, "final runs wait for the choice");
  const { texts: [text] } = await planOf(settleStudy(small, { tune: { "pretrain.rate": [1e-3, 1e-2] } }));
  const [chosen, reported] = [heldout[0]!, text!.corpus.heldout];
  assertEquals(chosen + reported, corpus.heldout);

  // Three books of one letter each, in lines: each is in both parts, and no line is cut.
  const books = ["a", "b", "c"].map((letter) => `${letter.repeat(39)}\n`.repeat(2500));
  const long = { ...corpus, heldout: books.join("") };
  const plan = await planOf(settleStudy(small, { corpus: long, tune: { "pretrain.rate": [1e-3, 1e-2] } }));
  const [run] = plan.runs, other = plan.texts[0]!.corpus.heldout;
  const read = run && "evaluation" in run ? run.evaluation.heldout : "";
  assertEquals(read.length + other.length, long.heldout.length);
  for (const half of [read, other]) {
    assert(half.length > 0.4 * long.heldout.length, "about a half");
    const share = (letter: string) =>
      half.split("\n").filter((line) => line.startsWith(letter)).length / 2500;
    for (const letter of "abc") {
      assert(share(letter) > 0.35 && share(letter) < 0.65, `${letter}: ${share(letter)}`);
    }
    assert(/^((.)\2{38}\n)+$/.test(half), "whole lines");
  }

  // No line and no word ends in it but the last one: still two halves.
  const han = { ...corpus, heldout: `${"海".repeat(200_000)} ` };
  const { texts: [reportedHan] } = await planOf(
    settleStudy(small, { corpus: han, tune: { "pretrain.rate": [1e-3, 1e-2] } }),
  );
  const share = reportedHan!.corpus.heldout.length / han.heldout.length;
  assert(share > 0.4 && share < 0.6, `${share}`);
});

Deno.test("of values that validation does not tell apart the first is chosen", () =>
  inFolder(async (folder) => {
    const options: StudyOptions = { ...{ base: small, folder, lambda: 0, tasks: [], seeds: 1, workers: 1 } };
    const chosenOf = async (rates: number[]) => {
      const study = await ablate({ ...options, tune: { "pretrain.rate": rates, seeds: 1 } });
      const rows = study.tuning.objects() as Record<string, number>[];
      const scores = rows.map(({ validation }) => validation!);
      return [rows.find(({ chosen }) => chosen)!["pretrain.rate"], scores[1]! - scores[0]!] as const;
    };
    const [tied, gained] = await chosenOf([1e-9, 2e-9]);
    assert(Math.abs(gained) < 0.002, `${gained}`);
    assertEquals(tied, 1e-9);
    assertEquals((await chosenOf([2e-9, 1e-9]))[0], 2e-9);
    const [better, more] = await chosenOf([1e-9, 1e-2]);
    assert(more < -0.002, `${more}`);
    assertEquals(better, 1e-2);
  }));

Deno.test("arms that share a choice are those of one level of the factors that are named", async () => {
  const change: StudyOptions = {
    positions: ["learned", "none"],
    lambda: [0, 0.5],
    tune: { "finetune.rate": [1e-3, 1e-2] },
  };
  const count = async (tunePer: readonly string[]) => {
    const { choices } = await planOf(settleStudy(small, { ...change, tunePer }));
    return choices.map(({ runs }) => runs.map(({ length }) => length));
  };
  assertEquals((await planOf(settleStudy(small, change))).choices.length, 4);
  assertEquals(await count(["positions"]), [[4, 4], [4, 4]]);
  assertEquals(await count(["lambda", "positions"]), Array(4).fill([2, 2]));
});

Deno.test("a repetition takes each arm's own choice, and none where a search served other arms", () =>
  inFolder(async (folder) => {
    const first: StudyOptions = {
      ...{ base: small, folder, lambda: [0, 0.5], seeds: 1, workers: 1 }, // Whose arms share a choice.
      ...{ models: ["gpt1", "lstm"], positions: ["learned", "none"] },
      ...{ tune: { "finetune.rate": [1e-9, 1e-2], seeds: 1 }, tunePer: ["positions"] },
    };
    const study = await ablate(first);
    assert(study.report.includes("each level of positions has the same search, with 1 seed of its own"));
    const again: StudyOptions = { ...first, seeds: [9], tunedBy: folder, folder: `${folder}/again` };
    const chosen = (some: Study) => some.finetuned.map(({ levels, tuned }) => [levels, tuned]);
    assertEquals(chosen(await ablate(again)), chosen(study));
    await assertRefused(
      () => ablate({ ...again, positions: ["learned", "sinusoidal"] }),
      /its positions are \["learned","none"\], without "sinusoidal"$/,
    );
  }));

Deno.test("a search can be made at some levels of the factors that share its choice", () =>
  inFolder(async (folder) => {
    const options: StudyOptions = {
      ...{ base: small, folder, lambda: 0, tasks: [], positions: ["learned", "none"] },
      vary: { "pretrain.updates": [2, 4, 6] },
      tune: { "pretrain.rate": [1e-9, 1e-2], seeds: 1 },
      ...{ tunePer: ["positions"], tuneAt: { "pretrain.updates": [4] } },
    };
    const { runs, choices, open } = await planOf(settleOptions(options));
    assertEquals(choices.map(({ levels }) => levels["pretrain.updates"]), [null, null]);
    assert(runs.every(({ isTuning, arms: [arm] }) => isTuning && arm!["pretrain.updates"] === 4));
    assertEquals([runs.length, open.length], [4, 6 * seedsOf(small).length]);
    const study = await ablate(options);
    const rates = study.runs.array("pretrain.rate");
    assertEquals([rates.length, new Set(rates)], [6 * seedsOf(small).length, new Set([1e-2])]);
    assert(
      study.report.includes(
        "each level of positions has the same search at pretrain updates 4, whose choice serves all, with",
      ),
    );
  }));

Deno.test("a tuned study divided between two processes, and stopped in the middle, finds what one finds", async () => {
  await inFolder((whole) =>
    inFolder(async (broken) => {
      const options: StudyOptions = { base: small, tune: { "finetune.rate": [1e-4, 1e-2] }, saveEvery: 1 };
      const expected = await ablate({ ...options, folder: whole, workers: 1 });
      for (let complete = false; !complete;) {
        const stop = new AbortController();
        const study = ablate({ ...options, folder: broken, workers: 2, signal: stop.signal });
        let made = 0;
        for await (const _ of study) if (++made === 9) stop.abort();
        const found = await study;
        complete = found.complete;
        if (complete) assertEquals(untimed(found), untimed(expected));
      }
    })
  );
});
