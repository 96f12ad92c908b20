import { liveProgress } from "../../lib/show/live.ts";
import { type StudyStep, type TrainingStep, watch, type Watched } from "../../lib/show/mod.ts";
import { follow } from "../../lib/show/watch.ts";
import { asRun } from "../../lib/engine/mod.ts";
import type { Training, TrainingRecord } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

/** A run of so many updates whose loss falls from 8, each `milliseconds` long; it ends in its last loss. */
function falling(updates: number, milliseconds = 0, signal?: AbortSignal): Training<number> {
  return asRun(async function* (): AsyncGenerator<TrainingRecord, number> {
    const begin = performance.now();
    let loss = NaN;
    for (let update = 1; update <= updates && !signal?.aborted; update++) {
      await new Promise((resume) => setTimeout(resume, milliseconds));
      loss = 8 / Math.sqrt(update);
      yield { update, updates, loss, rate: 1e-3, norm: 1, seconds: (performance.now() - begin) / 1e3 };
    }
    return loss;
  }());
}

const plotly = "application/vnd.plotly.v1+json";
type Options = { raw: boolean; display_id: string; update: boolean };
type Figure = {
  data: { x: number[]; y: number[] }[];
  layout: { xaxis: { range: number[] }; title: { text: string } };
};
type Shown = { bundle: Record<string, string> & { [plotly]: Figure }; options: Options; at: number };

/** What a notebook's kernel is shown of a run. */
async function shownOf<Step extends TrainingStep | StudyStep>(
  run: Watched<unknown, Step>,
  title?: string,
): Promise<Shown[]> {
  const shown: Shown[] = [];
  const display = (bundle: unknown, options?: object) => {
    const plain = JSON.parse(JSON.stringify({ bundle, options: options! }));
    shown.push({ ...plain, at: performance.now() });
    return Promise.resolve();
  };
  await follow(run, liveProgress({ display }, title));
  return shown;
}

Deno.test("outside a notebook a run is watched in plain lines on standard error, and its result handed on", async () => {
  const said: string[] = [];
  const { error } = console;
  console.error = (line: string) => void said.push(line);
  try {
    const losses: number[] = [];
    assertEquals(await watch(falling(4), { each: ({ loss }) => losses.push(loss) }), 4);
    assertEquals([losses.length, losses[0]], [4, 8]);
  } finally {
    console.error = error;
  }
  assertEquals(said, [" 25 %  0 s left  update 1 of 4, loss 8.000"]);
});

Deno.test("in a notebook a curve grows in one output, at most once a second, and its end stays with a picture", async () => {
  const shown = await shownOf(falling(150, 15), "λ = 0");
  assert(shown.length >= 3 && shown.length <= 5, `${shown.length} displays`);
  assertEquals(new Set(shown.map(({ options }) => options.display_id)).size, 1);
  assertEquals(shown.map(({ options }) => options.update), shown.map((_, i) => i > 0));
  const times = shown.map(({ at }) => at);
  for (let i = 1; i < times.length - 1; i++) assert(times[i]! - times[i - 1]! >= 999);
  const figures = shown.map(({ bundle }) =>
    JSON.parse(JSON.stringify(bundle["application/vnd.plotly.v1+json"]))
  );
  for (const { layout } of figures) assertEquals(layout.xaxis.range, [0, 150]);
  assert(/^λ = 0, 1 %, \d+ s left: loss 8\.000$/.test(figures[0].layout.title.text));
  assertEquals(figures.at(-1).data.at(-1).y.length, 50);
  assertEquals(figures.at(-1).layout.yaxis.title.text, "loss, nats (mean of 3 updates)");
  const last = shown.at(-1)!.bundle;
  assert((last["image/png"] as string).startsWith("iVBOR"));
  assert(
    /^λ = 0, 150 updates in \d+ s: loss 0\.655$/m.test(last["text/plain"] as string),
    last["text/plain"] as string,
  );
});

Deno.test("a long run's curve has few points, which are means of updates, the last of as many as the others", async () => {
  const shown = await shownOf(falling(1005));
  const { x, y } = shown.at(-1)!.bundle[plotly].data[0]!;
  assertEquals([x.length, x[0], x[1], x.at(-1)], [48, 9.5, 29, 995]);
  const mean = (from: number, to: number) => {
    let sum = 0;
    for (let update = from; update <= to; update++) sum += 8 / Math.sqrt(update);
    return sum / (to - from + 1);
  };
  assert(Math.abs(y[0]! - mean(1, 18)) < 1e-3 && Math.abs(y.at(-1)! - mean(985, 1005)) < 1e-3);
  assert(y.every((loss, i) => i === 0 || loss < y[i - 1]!));
  assertEquals(shown.at(-1)!.bundle[plotly].layout.title.text.split("loss ")[1], mean(985, 1005).toFixed(3));
});

Deno.test("an option that watch does not know is refused", async () => {
  await assertRefused(
    () => watch(falling(1), { name: "from scratch" } as never),
    /^Cannot watch a run with name as there is no such option: there are title, each$/,
  );
  await assertRefused(
    () => watch(falling(1), { each: "loss" } as never),
    /each "loss" as it must be a function/,
  );
});

Deno.test("in a notebook a study is a bar with the run under way", async () => {
  const record = { update: 1, updates: 2, loss: 4.5, rate: 1, norm: 1, seconds: 1 };
  const study = asRun(async function* () {
    yield { run: "a<b", finished: 0, runs: 2, done: 0.25, left: 61, record };
    return "found";
  }());
  const shown = await shownOf(study);
  assertEquals(await study, "found");
  const text = "0 of 2 runs finished, a&lt;b, loss 4.500";
  assertEquals(
    shown[0]!.bundle["text/html"],
    `<progress value="0.2500" max="1"></progress> 25 %, 1 min 1 s left: ${text}`,
  );
  assertEquals(
    shown[1]!.bundle["text/html"],
    `<progress value="0.2500" max="1"></progress> Stopped after 0 s: ${text}`,
  );
});
