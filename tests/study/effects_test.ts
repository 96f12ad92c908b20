/** Effects, interactions and what a report says of runs that did not learn. */
import { settleStudy } from "../../lib/study/settings.ts";
import {
  type EffectOptions,
  type Finetuned,
  type Level,
  type MainContrasts,
  planStudy,
  type Pretrained,
  smoke,
  studies,
  type Study,
  studyOf,
  type StudyOptions,
} from "../../lib/study/mod.ts";
import type { Task } from "../../lib/data/mod.ts";
import { keyOf, normals } from "../../lib/engine/mod.ts";
import { noLosses, withLoss } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

/** The scores of an arm by seed, in shares of clusters. */
interface Given {
  readonly task?: string;
  readonly measure?: "accuracy" | "f1" | "pearson";
  readonly levels: Record<string, Level>;
  readonly byCluster: readonly (readonly number[])[];
  readonly stuck?: readonly boolean[];
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const examples = new Map<string, Uint32Array>();

function rowsOf({ task = "sky", measure = "accuracy", levels, byCluster, stuck = [] }: Given): Finetuned[] {
  if (!examples.has(task)) examples.set(task, new Uint32Array(byCluster[0]!.length));
  return byCluster.map((parts, i) => ({
    levels: { model: "gpt1", positions: "learned", lambda: 0, transfer: "all", ...levels },
    ...{ task, measure, measures: {}, value: mean(parts), low: 0.6, high: 0.9, constant: 0.5, examples: 100 },
    ...{ seed: i + 1, tuned: {}, stuck: stuck[i] ?? false, loss: 1, cut: 0 },
    byCluster: Float64Array.from(parts),
    answers: {
      ...{
        examples: examples.get(task)!,
        predictions: new Float32Array(),
        scores: new Float32Array(),
        width: 1,
      },
    },
  }));
}

const study = (given: readonly Given[], options: StudyOptions = {}, pretrained: readonly Pretrained[] = []) =>
  studyOf({
    study: settleStudy(studies.ablate, options),
    ...{ pretrained, finetuned: given.flatMap(rowsOf), tried: [], choices: 0, complete: true, failures: [] },
  });

/** A task of which only the name counts. */
const toyTask = (name: string) => ({ name, train: [] }) as unknown as Task;

/** Scores that vary a little and in the same way in every arm, by seed and cluster. */
const around = (middle: number, seeds = 3, clusters = 20, noise = 0.01) =>
  Array.from(
    { length: seeds },
    (_, s) =>
      Array.from({ length: clusters }, (_, c) =>
        middle + 0.1 * Math.sin(7 * c) + 0.02 * Math.cos(5 * s) +
        noise * Math.sin(11 * s + 3 * c + 100 * middle)),
  );

Deno.test("an effect is paired by seed and cluster, and is that of the simulated crossed effects", () => {
  const { effect } = study([
    { levels: { lambda: 0 }, byCluster: around(0.6) },
    { levels: { lambda: 0.5 }, byCluster: around(0.7) },
  ]);
  const [found, ...others] = effect("lambda");
  assertEquals(others, []);
  assertEquals([found!.where, found!.difference, found!.n, found!.clusters], [
    "sky",
    "λ = 0.5 − λ = 0",
    3,
    20,
  ]);
  assert(Math.abs(found!.mean - 10) < 0.5 && found!.low > 8 && found!.high < 12, JSON.stringify(found));
  assertEquals(found!.finding, "higher");
});

Deno.test("numbers are compared with the lowest listed first, names the first with the others, or as is asked", () => {
  const arms = (["learned", "none", "rotary"] as const).flatMap((positions, i) =>
    [0, 1, 2].map((lambda, j) => ({
      levels: { positions, lambda },
      byCluster: around(0.6 + 0.02 * i + 0.01 * j),
    }))
  );
  const { effect } = study(arms, { positions: ["learned", "none", "rotary"], lambda: [0, 1, 2] });
  const named = (found: { difference: string }[]) => [...new Set(found.map(({ difference }) => difference))];
  assertEquals(named(effect("lambda")), ["λ = 1 − λ = 0", "λ = 2 − λ = 0"]);
  assertEquals(named(effect("positions")), ["learned − none", "learned − rotary"]);
  assertEquals(effect("positions").length, 2 * 3);
  assertEquals(named(effect("positions", { between: ["rotary", "none"] })), ["rotary − none"]);
  assertEquals(
    effect("positions", { by: ["lambda"], at: { lambda: [1, 2] } }).map(({ levels }) => levels["lambda"]),
    [
      ...[1, 2, 1, 2].sort(),
    ],
  );
});

Deno.test("a main effect is the mean of the others, over tasks of any number of clusters", () => {
  const { effect } = study([
    { task: "sky", levels: { lambda: 0 }, byCluster: around(0.6, 3, 20) },
    { task: "sky", levels: { lambda: 1 }, byCluster: around(0.62, 3, 20) },
    { task: "sea", levels: { lambda: 0 }, byCluster: around(0.5, 3, 60) },
    { task: "sea", levels: { lambda: 1 }, byCluster: around(0.56, 3, 60) },
  ], { lambda: [0, 1] });
  const simple = effect("lambda"), [main] = effect("lambda", { by: [] });
  assertEquals(simple.map(({ where }) => where), ["sky", "sea"]);
  assert(Math.abs(main!.mean - mean(simple.map(({ mean }) => mean))) < 1e-9);
  assertEquals([main!.where, main!.clusters], ["", 80]);
  // The tasks' own difference of 4 points is no noise.
  assert(main!.high - main!.low < simple[0]!.high - simple[0]!.low);
});

Deno.test("where a factor turns an effect round there is no main effect but each by itself", () => {
  const crossing = (flip: number) =>
    study([
      { levels: { positions: "learned", lambda: 0 }, byCluster: around(0.6) },
      { levels: { positions: "learned", lambda: 1 }, byCluster: around(0.66) },
      { levels: { positions: "none", lambda: 0 }, byCluster: around(0.6) },
      { levels: { positions: "none", lambda: 1 }, byCluster: around(0.6 + flip) },
    ], { positions: ["learned", "none"], lambda: [0, 1] });
  const apart = crossing(-0.06).effect("lambda", { by: ["task"] });
  assertEquals(apart.map(({ where, finding }) => [where, finding]), [
    ["sky, learned", "higher"],
    ["sky, none", "lower"],
  ]);
  assertEquals(crossing(0.02).effect("lambda", { by: ["task"] }).map(({ where }) => where), ["sky"]);
  const [interaction] = crossing(-0.06).effect("lambda", { by: ["task"], interaction: "positions" });
  assertEquals(interaction!.difference, "(λ = 1 − λ = 0) at none − at learned");
  assert(
    Math.abs(interaction!.mean + 12) < 1 && interaction!.finding === "lower",
    JSON.stringify(interaction),
  );
});

Deno.test("lists of levels are compared pair by pair: the training of positions, whatever their start", () => {
  const positions = ["learned", "random-frozen", "sinusoidal-trained", "sinusoidal"] as const;
  const { effect } = study(
    positions.map((positions, i) => ({
      levels: { positions },
      byCluster: around([0.7, 0.6, 0.72, 0.64][i]!),
    })),
    { positions },
  );
  const [trained] = effect("positions", {
    between: [["learned", "sinusoidal-trained"], ["random-frozen", "sinusoidal"]],
  });
  assert(Math.abs(trained!.mean - 9) < 1, JSON.stringify(trained));
  assertEquals(trained!.difference, "(learned and sinusoidal-trained) − (random-frozen and sinusoidal)");
});

Deno.test("a line that averages gives each level the same weight, and refuses different units", async () => {
  const arms = ["sky", "sea"].flatMap((task) =>
    [0, 1].map((lambda) => ({
      task,
      levels: { lambda },
      byCluster: around((task === "sky" ? 0.7 : 0.4) + 0.05 * lambda, 3, task === "sky" ? 20 : 60),
    }))
  );
  const { curves } = study(arms, { lambda: [0, 1] });
  const [line] = curves("lambda", { by: [] }), lines = curves("lambda");
  assertEquals(line!.y.map(({ n }) => n), [3, 3]);
  line!.y.forEach((point, i) =>
    assert(Math.abs(point.mean - mean(lines.map(({ y }) => y[i]!.mean))) < 1e-9, `${point.mean}`)
  );
  const other = { task: "grade", measure: "pearson", levels: { lambda: 0 }, byCluster: around(0.3) } as const;
  await assertRefused(
    () => study([...arms, other], { lambda: [0, 1] }).curves("lambda", { by: [] }),
    /^Cannot average an arm over points of accuracy and points of pearson: /,
  );
});

Deno.test("a line and an effect that average some arms only are of arms that have all levels, and say which", async () => {
  const models = ["gpt1", "gpt2", "lstm"] as const;
  const arms = models.flatMap((model, i) =>
    [0, 1].filter((lambda) => model !== "lstm" || lambda === 0).map((lambda) => ({
      levels: { model, lambda },
      byCluster: around(0.6 + 0.1 * i),
    }))
  );
  const whole = study(arms, { models, positions: ["learned"], lambda: [0, 1] });
  const [line] = whole.curves("lambda", { by: ["task"] }),
    [effect] = whole.effect("lambda", { by: ["task"] });
  assertEquals([line!.name, effect!.where], ["λ, gpt1 and gpt2", "sky, gpt1 and gpt2"]);
  assert(
    Math.abs(line!.y[1]!.mean - line!.y[0]!.mean) < 1e-9,
    "the two models have the same scores at both levels",
  );
  const [far] = study(
    [...arms, { levels: { model: "gpt1", lambda: 2 }, byCluster: around(0.6) }],
    { models, positions: ["learned"], lambda: [0, 1, 2] },
  ).curves("lambda", { by: ["task"], minus: 0 });
  assertEquals([far!.name, far!.x], ["λ, gpt1", [1, 2]], "of the same arms at each point");
  const ends = arms.filter(({ levels: { model, lambda } }) => (model === "gpt1") === (lambda === 0));
  await assertRefused(
    () => study(ends, { models, positions: ["learned"], lambda: [0, 1] }).curves("lambda", { by: ["task"] }),
    /^Cannot average a line over model as no arm has all levels of lambda \(0, 1\): add them to by/,
  );
});

Deno.test("an interaction is averaged where it exists and has one sign, named where it is not whole, and may be 200 points", () => {
  const arm = (model: string, positions: string, lambda: number, middle: number): Given => ({
    levels: { model, positions, lambda },
    byCluster: around(middle),
  });
  const settings = { models: ["gpt1", "lstm"], positions: ["learned", "none"], lambda: [0, 1] } as const;
  const turned = ([["gpt1", 0.06], ["lstm", -0.06]] as const).flatMap(([model, change]) =>
    ["learned", "none"].flatMap((positions, i) =>
      [0, 1].map((lambda) => arm(model, positions, lambda, 0.6 + change * i * lambda))
    )
  );
  const asked = { by: ["task"], interaction: "positions" };
  const found = (given: readonly Given[]) =>
    study(given, settings).effect("lambda", asked).map(({ where, mean }) => [where, Math.round(mean)]);
  assertEquals(found(turned), [["sky, gpt1", 6], ["sky, lstm", -6]]);
  const one = turned.filter(({ levels: { model, positions } }) =>
    model === "gpt1" || positions === "learned"
  );
  assertEquals(found(one), [["sky, gpt1", 6]]);
  const far = [[0.9, 0.3], [0.3, 0.9]].flatMap(([a, b], i) => {
    const positions = i === 0 ? "learned" : "none";
    return [arm("gpt1", positions, 0, a!), arm("gpt1", positions, 1, b!)];
  });
  const [wide] = study(far, { ...settings, models: ["gpt1"] }).effect("lambda", { interaction: "positions" });
  assert(wide!.low < wide!.mean && wide!.mean < wide!.high && wide!.mean > 100, JSON.stringify(wide));
  const zeroShot = (positions: string, middle: number) =>
    rowsOf({ levels: {}, byCluster: around(middle) }).map((row) => ({
      levels: { model: "gpt1", positions, lambda: null, transfer: null },
      ...{ seed: row.seed, tuned: {}, stuck: false, zeroShot: [row] },
    })) as unknown as Pretrained[];
  const pairs = [["learned", 0, 0.7], ["learned", 1, 0.8], ["none", 0, 0.7], ["none", 1, 0.7]] as const;
  const [diluted] = study(
    pairs.map(([positions, lambda, middle]) => arm("gpt1", positions, lambda, middle)),
    { ...settings, models: ["gpt1"], tasks: [toyTask("sky")], zeroShot: [toyTask("sky")] },
    [...zeroShot("learned", 0.6), ...zeroShot("none", 0.55)],
  ).effect("positions", { by: ["task"], interaction: "lambda" });
  assertEquals([diluted!.where, Math.round(diluted!.mean)], ["sky, pre-trained", 10]);
});

Deno.test("pairs of levels are named as those that have runs", () => {
  const positions = ["learned", "random-frozen", "sinusoidal-trained", "sinusoidal"] as const;
  const between = [["learned", "sinusoidal-trained"], ["random-frozen", "sinusoidal"]] as const;
  const arms = positions.map((positions, i) => ({
    levels: { positions },
    byCluster: around(0.7 - 0.02 * i),
  }));
  const named = (given: readonly Given[]) =>
    study(given, { positions }).effect("positions", { between }).map(({ difference }) => difference);
  assertEquals(named(arms.slice(0, 3)), ["learned − random-frozen"]);
  assertEquals(named(arms), ["(learned and sinusoidal-trained) − (random-frozen and sinusoidal)"]);
});

Deno.test("several cuts of one text are not averaged as if they were independent", async () => {
  const ofCut = new Map([30, 60].map((words) => [words, new Uint32Array(20)]));
  const finetuned = [30, 60].flatMap((words) =>
    [0, 1].flatMap((lambda) => rowsOf({ levels: { words, lambda }, byCluster: around(0.6 + 0.1 * lambda) }))
  ).map((row): Finetuned => ({
    ...row,
    answers: { ...row.answers!, examples: ofCut.get(row.levels["words"] as number)! },
  }));
  const { effect } = studyOf({
    study: settleStudy(studies.ablate, { positions: ["learned"], lambda: [0, 1], vary: { words: [30, 60] } }),
    ...{ pretrained: [], finetuned, tried: [], choices: 0, complete: true, failures: [] },
  });
  assertEquals(effect("lambda").map(({ where }) => where), ["sky, words = 30", "sky, words = 60"]);
  await assertRefused(
    () => effect("lambda", { by: ["task"] }),
    /^Cannot average the effect of lambda over several cuts of the same text \(sky\), .*such as words/,
  );
});

Deno.test("a line by position is one for each combination of the others, with its own runs", () => {
  const run = (positions: string, rate: number, bits: number): Pretrained => ({
    levels: { model: "gpt1", positions, lambda: null, transfer: null, "pretrain.rate": rate },
    ...{ seed: 1, tuned: {}, stuck: false, byPosition: [bits, bits, bits] },
  });
  const { byPosition } = study([], { vary: { "pretrain.rate": [0.01, 0.03] } }, [
    ...[
      run("learned", 0.01, 1),
      run("sinusoidal", 0.01, 3),
      run("learned", 0.03, 2),
      run("sinusoidal", 0.03, 7),
    ],
  ]);
  const lines = byPosition("positions", { minus: "learned" });
  assertEquals(lines.map(({ name, y }) => [name, y[0]!.mean]), [
    ["sinusoidal − learned, pretrain rate = 0.01", 2],
    ["sinusoidal − learned, pretrain rate = 0.03", 5],
  ]);
});

Deno.test("effects and lines are of one measure, of levels that exist and of options that are known", async () => {
  const text = (positions: string, seed: number, bits: number): Pretrained => {
    const measures = { loss: bits, perplexity: Math.exp(bits), bitsPerCharacter: bits };
    const losses = Float32Array.of(bits, bits + 0.1, bits - 0.1);
    return {
      levels: { model: "gpt1", positions, lambda: null, transfer: null },
      ...{ seed, tuned: {}, stuck: false, byPosition: [bits, bits] },
      heldout: { ...measures, tokens: 9, losses, unknown: 0, low: measures, high: measures },
    };
  };
  const both = study(
    [0, 1].map((i) => ({
      levels: { positions: ["learned", "sinusoidal"][i]! },
      byCluster: around(0.6 + 0.1 * i),
    })),
    { tasks: [toyTask("sky")], lambda: [0] },
    [1, 2, 3].flatMap((seed) => [text("learned", seed, 2 + seed / 100), text("sinusoidal", seed, 2.1)]),
  );
  const mixed =
    /^Cannot compare (bits per character with points of accuracy|points of accuracy with bits per char)/;
  await assertRefused(() => both.effect("positions", { interaction: "task" }), mixed);
  await assertRefused(() => both.effect("task"), mixed);
  await assertRefused(
    () => planStudy(both, { detect: 1 }),
    /^Cannot plan a study with detect 1 as its pilot has points and bits per character: \{ points: 1, bits: 0\.01 \} works$/,
  );
  const planned = planStudy(both, { detect: { points: 1, bits: 0.02 } }).objects() as Record<
    string,
    unknown
  >[];
  const alone = (some: Study, detect: number) => planStudy(some, { detect }).objects();
  const [ofText, ofTask] = [study([], {}, both.pretrained), { ...both, effects: both.effects.slice(-1) }];
  assertEquals(planned.filter(({ unit }) => unit === "bits per character"), alone(ofText, 0.02));
  assertEquals(planned.slice(-1), alone(ofTask, 1));
  const any = (options: unknown) => options as never;
  const cases: [run: () => unknown, why: RegExp][] = [
    [
      () => both.effect("positions", any({ betwen: ["learned", "sinusoidal"] })),
      /betwen .*did you mean between\?$/,
    ],
    [() => both.effect("positions", any(null)), /^Cannot find an effect with options null as/],
    [() => both.curves("positions", any({ minos: 1 })), /did you mean minus\?$/],
    [() => both.curves("toString"), /^Cannot use factor "toString" as there is no such factor/],
    [() => both.byPosition("positions", any({ bins: 0 })), /bins 0 as it must be a whole number/],
    [() => both.byPosition("positions", { minus: "rotary" }), /^Cannot use level "rotary" of positions as/],
    [() => both.losses("positions", { minus: "rotary" }), /^Cannot use level "rotary" of positions as/],
    [() => both.losses("positions", any({ bins: 3 })), /there is no such option/],
    [() => both.crossing("positions", any({ over: "task" })), /between/],
  ];
  for (const [run, why] of cases) await assertRefused(run, why);
});

Deno.test("there is no main effect where any two of several contradict each other, though others differ more", () => {
  const arms = (task: string, effect: number, spread: number, phase: number): Given[] =>
    [0, 0.5].map((lambda) => ({
      task,
      levels: { lambda },
      byCluster: Array.from(
        { length: 5 },
        (_, s) =>
          Array.from(
            { length: 30 },
            (_, c) =>
              0.6 + 0.02 * Math.sin(9 * c) + lambda * 2 * (effect + spread * Math.cos(3 * s + phase)) +
              0.001 * Math.sin(7 * s + 5 * c + lambda),
          ),
      ),
    }));
  const tasks = ["a", "b", "c", "d"].map(toyTask);
  const noisy = study([...arms("a", 0.1, 0.2, 0), ...arms("b", -0.1, 0.2, 3)], { tasks: tasks.slice(0, 2) });
  const one = noisy.effect("lambda", { by: [] });
  assertEquals(one.length, 1, "two differences that may be equal");
  const clear = [...arms("c", 0.04, 0.002, 0), ...arms("d", -0.04, 0.002, 1)];
  const all = study([...arms("a", 0.1, 0.2, 0), ...arms("b", -0.1, 0.2, 3), ...clear], { tasks });
  assertEquals(all.effect("lambda", { by: [] }).map(({ where }) => where), ["a", "b", "c", "d"]);
});

Deno.test("a difference by position is of the positions that both arms have", () => {
  const run = (positions: string, length: number): Pretrained => ({
    levels: { model: "gpt1", positions, lambda: null, transfer: null },
    ...{ seed: 1, tuned: {}, stuck: false, byPosition: Array.from({ length }, (_, i) => 10 - i / 100) },
  });
  const { byPosition } = study([], {}, [run("learned", 63), run("sinusoidal", 255)]);
  for (const bins of [1, 3, 16]) {
    const [line] = byPosition("positions", { minus: "learned", bins });
    assert(line!.y.length > 0 && line!.y.every(({ mean }) => mean === 0), `${bins} groups`);
  }
});

Deno.test("a line of losses is the mean over seeds of whole blocks of updates, of one length of training", async () => {
  const run = (positions: string, seed: number, updates: number, loss: number, stuck = false): Pretrained => {
    const losses = Array.from({ length: updates }, (_, i) => loss - i / updates).reduce(withLoss, noLosses);
    const levels = { model: "gpt1", positions, lambda: null, transfer: null, "pretrain.updates": updates };
    return { levels, seed, tuned: {}, stuck, losses };
  };
  const runs = [
    ...[run("learned", 1, 300, 5), run("learned", 2, 300, 7), run("learned", 3, 300, 9, true)],
    ...[run("sinusoidal", 1, 300, 4), run("sinusoidal", 2, 300, 5)],
    ...[run("learned", 1, 40, 5), run("sinusoidal", 1, 40, 6, true), run("none", 1, 40, 7, true)],
    ...[run("learned", 2, 40, 5), run("none", 2, 40, 7)],
  ];
  const positions = ["learned", "sinusoidal", "none"] as const;
  const { losses } = study([], { positions, vary: { "pretrain.updates": [300, 40] } }, runs);
  const at = { "pretrain.updates": 300 };
  const lines = losses("positions", { at });
  assertEquals(lines.map(({ name, x }) => [name, x.length, x[0], x.at(-1)]), [
    ["learned", 75, 2, 298],
    ["sinusoidal", 75, 2, 298],
  ]);
  const firstOf = ({ y }: { y: readonly { mean: number; n: number }[] }) => [y[0]!.mean, y[0]!.n];
  assertEquals(lines.map(firstOf), [[6 - 1.5 / 300, 2], [4.5 - 1.5 / 300, 2]]);
  const [less] = losses("positions", { at, minus: "sinusoidal" });
  assertClose([less!.y[0]!.mean], [1.5], "difference");
  const short = { "pretrain.updates": 40 };
  assertEquals(losses("positions", { at: short }).map(({ x }) => x.length), [40, 40, 40]);
  const names = (minus: string) => losses("positions", { at: short, minus }).map(({ name }) => name);
  assertEquals([names("none"), names("learned")], [["learned − none"], [
    "sinusoidal − learned",
    "none − learned",
  ]]);
  await assertRefused(
    () => losses("pretrain.updates", { at: { positions: "learned" }, minus: 300 }),
    /^Cannot compare runs of different lengths as their losses are means over 1 and 4 updates: those of one length, /,
  );
});

Deno.test("a model is compared with an n-gram model window by window, where they have the same windows", () => {
  const text = (losses: number[], tokens = 7000) => {
    const measures = {
      loss: mean(losses),
      perplexity: Math.exp(mean(losses)),
      bitsPerCharacter: mean(losses) / 2,
    };
    return {
      ...measures,
      tokens,
      losses: Float32Array.from(losses),
      unknown: 0,
      low: measures,
      high: measures,
    };
  };
  const windows = Array.from({ length: 100 }, (_, i) => 4 + Math.sin(i)); // Some are much harder than others.
  const widthOf = (tokens: number) => {
    const ngrams = text(windows.map((loss) => loss + 0.2), tokens);
    const baselines = { unigram: ngrams, bigram: ngrams, kneserNey: ngrams };
    const runs = [1, 2, 3].map((seed): Pretrained => ({
      levels: { model: "gpt1", positions: "learned", lambda: null, transfer: null },
      ...{ seed, tuned: {}, stuck: false, baselines },
      heldout: text(windows.map((loss, i) => loss + 0.01 * Math.cos(7 * i + seed))),
    }));
    const [effect] = study([], {}, runs).effects;
    assert(Math.abs(effect!.mean + 0.1) < 0.005, JSON.stringify(effect));
    return effect!.high - effect!.low;
  };
  assert(widthOf(7000) < 0.01 && widthOf(6000) > 0.1, `${widthOf(7000)} ${widthOf(6000)}`);
});

Deno.test("a setting of which a run diverged is no point of the line of its search", () => {
  const tune = { "finetune.rate": [1e-3, 1e-2, 1e-1], seeds: 2 };
  const settled = settleStudy(studies.ablate, { tune } as unknown as StudyOptions);
  const scores = [[0.6, 0.62], [0.7, -Infinity], [-Infinity, -Infinity]];
  const tried = scores.map((scores, i) => ({
    ...{ task: "sky", levels: {}, settings: { "finetune.rate": tune["finetune.rate"][i]! } },
    ...{ scores, mean: mean(scores), isChosen: i === 0 },
  }));
  const { curves } = studyOf({
    ...{ study: settled, pretrained: [], finetuned: [], tried, choices: 1, complete: true, failures: [] },
  });
  assertEquals(curves("finetune.rate").map(({ x, y }) => [x, y.map(({ mean }) => mean)]), [[[1e-3], [61]]]);
});

Deno.test("a report says which choices are at an edge of their search, and of which all runs diverged", () => {
  const rates = [1e-3, 1e-2, 1e-1], tune = { "finetune.rate": rates, "finetune.dropout": [0, 0.1], seeds: 1 };
  const settled = settleStudy(studies.ablate, { tune, lambda: [0, 1, 2, 3] } as unknown as StudyOptions);
  const reportOf = (chosen: readonly number[], diverged = -1) => {
    const tried = chosen.flatMap((best, lambda) =>
      rates.map((rate) => ({
        ...{ task: "sky", levels: { lambda }, settings: { "finetune.rate": rate, "finetune.dropout": 0.1 } },
        ...{ scores: [0.6], mean: lambda === diverged ? -Infinity : 0.6, isChosen: rate === best },
      }))
    );
    const found = {
      pretrained: [],
      finetuned: [],
      tried,
      choices: chosen.length,
      complete: true,
      failures: [],
    };
    return studyOf({ study: settled, ...found }).report;
  };
  assert(!/edge|diverged/.test(reportOf([1e-2, 1e-2, 1e-2, 1e-2])));
  const text = reportOf([1e-3, 1e-2, 1e-1, 1e-1], 1);
  assert(
    text.includes(
      "may be better: finetune.rate 0.001 (1 of 4 choices); finetune.rate 0.1 (2 of 4 choices).",
    ) &&
      text.includes("**With no setting did the runs of 1 of 4 choices train**: all of them diverged."),
    text,
  );
});

Deno.test("a report says of which task there are fewer training examples than an arm has in its name", () => {
  const arm = (task: string, trainExamples: number, examples: number): Finetuned[] =>
    rowsOf({ task, levels: { trainExamples }, byCluster: around(0.6) })
      .map((row) => ({ ...row, trained: { updates: 1, batch: 1, examples } }));
  const reportOf = (finetuned: Finetuned[], vary: Record<string, readonly Level[]>) =>
    studyOf({
      study: settleStudy(studies.ablate, { vary } as StudyOptions),
      ...{ pretrained: [], finetuned, tried: [], choices: 0, complete: true, failures: [] },
    }).report;
  const levels = { trainExamples: [250, 4000, Infinity] };
  const text = reportOf(
    [...arm("sky", 250, 250), ...arm("sky", 4000, 3568), ...arm("sea", 4000, 4000)],
    levels,
  );
  assert(text.includes("Of sky there are 3,568 training examples: arms of 4,000 and all are one."), text);
  assert(!text.includes("Of sea"), text);
  assert(!reportOf(arm("sky", 250, 250), { trainExamples: [250, Infinity] }).includes("there are"));
});

Deno.test("arms that learned on different seeds are an effect that says so; floors are in no main effect", () => {
  const apart = study([
    { levels: { lambda: 0 }, byCluster: around(0.7, 2), stuck: [false, true] },
    { levels: { lambda: 1 }, byCluster: around(0.7, 2), stuck: [true, false] },
  ], { lambda: [0, 1] });
  assertEquals(apart.findings, ["sky: λ = 1 − λ = 0: no seed left chance in both"]);
  const all = [true, true, true];
  const { effect } = study([
    { task: "sky", levels: { lambda: 0 }, byCluster: around(0.6) },
    { task: "sky", levels: { lambda: 1 }, byCluster: around(0.7) },
    { task: "sea", levels: { lambda: 0 }, byCluster: around(0.5), stuck: all },
    { task: "sea", levels: { lambda: 1 }, byCluster: around(0.5), stuck: all },
  ], { lambda: [0, 1] });
  const [main] = effect("lambda", { by: [] });
  assert(main!.where === "sky" && main!.mean > 9, JSON.stringify(main));
});

Deno.test("a mean says where it is of some levels only, and an interaction leaves out what does not exist", () => {
  const { effect } = study([
    { levels: { model: "gpt1", lambda: 0 }, byCluster: around(0.6) },
    { levels: { model: "gpt1", lambda: 1 }, byCluster: around(0.7) },
    { levels: { model: "bert", lambda: 0 }, byCluster: around(0.65) },
  ], { models: ["gpt1", "bert"], lambda: [0, 1] });
  assertEquals(effect("model", { by: ["task"] }).map(({ where }) => where), ["sky, λ = 0"]);
  const arms = (model: string, shift: number) =>
    (["learned", "none"] as const).flatMap((positions, i) =>
      [0, 1].map((lambda) => ({
        levels: { model, positions, lambda },
        byCluster: around(0.6 + shift * i * lambda),
      }))
    );
  const some = study([
    ...arms("gpt1", 0.1),
    { levels: { model: "lstm", positions: "learned", lambda: 0 }, byCluster: around(0.5) },
    { levels: { model: "lstm", positions: "learned", lambda: 1 }, byCluster: around(0.5) },
  ], { models: ["gpt1", "lstm"], positions: ["learned", "none"], lambda: [0, 1] });
  const [found] = some.effect("lambda", { by: ["task"], interaction: "positions" });
  assert(Math.abs(found!.mean - 10) < 1, JSON.stringify(found));
});

Deno.test("effects that differ by chance alone are averaged, however many they are", () => {
  let split = 0;
  const studies = 60;
  for (let number = 0; number < studies; number++) {
    const draw = normals(keyOf(number, "null effects"), 8 * 2 * 5 * 12, 0.05);
    let at = 0;
    const drawn = () => Array.from({ length: 5 }, () => Array.from({ length: 12 }, () => 0.7 + draw[at++]!));
    const dropouts = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
    const { effect } = study(
      dropouts.flatMap((dropout) =>
        [0, 1].map((lambda) => ({ levels: { lambda, "finetune.dropout": dropout }, byCluster: drawn() }))
      ),
      { lambda: [0, 1], vary: { "finetune.dropout": dropouts } },
    );
    if (effect("lambda", { by: ["task"] }).length > 1) split++;
  }
  assert(split / studies < 0.1, `${split} of ${studies}`);
});

Deno.test("what cannot be compared is refused with what would work", async () => {
  const { effect } = study([
    { task: "sky", levels: { lambda: 0 }, byCluster: around(0.6) },
    { task: "sky", levels: { lambda: 1 }, byCluster: around(0.7) },
    { task: "grade", measure: "pearson", levels: { lambda: 0 }, byCluster: around(0.3) },
    { task: "grade", measure: "pearson", levels: { lambda: 1 }, byCluster: around(0.4) },
  ], { lambda: [0, 1] });
  for (
    const [ask, message] of [
      [
        () => effect("lamda"),
        /^Cannot use factor "lamda" as there is no such factor: did you mean lambda\?$/,
      ],
      [() => effect("lambda", { between: [0, 3] }), /^Cannot use level 3 of lambda as its levels are 0, 1$/],
      [
        () => effect("lambda", { between: [[0, 1], [0]] }),
        /must be two levels of lambda, or two lists of as many$/,
      ],
      [() => effect("lambda", { by: ["tasks"] }), /did you mean task\?$/],
      [
        () => effect("lambda", { at: { task: "sea" } }),
        /^Cannot use level "sea" of task as its levels are sky, grade$/,
      ],
      [
        () => effect("lambda", { by: [] }),
        /^Cannot average the effect of lambda over points of accuracy and points of pearson: add "task" to by, or/,
      ],
    ] as const
  ) await assertRefused(ask, message);
  assertEquals(effect("lambda", { at: { task: "sky" }, by: [] }).length, 1);
});

Deno.test("stuck runs are counted and named before any mean, and are in none", () => {
  const { report, scores, table, effects } = study([
    { levels: { lambda: 0 }, byCluster: around(0.7, 5), stuck: [false, true, false, true, false] },
    { levels: { lambda: 1 }, byCluster: around(0.72, 5) },
  ], { lambda: [0, 1] });
  assertEquals(scores.map(({ n, stuck, values }) => [n, stuck, values.length]), [[3, 2, 5], [5, 0, 5]]);
  assertEquals(table.array("stuck"), ["2 of 5", "0 of 5"]);
  // The exact interval of 2 of 5.
  assert(report.startsWith("**Runs that did not leave chance**"), report);
  assert(report.includes("- sky, λ = 0: 2 of 5 [5, 85] %"), report);
  assert(report.indexOf("2 of 5 [5, 85]") < report.indexOf("**Test scores**"));
  assertEquals(effects.map(({ n }) => n), [3], "pairs of runs that learned");
});

Deno.test("a difference between two arms that did not leave chance is no finding", () => {
  const all = [true, true, true];
  const { effects, findings } = study([
    { levels: { lambda: 0 }, byCluster: around(0.5), stuck: all },
    { levels: { lambda: 1 }, byCluster: around(0.53), stuck: all },
  ], { lambda: [0, 1] });
  assertEquals([effects[0]!.finding, effects[0]!.p], ["no arm left chance", NaN]);
  assert(/: no arm left chance$/.test(findings[0]!), findings[0]);
});

Deno.test("a difference is a finding where all runs of one of its arms left chance, and in no other case", () => {
  const found = (stuck: [boolean[], boolean[]]) =>
    study([
      { levels: { lambda: 0 }, byCluster: around(0.5), stuck: stuck[0] },
      { levels: { lambda: 1 }, byCluster: around(0.7), stuck: stuck[1] },
    ], { lambda: [0, 1] }).effects[0]!;
  const [no, one] = [[false, false, false], [true, false, false]];
  assertEquals(found([one, one]).finding, "some runs of each arm at chance");
  assert(Number.isNaN(found([one, one]).p));
  for (const stuck of [[no, one], [one, no], [no, no]] as [boolean[], boolean[]][]) {
    assert(found(stuck).p < 1, JSON.stringify(stuck));
  }
});

Deno.test("main contrasts are one family: as many as were planned, missing and void ones with p = 1", () => {
  const arms = [0, 1, 2].flatMap((lambda) =>
    ["sky", "sea"].map((task) => ({
      ...{ task, levels: { lambda }, byCluster: around(0.5 + [0, 0.02, 0.1][lambda]!, 5, 20, 0.03) },
      stuck: new Array<boolean>(5).fill(task === "sea"),
    }))
  );
  const settings = { lambda: [0, 1, 2], positions: "learned" as const };
  const withMain = (mainContrasts: MainContrasts) => {
    const { effect, ...found } = study(arms, {
      ...settings,
      tasks: ["sky", "sea", "rain"].map(toyTask),
      mainContrasts,
    });
    return {
      ...found,
      raw: (at: EffectOptions["at"]) => effect("lambda", { between: [1, 0], at: at! })[0]!.p,
    };
  };
  const of = (task: string, between: [number, number] = [1, 0]) => ({
    factor: "lambda",
    between,
    at: { task },
  });
  const one = withMain({ A: of("sky") });
  assertEquals(one.mainContrasts[0]!.p, one.raw({ task: "sky" }));
  const { mainContrasts: [first, large, ...others], findings, report, effects } = withMain({
    ...{ A: of("sky"), B: of("sky", [2, 0]), C: of("sea"), D: of("rain") },
  });
  const [a, b] = [one.raw({ task: "sky" }), large!.p / 4];
  assert(b < a, `the larger difference comes first: ${a} ${b}`);
  assertEquals(first!.p, Math.min(1, 3 * a)); // Of four, after B: C is void, and D has no runs.
  assertEquals(others.map(({ name, finding, p }) => [name, finding, p]), [["C", "no arm left chance", NaN]]);
  assert(findings[0]!.startsWith("A: sky: λ = 1 − λ = 0 = +"), findings[0]);
  assert(/\*\*Main contrasts.* all 4 [\s\S]*^- D: runs are missing$[\s\S]*Exploratory/m.test(report), report);
  assertEquals(effects.map(({ where, difference }) => `${where}: ${difference}`), ["sea: λ = 2 − λ = 0"]);
});

const sizes = {
  ...{ positions: ["learned", "none"] as const, lambda: 0, tasks: [toyTask("sky")] },
  vary: { trainExamples: [8, 16] },
};

Deno.test("a main contrast is of the arms that it names, says where it holds, and is among no others", () => {
  const arms = ["learned", "none"].flatMap((positions) =>
    [8, 16].map((trainExamples) => ({
      levels: { positions, trainExamples },
      byCluster: around(0.6 + trainExamples / 1000 + (positions === "none" ? 0.01 * trainExamples : 0)),
    }))
  );
  const sky = { task: "sky" };
  const mainContrasts: MainContrasts = {
    turned: { factor: "positions", between: ["none", "learned"], at: { ...sky, trainExamples: 16 } },
    change: {
      ...{ factor: "positions", between: ["learned", "none"], interaction: "trainExamples" },
      at: { ...sky, trainExamples: [8, 16] },
    },
  };
  const whole = study(arms, { ...sizes, mainContrasts });
  assertEquals(whole.mainContrasts.map(({ name, where, difference }) => [name, where, difference]), [
    ["turned", "sky, training examples = 16", "none − learned"],
    ["change", "sky", "(learned − none) at training examples = 16 − at training examples = 8"],
  ]);
  assertEquals(
    whole.mainContrasts[1]!.mean,
    whole.effect("positions", { interaction: "trainExamples" })[0]!.mean,
  );
  assertEquals(
    whole.effects.filter(({ difference }) => difference === "learned − none").map(({ where }) => where),
    ["sky, training examples = 8"],
  );
  assert(/^\|name\|where\|[\s\S]*^\|turned\|sky, /m.test(Deno.inspect(whole.mainContrasts)));
  const part = study(arms.slice(0, 3), { ...sizes, mainContrasts }); // As while it runs.
  assertEquals(part.mainContrasts, [], "never of other arms");
  assert(part.report.includes("- turned: runs are missing\n- change: runs are missing"), part.report);
  const [pilot] = planStudy(study(arms.slice(2), { ...sizes, mainContrasts }), { detect: 1 }).objects();
  assert(pilot !== undefined);
});

Deno.test("a change between levels at one of which no arm left chance is no finding", () => {
  const of = (stuck: boolean[]) =>
    study(
      [8, 16].flatMap((trainExamples, i) =>
        ["learned", "none"].map((positions, j) => ({
          levels: { positions, trainExamples },
          byCluster: around(0.5 + 0.1 * i + 0.1 * i * j),
          stuck: new Array<boolean>(3).fill(stuck[2 * i + j]!),
        }))
      ),
      sizes,
    ).effect("positions", { interaction: "trainExamples" })[0]!;
  assertEquals(of([false, true, false, true]).finding, "lower");
  const floor = of([true, true, false, false]);
  assertEquals([floor.finding, floor.p], ["no arm left chance at some levels", NaN]);
});

Deno.test("arms to which a level makes no difference are at all of a main contrast's levels, one score per seed", () => {
  const arms = [
    ...[10, 20].map((updates) => ({
      levels: { transfer: "all", "pretrain.updates": updates },
      byCluster: around(0.6 + updates / 100),
    })),
    { levels: { transfer: -1, "pretrain.updates": null! }, byCluster: around(0.55) },
  ];
  const { mainContrasts: [change, again] } = study(arms, {
    ...{ transfer: ["all", -1], vary: { "pretrain.updates": [10, 20] }, tasks: [toyTask("sky")] },
    ...{ positions: "learned", lambda: 0 },
    mainContrasts: {
      change: {
        ...{ factor: "transfer", between: ["all", -1], interaction: "pretrain.updates" },
        at: { task: "sky", "pretrain.updates": [10, 20] },
      },
      rise: {
        ...{ factor: "pretrain.updates", between: [20, 10], at: { task: "sky", transfer: "all" } },
      },
    },
  });
  assert(Math.abs(change!.mean - again!.mean) < 1e-9 && change!.mean > 5, JSON.stringify([change, again]));
});

Deno.test("a main contrast without its task is refused where a study has several", async () => {
  const P1 = { factor: "positions", between: ["learned", "sinusoidal"] } as const;
  await assertRefused(
    () => settleStudy(studies.ablate, { mainContrasts: { P1 } }),
    /^Cannot use main contrast "?P1"? as at must say which level of task it is at: held-out text, imdb, kind/,
  );
});

Deno.test("a main contrast that leaves its arms open, or that the study has not, is refused before all else", async () => {
  const refuse = (mainContrasts: unknown, message: RegExp, options: StudyOptions = {}) =>
    assertRefused(
      () => settleStudy(studies.ablate, { ...options, mainContrasts: mainContrasts as MainContrasts }),
      message,
    );
  const [text, between] = [{ task: "held-out text" }, ["learned", "sinusoidal"]];
  const positions = { factor: "positions", between };
  const imdb = { task: "imdb", positions: "learned" }, lambda = { factor: "lambda", between: [0.5, 0] };
  const wrong: [Record<string, unknown>, RegExp, StudyOptions?][] = [
    [{ ...positions, factor: "position" }, /^Cannot use main contrast "P1" as .*did you mean positions/],
    [
      { ...lambda, at: { task: "imdb" } },
      /as at must say which level of positions it is at: learned, sinusoidal;/,
    ],
    [{ ...lambda, at: text }, /as lambda makes no difference to held-out text/],
    [
      { ...positions, between: ["learned", "alibi"], at: text },
      /"alibi" is no level of positions: its levels are/,
    ],
    [
      { ...positions, between: ["learned", "learned"], at: text },
      /as both levels of positions are "learned"/,
    ],
    [{ factor: "task", between: ["imdb", "kind"] }, /as tasks have measures of their own/],
    [{ ...lambda, at: { ...imdb, lambda: 0 } }, /as it has lambda twice/],
    [{ ...lambda, at: { ...imdb, transfer: ["all", -1] } }, /as "?-1"? is no level of|not its interaction/],
    [{ ...lambda, at: imdb, interaction: "transfer" }, /as at must have two levels of transfer/],
    [{ ...positions, at: text }, /"held-out text" is no level of task/, {
      ...{ pretrained: "mini", positions: ["learned", "sinusoidal"] },
    }],
    [{ ...positions, at: text, by: [] }, /as it must be an object of names and contrasts/],
    [{ ...positions, between: [["learned"], ["none"]] }, /as it must be an object of names and contrasts/],
  ];
  for (const [contrast, message, options] of wrong) await refuse({ P1: contrast }, message, options);
  for (const none of [{ P1: {} }, { "a\nb": lambda }, [], 1]) {
    await refuse(
      none,
      /^Cannot run a study with mainContrasts .* as it must be an object of names and contrasts/,
    );
  }
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`C${i}`, lambda]));
  await refuse(many, /as it must be an object of names and contrasts/);
  const kept = { P1: { ...positions, at: text }, P2: { ...lambda, at: imdb } } as MainContrasts;
  assertEquals(settleStudy(studies.ablate, { mainContrasts: kept }).mainContrasts, kept);
  const { mainContrasts } = smoke({ ...studies.ablate, mainContrasts: kept });
  assertEquals(mainContrasts, undefined, "a test of everything has no findings");
  const heads = settleStudy(studies.ablate, {
    vary: { heads: [2, 4], trainExamples: [8, Infinity] },
    mainContrasts: {
      P1: { factor: "heads", between: [4, 2], at: { ...imdb, trainExamples: "all", lambda: 0 } },
    },
  });
  assertEquals(heads.mainContrasts, {
    P1: { factor: "preset.heads", between: [4, 2], at: { ...imdb, trainExamples: Infinity, lambda: 0 } },
  });
});

Deno.test("a crossing is where the line over the logarithm of a factor is zero, with the interval of that line", async () => {
  const places = [1, 2, 4, 8];
  // The difference is 3 − 2 log2(x), which is zero at 2^1.5, and a seed's own shift of it.
  const of = (shift: readonly number[], stuckFrom = Infinity) =>
    study(
      places.flatMap((updates) =>
        ["learned", "none"].map((positions) => ({
          levels: { positions, "pretrain.updates": updates },
          stuck: [0, 1, 2].map(() => updates > stuckFrom),
          byCluster: around(0.6, 3, 20, 0).map((row, s) =>
            row.map((part) =>
              part + (updates > stuckFrom
                ? 0.3 * Number(positions === "none")
                : positions === "learned"
                ? (3 - 2 * Math.log2(updates) + shift[s]!) / 100
                : 0)
            )
          ),
        }))
      ),
      {
        ...{ positions: ["learned", "none"], lambda: 0, tasks: [toyTask("sky")] },
        vary: { "pretrain.updates": places },
      },
    );
  const options = { over: "pretrain.updates", between: ["learned", "none"] };
  const exact = of([0, 0, 0]).crossing("positions", options);
  assert(Math.abs(exact.mean - 2 ** 1.5) < 1e-6 && exact.n === 3, JSON.stringify(exact));
  // By hand: SD 0.5 of three seeds' shifts, t(2) = 4.302653; the line is 2 per doubling.
  const half = 4.302653 * 0.5 / Math.sqrt(3) / 2;
  const some = of([-0.5, 0, 0.5]).crossing("positions", options);
  const error = [some.low, some.high].map((bound) => Math.abs(Math.log2(bound) - 1.5));
  assert(
    error.every((one) => Math.abs(one - half) < 1e-3) && some.low < some.high,
    JSON.stringify([some, half]),
  );
  const wide = of([-9, 0, 9]).crossing("positions", options);
  assert(Number.isNaN(wide.low) && Number.isNaN(wide.high), JSON.stringify(wide));
  await assertRefused(
    () => of([0, 0, 0]).crossing("positions", { ...options, at: { "pretrain.updates": 2 } }),
    /^Cannot find a crossing over pretrain.updates as it needs differences at two of its numbers/,
  );
  // Where no arm left chance there is no difference to be zero, nor a point of a line of differences.
  const stuck = of([0, 0, 0], 4);
  assertEquals(stuck.crossing("positions", options).mean.toFixed(6), exact.mean.toFixed(6));
  const [line] = of([0, 0, 0], 2).curves("pretrain.updates", {
    by: [],
    at: { positions: "learned" },
    minus: 8,
  });
  assertEquals(line!.x, [1, 2]);
  assertEquals(of([0, 0, 0], 1).crossing("positions", options), { n: 0, mean: NaN, low: NaN, high: NaN });
});

Deno.test("no interval of an arm leaves its measure's values", () => {
  for (const [measure, ends] of [["accuracy", [0, 100]], ["pearson", [-100, 100]]] as const) {
    const near = [[1, 1, 0.9, 1], [1, 0.8, 1, 1], [1, 1, 1, 0.99]];
    const { scores: [score] } = study([{ measure, levels: {}, byCluster: near }]);
    assert(
      score!.low >= ends[0] && score!.high <= ends[1] && score!.high > score!.mean,
      JSON.stringify(score),
    );
  }
  const { scores: [whole] } = study([{ levels: {}, byCluster: [[1, 1, 1, 1], [1, 1, 1, 1]] }]);
  // All four clusters right: the exact interval begins at 0.025^(1/4).
  assert(Math.abs(whole!.low - 100 * 0.025 ** 0.25) < 1e-6 && whole!.high === 100);
  const unknown: Given[] = [
    { measure: "pearson", levels: {}, byCluster: [[1, 1, 1, 1], [1, 1, 1, 1]] },
    { measure: "f1", levels: {}, byCluster: [[1, 1, 1, 1], [1, 1, 1, 1]] },
    { measure: "f1", levels: {}, byCluster: [[0, 0, 0, 0], [0, 0, 0, 0]] },
    { levels: {}, byCluster: [[0, 0, 0, 0]] }, // One seed tells of no other.
  ];
  for (const given of unknown) {
    const { scores: [bound] } = study([given]);
    assertEquals([bound!.low, bound!.high], [NaN, NaN], given.measure);
  }
});

Deno.test("a finding says what it would have shown, and equality is one within the margin of the settings", () => {
  const arms = (points: number, noise: number) => [
    { levels: { lambda: 0 }, byCluster: around(0.7, 5, 40, noise) },
    { levels: { lambda: 1 }, byCluster: around(0.7 + points / 100, 5, 40, noise) },
  ];
  const shifted = around(0.7, 5, 40).map((row, s) =>
    row.map((part) => part + [0.03, -0.02, 0.02, -0.01, 0][s]!)
  );
  const [first] = arms(0, 0.01);
  const { findings: [unclear], differences } = study(
    [first!, { levels: { lambda: 1 }, byCluster: shifted }],
    { lambda: [0, 1] },
  );
  const [, power] = /: not significant, p = 0\.\d+; 80 % power at (±[\d.]+)$/.exec(unclear!)!;
  assertEquals(differences.get("80 % power at", 0), power);
  const small = (change: number) =>
    around(0.7, 5, 40).map((row, s) => row.map((part) => part + change * [3, -2, 2, -2, 0][s]!));
  const of = (byCluster: number[][], margins = {}) =>
    study([first!, { levels: { lambda: 1 }, byCluster }], { lambda: [0, 1], margins }).effects[0]!.finding;
  assertEquals(of(small(0.001)), "equal within ±2");
  assertEquals(of(small(0.001), { points: 0.01 }), "not significant");
  assertEquals([of(arms(1, 0.01)[1]!.byCluster), of(arms(5, 0.01)[1]!.byCluster)], [
    "higher, within ±2",
    "higher",
  ]);
});

Deno.test("a pilot says how many seeds and examples a difference takes, and a plan of as many finds it", async () => {
  const drawn = (seeds: number, clusters: number, shift: number) =>
    Array.from(
      { length: seeds },
      (_, s) =>
        Array.from({ length: clusters }, (_, c) =>
          0.6 + shift + 0.02 * Math.sin(17 * s * s + shift * 99) + 0.1 * Math.sin(7 * c + shift * 70)),
    );
  const pilot = study([
    { levels: { lambda: 0 }, byCluster: drawn(4, 50, 0) },
    { levels: { lambda: 1 }, byCluster: drawn(4, 50, 0.01) },
  ], { lambda: [0, 1] });
  const [effect] = pilot.effects, now = effect!.detectable;
  const of = (detect: number) => planStudy(pilot, { detect }).object() as Record<string, number>;
  const wanted = of(now);
  assert(wanted["seeds, least"]! <= 4 && wanted["seeds, most"]! >= 4, JSON.stringify(wanted));
  assert(of(now / 2)["seeds, least"]! > wanted["seeds, least"]!, "half of it takes more");
  assert(of(now * 3)["seeds, most"]! < wanted["seeds, most"]!);
  assert(of(now / 100)["seeds, most"] === Infinity, "seeds alone cannot do it");
  assert(of(now / 2)["examples, most"]! >= of(now / 2)["examples, least"]!);
  const floor = [0, 1].map((lambda) => ({
    ...{ levels: { lambda }, byCluster: drawn(4, 50, lambda / 100), stuck: [true, true, true, true] },
  }));
  await assertRefused(
    () => planStudy(study(floor, { lambda: [0, 1] }), { detect: 1 }),
    /that left chance: give it/,
  );
});

Deno.test("an arm that is always right has an exact interval, of any number of examples", () => {
  const right = (clusters: number) => Array.from({ length: 3 }, () => Array(clusters).fill(1));
  for (const clusters of [7, 49, 100, 872]) {
    const { scores: [arm] } = study([{ levels: { lambda: 0 }, byCluster: right(clusters) }]);
    assertEquals([arm!.mean, arm!.high], [100, 100]);
    assertClose([arm!.low], [100 * 0.025 ** (1 / clusters)], `${clusters}`, { relative: 1e-6 });
  }
  const { scores: [f1] } = study([{ levels: { lambda: 0 }, byCluster: right(49), measure: "f1" }]);
  assertEquals([f1!.mean, f1!.low, f1!.seeds], [100, NaN, [1, 2, 3]]);
});

Deno.test("an interaction with a factor that changes nothing is no effect of rounding", () => {
  const byCluster = [0, 1].map((lambda) =>
    [0, 1, 2].map((seed) =>
      Array.from({ length: 30 }, (_, c) => 0.61 + 0.07 * lambda + Math.sin(seed + 7.3 * c) / 9)
    )
  );
  for (const measure of ["accuracy", "f1"] as const) {
    const given = [1, 5].flatMap((clip) =>
      [0, 1].map((lambda) => ({
        measure,
        levels: { lambda, "finetune.clip": clip },
        byCluster: byCluster[lambda]!,
      }))
    );
    const made = study(given, { lambda: [0, 1], vary: { "finetune.clip": [1, 5] } });
    const [effect] = made.effect("lambda", { interaction: "finetune.clip" });
    assertEquals([effect!.mean, effect!.error, effect!.finding], [0, 0, "no variation, cannot tell"]);
  }
});

Deno.test("what is no pilot is refused", async () => {
  const none = study([{ levels: { lambda: 0 }, byCluster: around(0.6, 1) }]);
  await assertRefused(
    () => planStudy(none, { detect: 1 }),
    /^Cannot plan a study by a pilot without an effect/,
  );
  await assertRefused(
    () => planStudy({} as never, { detect: 1 }),
    /^Cannot plan a study by \{\} as it must be/,
  );
  await assertRefused(
    () => planStudy(none, { detect: 0 }),
    /^Cannot plan a study with detect 0 as it must be/,
  );
});

Deno.test("dose curves are means, or differences from a level, a line for each combination of the others", () => {
  const { curves } = study(
    [0, 0.5, 1].flatMap((lambda) =>
      [8, 16].map((trainExamples) => ({
        levels: { lambda, trainExamples },
        byCluster: around(0.6 + lambda / 10 + trainExamples / 1000),
      }))
    ),
    { lambda: [0, 0.5, 1], vary: { trainExamples: [8, 16] } },
  );
  const plain = curves("lambda");
  assertEquals(plain.map(({ name, x }) => [name, x]), [
    ["training examples = 8", [0, 0.5, 1]],
    ["training examples = 16", [0, 0.5, 1]],
  ]);
  const from0 = curves("lambda", { minus: 0 });
  assertEquals(from0.map(({ x }) => x), [[0.5, 1], [0.5, 1]]);
  assert(Math.abs(from0[0]!.y[1]!.mean - (plain[0]!.y[2]!.mean - plain[0]!.y[0]!.mean)) < 1e-9);
});
