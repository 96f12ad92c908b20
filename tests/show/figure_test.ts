import { decode } from "fast-png";
import { JSDOM } from "jsdom";
import { positionKinds, presets, shapes, totalSize } from "../../lib/model/mod.ts";
import {
  armStyle,
  armStyles,
  bars,
  blockDiagram,
  curve,
  type Figure,
  forest,
  heatmap,
  heatmaps,
  pieces,
  png,
  strip,
  svg,
} from "../../lib/show/mod.ts";
import { start } from "../../lib/show/png.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { startCode } from "../programs.ts";
import { figures } from "./figures.ts";

const labels = { title: "T", x: "updates", y: "loss, nats" };
const z = { z: "share", scale: "sequential" } as const;

/** A trace or a part of a layout, as the JSON that it becomes. */
// deno-lint-ignore no-explicit-any
const json = (value: unknown): any => JSON.parse(JSON.stringify(value));

/** What a kernel is given. */
function bundle(value: unknown): Promise<Record<string, unknown>> {
  return (value as Record<symbol, () => Promise<Record<string, unknown>>>)[Symbol.for("Jupyter.display")]!();
}

Deno.test("a figure is Plotly JSON, of names and values that plotly.js knows", async () => {
  const { plotly } = await start();
  for (const [kind, figure] of Object.entries(figures())) {
    const { data, layout, ...rest } = json(figure);
    assertEquals(rest, {});
    const wrong = Array.from(plotly.validate(data, layout) ?? [], ({ msg }) => `${kind}: ${msg}`)
      .filter((message) => !message.endsWith("did not get coerced")); // Known, and switched off by something else.
    assertEquals(wrong, []);
  }
  const typo = plotly.validate([{ type: "scatter", x: [1], y: [1], colour: "red" }], {});
  assertEquals(typo?.length, 1);
});

Deno.test("a cell shows a figure as JSON, PNG and text, ten of them in less than 1 MB", async () => {
  let size = 0;
  for (const figure of Object.values(figures())) {
    const shown = await bundle(figure);
    assertEquals(Object.keys(shown), ["application/vnd.plotly.v1+json", "image/png", "text/plain"]);
    assertEquals(json(shown["application/vnd.plotly.v1+json"]), json(figure));
    const image = decode(Uint8Array.fromBase64(shown["image/png"] as string));
    assertEquals([image.width, image.height], [2 * figure.layout.width, 2 * figure.layout.height]);
    assertEquals(shown["text/plain"], String(figure));
    size += JSON.stringify(shown).length;
  }
  assert(2 * size < 1e6, `ten figures take ${2 * size} bytes`);
});

Deno.test("a figure's text has its title and its numbers", () => {
  assertEquals(
    String(figures()["forest"]).split("\n"),
    [
      "What pre-training buys, in a title of two lines as it is a long one",
      "",
      "                                              difference, points  n",
      "imdb: pre-trained − from scratch              +4.27 [3.46, 5.07]  3",
      "hypernym: pre-trained − from scratch               +15 [−18, 48]  3",
      "gloss-similarity: pre-trained − from scratch               +17.3  1",
    ],
  );
});

Deno.test("a figure's SVG is a whole XML document of its size, whose texts stay texts", async () => {
  const { window } = new JSDOM();
  for (const [kind, figure] of Object.entries(figures())) {
    const before = JSON.stringify(figure);
    const text = await svg(figure);
    const root = new window.DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    const { width, height } = figure.layout;
    assertEquals([kind, root.localName, root.getAttribute("width"), root.getAttribute("height")], [
      ...[kind, "svg", String(width), String(height)],
    ]);
    assert(root.textContent.includes(String(figure).slice(0, 12)), `${kind} has no title`);
    assert(!/<script|<image[^>]*href="(?!data:)/.test(text), `${kind} loads something`);
    assertEquals(JSON.stringify(figure), before, "drawing changes nothing");
  }
  await assertRefused(() => svg({} as Figure), /^Cannot draw an SVG with figure \{\} as it must be a figure/);
});

Deno.test("a PNG is drawn of what the figure says, and drawing changes nothing in it", async () => {
  const figure = figures()["bars"]!;
  const before = JSON.stringify(figure);
  const [first, again] = [await png(figure), await png(figure)];
  assertEquals(JSON.stringify(figure), before);
  assertEquals(first, again);
  assert(first.length !== (await png({ ...figure, data: figure.data.slice(1) })).length);
});

Deno.test("a PNG is drawn with permission to read files and the environment alone", async () => {
  const code = `import { bars, png } from "${new URL("../../lib/show/mod.ts", import.meta.url)}";
    const group = { name: "imdb", bars: [{ name: "pre-trained", mean: 81 }] };
    console.log((await png(bars([group], { title: "T", x: "task", y: "accuracy, %" }))).length > 1000);`;
  const { child, err } = await startCode(code, "--allow-read", "--allow-env");
  assertEquals(await new Response(child.stdout).text(), "true\n", await err);
});

Deno.test("an arm looks the same wherever it stands, and arms of one factor differ in colour and shape", () => {
  const named = (...names: string[]) => names.map((name) => ({ name }));
  const levels = (factor: string, ...all: (string | number)[]) =>
    all.map((level) => ({ name: "any", levels: { [factor]: level } }));
  for (
    const arms of [
      named("learned", "sinusoidal", "sinusoidal-trained", "random-frozen", "none"),
      named("gpt1", "gpt2", "bert", "lstm"),
      named("pre-trained", "from scratch"),
      levels("positions", "learned", "sinusoidal", "rotary", "alibi", "none"),
      levels("lambda", 0, 0.25, 0.5, 1, 2),
      levels("trainExamples", 250, 1000, 4000),
      levels("preset.heads", 1, 2, 4, 8),
    ]
  ) {
    const isFew = arms.length < 6;
    for (const part of ["color", "symbol", "pattern"] as const) {
      const looks = new Set(arms.map((arm) => armStyle(arm)[part])).size;
      assert(
        !isFew || looks >= arms.length - (part === "color" ? 0 : 1),
        `${part} of ${JSON.stringify(arms)}`,
      );
    }
  }
  const colorsOf = (figure: Figure) =>
    json(figure.data).map((trace: { name: string; line: { color: string } }) => trace.line.color);
  const line = (name: string) => ({ name, x: [1], y: [1] });
  assertEquals(colorsOf(curve([line("none"), line("learned")], labels)), ["#222222", "#0072B2"]);
  assertEquals(colorsOf(curve([line("learned")], labels)), ["#0072B2"]);
});

Deno.test("no two arms of a figure look the same, however far their numbers are from the middle of a scale", () => {
  const armsOf = (levels: Record<string, string | number>[]) =>
    levels.map((levels, i) => ({ name: `${i}`, levels }));
  const grid = ["learned", "none"].flatMap((positions) =>
    [0, 0.5].flatMap((lambda) => [-1, 4].map((transfer) => ({ positions, lambda, transfer })))
  );
  for (
    const arms of [
      armsOf([2e-4, 5e-4, 1e-3].map((rate) => ({ "finetune.rate": rate }))),
      armsOf([6000, 8000, 16_000, Infinity].map((trainExamples) => ({ trainExamples }))),
      armsOf(grid),
      ["mini", "mini (1)", "mini (2)", "kind"].map((name) => ({ name })),
    ]
  ) {
    const values = { x: [1], y: [1], values: [1, 2], mean: 1 };
    const lines = json(curve(arms.map((arm) => ({ ...arm, ...values })), labels).data) as {
      line: { color: string; dash: string };
    }[];
    const boxes = json(
      bars([{ name: "a", bars: arms.map((arm) => ({ ...arm, mean: 1 })) }], labels).data,
    ) as { marker: { color: string; pattern: { shape: string } } }[];
    const points = json(strip(arms.map((arm) => ({ ...arm, ...values })), labels).data) as {
      x: number[];
      marker: { color: string; symbol: string };
    }[];
    for (
      const looks of [
        lines.map(({ line }) => `${line.color} ${line.dash}`),
        boxes.map(({ marker }) => `${marker.color} ${marker.pattern.shape}`),
        points.filter(({ x }) => x.length > 1).map(({ marker }) => `${marker.color} ${marker.symbol}`),
      ]
    ) {
      assertEquals(new Set(looks).size, arms.length, looks.join());
      const parts = [0, 1].map((part) => new Set(looks.map((look) => look.split(" ")[part])).size);
      if (arms.length === 3) assertEquals(parts, [3, 3], "in colour, and without");
    }
  }
  assertEquals(
    armStyles([{ name: "learned" }, { name: "none" }]),
    ["learned", "none"].map((name) => armStyle({ name })),
  );
  const own = armStyle({ name: "learned" });
  const like = Array.from({ length: 999 }, (_, i) => ({ name: `run ${i}` }))
    .find((arm) => JSON.stringify(armStyle(arm)) === JSON.stringify(own))!;
  const [other, known] = armStyles([like, { name: "learned" }]);
  assertEquals(
    [known, JSON.stringify(other) === JSON.stringify(own)],
    [own, false],
    "a known name's look is its own",
  );
  assert(armStyles([{ name: "constructor" }])[0]!.color.startsWith("#"));
});

Deno.test("an unknown arm's look follows from FNV-1a of its name, a number's from its value, an arm's of several factors from both", () => {
  // FNV-1a of "foobar" is 0xbf9cf968, say its authors: 0 modulo seven colours, and without its last byte 5 modulo
  // six shapes.
  const { color, dash } = armStyle({ name: "foobar" });
  assertEquals([color, dash], ["#0072B2", "longdashdot"]);
  const of = (levels: Record<string, string | number | null>) => armStyle({ name: "any", levels });
  assertEquals(of({ lambda: 0.5 }).color, "#21918c"); // The middle of viridis.
  assertEquals(of({ trainExamples: 1000 }).color, "#21918c");
  const parts = of({ positions: "learned", model: null, lambda: 0.5 });
  assertEquals([parts.color, parts.dash], [of({ positions: "learned" }).color, of({ lambda: 0.5 }).dash]);
  assertEquals(of({ positions: "learned" }), armStyle({ name: "learned" }));
});

Deno.test("each kind of positions has a colour of its own", () => {
  const colors = positionKinds.map((kind) => armStyle({ name: "any", levels: { positions: kind } }).color);
  assertEquals(new Set(colors).size, 8);
});

Deno.test("words in an arm's colour have contrast enough on white", () => {
  const lambda = { name: "λ = 2", levels: { lambda: 2 } };
  const names = ["learned", "sinusoidal-trained", "random-frozen", "bert"].map((name) => ({ name }));
  for (const arm of [...names, lambda]) {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(armStyle(arm).ink.slice(at, at + 2), 16) / 255)
      .map((value) => ((value + 0.055) / 1.055) ** 2.4);
    const contrast = 1.05 / (0.2126 * red! + 0.7152 * green! + 0.0722 * blue! + 0.05);
    assert(contrast > 4.4, `${arm.name}: ${contrast}`);
  }
});

Deno.test("a curve of many points is drawn with means of neighbours, gaps stay", () => {
  const x = Array.from({ length: 600 }, (_, i) => i);
  const long = { name: "a", x, y: x.map((x) => x === 3 ? NaN : 2 * x) };
  const { data: [line], layout } = json(curve([long], labels));
  assertEquals(line.x.slice(0, 3), [0.5, 2, 4.5]);
  assertEquals(line.y.slice(0, 3), [1, 4, 9]);
  assertEquals(line.x.length, 300);
  assertEquals(layout.title.subtitle.text, "each point is the mean of 2");
  const longer = { ...long, name: "b", x: [...x, 600], y: [...x, 600] };
  const both = json(curve([long, longer], labels).layout);
  assertEquals(both.title.subtitle.text, "each point is the mean of up to 3");
  const few = json(curve([{ name: "a", x: [1, 2, 3], y: [5, NaN, 6] }], labels));
  assertEquals([few.data[0].x, few.data[0].y, few.layout.title.subtitle], [
    [1, 2, 3],
    [5, null, 6],
    undefined,
  ]);
});

Deno.test("a curve's horizontal axis is logarithmic where that is asked for", () => {
  const line = { name: "loss", x: [1, 10, 100], y: [3, 2, 1] };
  assertEquals(json(curve([line], { ...labels, log: true }).layout).xaxis.type, "log");
  assertEquals(json(curve([line], labels).layout).xaxis.type, undefined);
});

Deno.test("a vertical axis' title is no longer than the axis", () => {
  const line = { name: "a", x: [1, 2], y: [1, 2] };
  const textOf = (y: string) => json(curve([line], { ...labels, y }).layout).yaxis.title.text;
  assertEquals(textOf("bits per character (lower is better)"), "bits per character (lower is better)");
  assertEquals(textOf("L2, nats per example, in the mean (lower is better)").split("<br>").length, 2);
});

Deno.test("a logarithmic axis names its points, or of many the powers of ten", () => {
  const axis = (x: number[]) =>
    json(curve([{ name: "loss", x, y: x.map(() => 1) }], { ...labels, log: true }).layout).xaxis;
  assertEquals(axis([2, 4, 8, 16]).tickvals, [2, 4, 8, 16]);
  assertEquals(axis([2e-3, 6.25e-5]).ticktext, ["6.25e-5", "2e-3"]); // No "62.5µ".
  const many = axis(Array.from({ length: 40 }, (_, i) => i + 1));
  assertEquals([many.tickvals, many.dtick], [undefined, 1]);
});

Deno.test("a curve of differences has a line at 0, one of losses none", () => {
  const line = (y: number[]) =>
    json(curve([{ name: "a", x: y.map((_, i) => i), y }], labels).layout).yaxis.zeroline;
  assertEquals([line([-1, 1]), line([1, 2]), line([-2, -1])], [true, false, false]);
});

Deno.test("a band runs along its upper edge and back along the lower one, around gaps", () => {
  const y = [{ mean: 5, low: 4, high: 6 }, { mean: 5, low: 4, high: 7 }, 5, { mean: 5, low: 4, high: 8 }];
  const [band, line] = json(curve([{ name: "a", x: [1, 2, 3, 4], y }], labels).data);
  assertEquals(band.x, [1, 2, 2, 1, null, 4, 4]);
  assertEquals(band.y, [6, 7, 4, 4, null, 8, 4]);
  assertEquals(line.y, [5, 5, 5, 5]);
  const alone = json(
    curve([{ name: "a", x: [1, 2], y: [{ mean: 1 }, { mean: 2, low: NaN, high: NaN }] }], labels).data,
  );
  assertEquals(alone.length, 1); // No interval, no band.
});

Deno.test("labels at the ends of lines stand in the lines' order and do not touch", () => {
  const lines = ["b", "c", "a", "d"].map((name, i) => ({ name, x: [0, 1], y: [i, 1 + i / 1000] }));
  const drawn = json(curve(lines, labels).layout).annotations;
  assertEquals(drawn.map(({ text }: { text: string }) => text), ["b", "c", "a", "d"]);
  for (let i = 1; i < 4; i++) assert(drawn[i].y - drawn[i - 1].y > 20 / 470);
});

Deno.test("a forest tells intervals that exclude 0 by their marker", () => {
  const row = (label: string, mean: number, low: number, high: number) => ({ label, mean, low, high, n: 3 });
  const rows = [
    row("above", 2, 1, 3),
    row("across", 1, -1, 3),
    row("below", -2, -3, -1),
    row("single", 2, NaN, NaN),
    row("equal", 2, 2, 2),
  ];
  const traces = json(forest(rows, { title: "T", x: "points" }).data);
  assertEquals(
    traces.map((trace: { marker: { symbol: string }; y: number[] }) => [trace.marker.symbol, trace.y]),
    [["square", [0, 2]], ["circle-open", [1, 4]], ["x-thin", [3]]],
  );
  assertEquals(traces[0].error_x.array, [1, 1]);
  assertEquals(traces[1].error_x.arrayminus, [2, 0]);
});

Deno.test("a forest marks what is significant after correction where all rows have p-values, and says which", () => {
  const row = { label: "a", mean: 2, low: 1, high: 3, n: 3 };
  const markOf = (...rows: Parameters<typeof forest>[0]) => {
    const { data, layout } = json(forest(rows, { title: "T", x: "points" }));
    const marks = data.map((
      { marker, y }: { marker: { symbol: string }; y: number[] },
    ) => [marker.symbol, y]);
    return [marks, /after correction/.test(JSON.stringify(layout))];
  };
  const marked = [["square", [0]], ["circle-open", [1]]];
  assertEquals(markOf({ ...row, p: 0.049 }, { ...row, p: 0.051 }), [marked, true]);
  assertEquals(markOf({ ...row, p: NaN }), [[["circle-open", [0]]], true]);
  assertEquals(markOf({ ...row, p: 0.2 }, row), [[["square", [0, 1]]], false]);
});

Deno.test("a heatmap averages blocks of a large matrix and leaves cells without a number empty", () => {
  const large = Array.from(
    { length: 256 },
    (_, row) => Array.from({ length: 256 }, (_, column) => row + column / 256),
  );
  const { data: [map], layout } = json(heatmap(large, { ...labels, ...z }));
  const said = "each cell drawn is the mean of 2 × 2";
  const panels = heatmaps([{ name: "a", matrix: large }], { ...labels, ...z });
  assertEquals([layout, json(panels).layout].map(({ title }) => title.subtitle.text), [said, said]);
  assertEquals([map.z.length, map.z[0].length, map.x0, map.dx], [128, 128, 0.5, 2]);
  assertClose(map.z[1].slice(0, 2), [2.5 + 0.5 / 256, 2.5 + 2.5 / 256], "blocks", { relative: 0.5 });
  const [small] = json(heatmap([[-0.5, NaN], [0.25, 2]], { ...labels, z: "score", scale: "diverging" }).data);
  assertEquals(small.z, [[-0.5, null], [0.25, 2]]);
  assertEquals(json(heatmap([[1]], { ...labels, ...z }).layout).title.subtitle, undefined);
  assertEquals([small.zmin, small.zmax], [-2, 2]);
});

Deno.test("words that look like markup are shown as they are", () => {
  const rows = ["<start>", "a & b"];
  const figure = heatmap([[1], [2]], { ...labels, ...z, title: '<a href="x">T</a>', rows });
  assertEquals(json(figure.layout).yaxis.ticktext, ["&lt;start&gt;", "a &amp; b"]);
  assert(!/<(?!br>)/.test(JSON.stringify(figure)));
});

Deno.test("bars without an interval have no error bar, and an absent arm leaves its place empty", () => {
  const figure = bars([
    { name: "imdb", bars: [{ name: "gpt1", mean: 80 }, { name: "lstm", mean: 70, low: 68, high: 73 }] },
    { name: "kind", bars: [{ name: "gpt1", mean: 50, low: 48, high: 51 }], baseline: 25 },
  ], labels);
  const [gpt1, lstm, baseline] = json(figure.data);
  assertEquals([gpt1.x, gpt1.y, gpt1.error_y.array, gpt1.error_y.arrayminus], [[1, 0], [50, 80], [1], [2]]);
  assertEquals([lstm.x, lstm.y, lstm.error_y.array], [[0], [70], [3]]);
  assertEquals(baseline.y, [25, 25, null]);
});

Deno.test("a seed has the same place in every arm of a strip", () => {
  const arm = (name: string, values: number[]) => ({ name, values, mean: 2, low: 1, high: 3 });
  const [a, mean, b] = json(strip([arm("a", [1, 2, 3]), arm("b", [3, 2, 1])], labels).data);
  assertClose(b.x, a.x.map((x: number) => x + 1), "positions");
  assertEquals([mean.y, mean.error_y.array], [[2], [1]]);
});

Deno.test("figures refuse what they cannot draw", async () => {
  const row = { label: "a", mean: NaN, low: 1, high: 2, n: 3 };
  for (
    const [call, message] of [
      [() => curve([], labels), /^Cannot draw a figure of no lines as it needs at least one$/],
      [() => curve([{ name: "a", x: [], y: [] }], labels), /no points of "a"/],
      [() => curve([{ name: "a", x: [1], y: [NaN] }], labels), /no points of "a"/],
      [
        () => curve([{ name: "a", x: [1, NaN], y: [1, 2] }], labels),
        /^Cannot draw x of "a" as number 2 of 2 is NaN, as where an await is missing$/,
      ],
      [
        () => curve([{ name: "a", x: [1], y: [1, 2] }], labels),
        /^Cannot draw 2 y of "a" with 1 x as there must be/,
      ],
      [() => curve([{ name: "a", x: [1], y: [{ mean: NaN, low: 1, high: 2 }] }], labels), /no points of "a"/],
      [() => forest([], { title: "T", x: "points" }), /no rows/],
      [
        () => forest([row], { title: "T", x: "points" }),
        /^Cannot draw means as number 1 of 1 is NaN, as where an await is missing$/,
      ],
      [() => heatmap([], { ...labels, ...z }), /no rows/],
      [() => heatmap([[NaN]], { ...labels, ...z }), /no numbers/],
      [() => heatmap([[1], [1, 2]], { ...labels, ...z }), /2 cells in row 2 with 1 in the first/],
      [() => heatmap([[1]], { ...labels, ...z, columns: ["a", "b"] }), /2 names of columns with 1 columns/],
      [() => bars([], labels), /no groups/],
      [() => bars([{ name: "a", bars: [] }], labels), /no bars of "a"/],
      [
        () => bars([{ name: "a", bars: [{ name: "b", mean: Infinity }] }], labels),
        /number 1 of 1 is Infinity/,
      ],
      [
        () => bars([{ name: "a", bars: [{ name: "b", mean: 70 }, { name: "b", mean: 55 }] }], labels),
        /^Cannot draw bars of "a" as two are called "b": each arm needs a name of its own$/,
      ],
      [
        () => bars([{ name: "a", bars: [{ name: "b", mean: 70, low: 1.5, high: 1.5 }] }], labels),
        /^Cannot draw bars of "a" as an interval must contain its mean: number 1 is 70, from 1.5 to 1.5$/,
      ],
      [
        () => forest([{ ...row, mean: 4, low: 5, high: -3 }], { title: "T", x: "points" }),
        /must contain its mean/,
      ],
      [
        () => curve([{ name: "a", x: [1, 2], y: [1, { mean: 1, low: 2, high: 3 }] }], labels),
        /^Cannot draw y of "a" as an interval must contain its mean: number 1 is 1, from 2 to 3$/,
      ],
      [
        () => curve([{ name: "a", x: [0], y: [9] }, { name: "b", x: [1], y: [9] }], { ...labels, log: true }),
        /no points of "a"/,
      ],
      [() => strip([], labels), /no arms/],
      [() => strip(5 as never, labels), /^Cannot draw arms 5 as they must be a list$/],
      [
        () => bars([null as never], labels),
        /^Cannot draw groups as each needs a name: number 1 of 1 is null$/,
      ],
      [
        () => curve([{ name: "a", x: [1], y: [null as never] }], labels),
        /^Cannot draw y of "a" as number 1 is null$/,
      ],
      [
        () => strip([], { ...labels, titel: "T" } as never),
        /titel as there is no such option: did you mean title\?$/,
      ],
      [
        () => curve([{ name: "a", x: [1], y: [1] }], { ...labels, log: "yes" } as never),
        /^Cannot draw a curve with log "yes" as it must be true or false$/,
      ],
      [() => strip([{ name: "a", values: [], mean: 1 }], labels), /no values of "a"/],
      [
        () => strip([{ name: "a", values: [1, NaN], mean: 1 }], labels),
        /values of "a" as number 2 of 2 is NaN/,
      ],
    ] as const
  ) await assertRefused(call, message);
});

Deno.test("a study's JSON draws its own figure: no p-value is no significance; a line goes from left to right", () => {
  const rows = [[-58, 61, null], [-37, 43, NaN], [1, 3, 0.01]].map(([low, high, p], i) => ({
    ...{ label: `${i}`, mean: 2, low: low!, high: high!, n: 2, p: p as number },
  }));
  const traces = json(forest(rows, { title: "T", x: "points" }).data) as { name: string; y: number[] }[];
  assertEquals(traces.filter(({ name }) => name).map(({ name, y }) => [name, y]), [
    ["■ significant after correction", [2]],
    ["○ not significant after correction", [0, 1]],
  ]);
  const line = { name: "a", x: [1_000_020, 1_000_000, 1_000_010], y: [3, 1, 2] };
  const [drawn] = json(curve([line], labels).data) as { x: number[]; y: number[] }[];
  assertEquals([drawn!.x, drawn!.y], [[1_000_000, 1_000_010, 1_000_020], [1, 2, 3]]);
  const logged = json(curve([{ name: "a", x: [0, 1, 10], y: [9, 7, 5] }], { ...labels, log: true }));
  assertEquals([logged.data[0].x, logged.data[0].y], [[1, 10], [7, 5]]);
  assertEquals(
    logged.layout.title.subtitle.text,
    "without what is at 0, which a logarithmic axis does not have",
  );
  const flat = json(curve([{ name: "a", x: [0, 0], y: [9, 7] }], { ...labels, log: true }));
  assertEquals([flat.layout.xaxis.type, flat.data[0].x], [undefined, [0, 0]]);
  const arms = [[1, 2, 3], [1, 2]].map((values, i) => ({ name: `${i}`, values, mean: 2 }));
  const points = (json(strip(arms, labels).data) as { x: number[] }[]).filter(({ x }) => x.length > 1);
  assertEquals(
    points[1]!.x.map((x) => Math.round(1000 * (x - 1))),
    points[0]!.x.slice(0, 2).map((x) => Math.round(1000 * x)),
  );
  const [all, some] = [{ ...arms[0]!, seeds: [1, 2, 3] }, { ...arms[1]!, seeds: [1, 3] }];
  const placed = (json(strip([all!, some!], labels).data) as { x: number[] }[]).filter(({ x }) =>
    x.length > 1
  );
  assertClose(placed[1]!.x.map((x) => x - 1), [0, 2].map((i) => placed[0]!.x[i]!), "by seed", {
    relative: 1e-6,
  });
});

Deno.test("pieces of tokens are one box each, a text's in one colour and a word's on one line", async () => {
  const row = (pieces: unknown) => [{ name: "a", pieces: pieces as string[] }];
  const title = { title: "Sequence" };
  const [one, two] = [["un", "for", "gett", "able</w>", "film</w>"], ["film</w>"]];
  const pair = (a: string[], b: string[]) => ["<start>", ...a, "<delim>", ...b, "<extract>"];
  const { layout } = json(
    pieces([...row(pair(one!, two!)), ...row(pair(two!, one!)), ...row(pair(["new</w>"], two!))], title),
  );
  const fills = layout.shapes.map(({ fillcolor }: { fillcolor: string }) => fillcolor);
  const [dark, first, second] = [fills[0], fills[1], fills[7]];
  assertEquals(new Set([dark, first, second]).size, 3);
  const [a, b] = [Array(5).fill(first), [second]];
  assertEquals(fills, [[a, b], [b, a], [[first], b]].flatMap(([a, b]) => [dark, ...a!, dark, ...b!, dark]));
  const many = Array.from({ length: 20 }, () => ["lon", "gish</w>"]).flat();
  const { layout: { shapes } } = json(pieces(row(many), title));
  for (let i = 0; i < many.length; i += 2) assertEquals(shapes[i].y0, shapes[i + 1].y0);
  assert(new Set(shapes.map(({ y0 }: { y0: number }) => y0)).size > 1);
  assert(shapes.every(({ x1 }: { x1: number }) => x1 <= 900));
  assert(String(pieces(row(Array(100).fill("a</w>")), title)).includes("…"));
  await assertRefused(
    () => pieces(row(["a", undefined]), title),
    /^Cannot draw the pieces of "a" as each must be a text: number 2 of 2 is undefined$/,
  );
  await assertRefused(
    () => pieces(row("ab"), title),
    /^Cannot draw pieces of "a" "ab" as they must be a list$/,
  );
});

Deno.test("panels of heatmaps have one scale, and must be of one size", async () => {
  const options = { ...labels, ...z };
  const [one, two] = [[[0, NaN], [1, 3]], [[0, 1], [2, 0]]];
  const { data } = json(heatmaps([{ name: "a", matrix: one! }, { name: "b", matrix: two! }], options));
  assertEquals(data.map(({ zmin, zmax, showscale }: Record<string, unknown>) => [zmin, zmax, showscale]), [
    [0, 3, true],
    [0, 3, false],
  ]);
  await assertRefused(
    () => heatmaps([{ name: "a", matrix: one! }, { name: "b", matrix: [[1]] }], options),
    /^Cannot draw 1 rows with 2 in the first panel/,
  );
  const large = Array.from({ length: 128 }, () => Array(128).fill(0.5)); // Twelve are too many numbers to spread.
  const panels = Array.from({ length: 12 }, (_, i) => ({ name: `head ${i + 1}`, matrix: large }));
  assertEquals(heatmaps(panels, options).data.length, 12);
});

Deno.test("a model's diagram counts its parameters as the model does", () => {
  const sizes = { layers: 3, width: 24, heads: 4, context: 16, vocabulary: 50 };
  const parameters = totalSize(shapes({ ...presets.mini, ...sizes }).values());
  assert(String(blockDiagram(sizes)).trimEnd().endsWith(parameters.toLocaleString("en")));
});
