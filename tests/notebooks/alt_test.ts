import { altText, numbersOf, PLOTLY } from "../../lib/notebook/alt.ts";
import { tidy } from "../../lib/notebook/mod.ts";
import { assert, assertEquals, assertSoon } from "../assert.ts";
import { figures } from "../show/figures.ts";
import { notebookOf } from "./check.ts";

const alts: Record<string, string> = {
  curve:
    "Pre-training loss. Lines: learned; sinusoidal-trained; none. Horizontal axis: updates. Vertical axis: loss, nats per token.",
  forest:
    "What pre-training buys, in a title of two lines as it is a long one. Points: ■ interval excludes 0; ○ not distinguishable from 0; × no interval. Horizontal axis: difference, points.",
  heatmap: "Layer 3, head 1. Heatmap: score, nats. Horizontal axis: attended token. Vertical axis: token.",
  heatmaps: "Block 1: all heads. Heatmap: head 1; head 2; head 3.",
  pieces: "What the model is given.",
  diagram: "The model, from bottom to top.",
  bars:
    "Test scores after fine-tuning. Bars: pre-trained; from scratch. Lines: baseline. Horizontal axis: task. Vertical axis: score, %.",
  strip:
    "Held-out text. Points: learned; sinusoidal; sinusoidal-trained; random-frozen; none. Horizontal axis: positions. Vertical axis: bits per character.",
};

Deno.test("a figure's alternative text is its title, what is drawn, and its axes", () => {
  assertEquals(Object.keys(figures()), Object.keys(alts));
  for (const [kind, figure] of Object.entries(figures())) {
    const data = JSON.parse(JSON.stringify({ [PLOTLY]: figure, "text/plain": String(figure) }));
    assertEquals(altText(data), alts[kind]);
  }
});

Deno.test("an image's alternative text is the notebook's own, or the output's text", () => {
  const figure = { data: [{ y: [1] }], layout: { title: "A &lt; <b>B</b><br>C" } };
  const many = { data: Array.from({ length: 20 }, (_, i) => ({ type: "violin", name: `${i}` })) };
  for (
    const [alt, data, metadata] of [
      ["Mine", { [PLOTLY]: figure, "image/png": "" }, { "image/png": { alt: "Mine" } }],
      ["A < B C. Lines.", { [PLOTLY]: figure }],
      ["a figure. Lines.", { [PLOTLY]: { data: [{}] }, "text/plain": "a figure" }],
      ["Figure. Violin: 0; 1; 2; 3; 4; 5; 6; 7; 12 more.", { [PLOTLY]: many }],
      ["Two lines", { "image/png": "", "text/plain": "Two\n lines " }],
      ["Image without a description", { "image/png": "", "text/plain": "<Figure size 640x480 with 1 Axes>" }],
      ["Image without a description", { "image/png": "" }, { "image/png": { alt: 3 } }],
    ] as const
  ) assertEquals(altText(data, metadata), alt);
});

Deno.test("a figure of others that is none, or has no end, has a short alternative text in short time", async () => {
  const long = "<".repeat(1e6);
  for (
    const figure of [
      {},
      { data: 3, layout: [] },
      { data: [null, 3, { name: {}, type: [], mode: {} }], layout: { title: { text: 3 }, xaxis: "x" } },
      { data: Array(1e5).fill({ name: long, type: long }), layout: { title: long, yaxis: { title: long } } },
    ]
  ) {
    await assertSoon(1000, "an alternative text", () => {
      const text = altText({ [PLOTLY]: figure, "text/plain": " ".repeat(1e6) });
      assert(text.length > 0 && text.length < 600, text);
    });
  }
});

Deno.test("a figure's numbers are read from its text as they were written", () => {
  assertEquals(numbersOf(String(figures()["bars"])), {
    title: "Test scores after fine-tuning",
    header: ["", "", "score, %", "baseline"],
    rows: [
      ["imdb", "pre-trained", "81.2 [78.0, 84.5]", "50"],
      ["imdb", "from scratch", "60", "50"],
      ["gloss-similarity", "pre-trained", "66.2 [63.0, 69.5]", "25"],
      ["gloss-similarity", "from scratch", "43", "25"],
      ["kind", "pre-trained", "51.2 [48.0, 54.5]", "0"],
      ["kind", "from scratch", "26", "0"],
    ],
    right: [false, false, true, true],
  });
  assertEquals(
    numbersOf(String(figures()["heatmap"]))?.rows,
    [["lowest", "−0.99"], ["highest", "1"], ["rows × columns", "6 × 6"]],
  );
  for (
    const text of [
      "",
      "a figure",
      "a\n\nb",
      "a\n\nb\nc",
      "\n\na  b\nc  d",
      "a\n\nb  c\n\nd  e",
      `a\n\n${"b  c\n".repeat(1e5)}d  e`,
    ]
  ) {
    assertEquals(numbersOf(text), undefined);
  }
});

Deno.test("a notebook that has run keeps its figures' alternative texts where nbconvert reads them", () => {
  const figure = { data: [{ y: [1], name: "learned" }] };
  const data = { [PLOTLY]: figure, "image/png": "iVBORw0KGgo=" };
  const [cell] = notebookOf(["1;"]).cells;
  const outputs = [data, { "text/plain": "1" }].map((data) => ({
    output_type: "display_data",
    data,
    metadata: { own: true },
  }));
  const [tidied] =
    tidy({ ...notebookOf([]), cells: [{ ...cell!, outputs } as typeof cell & object] }, false).cells;
  assertEquals(
    tidied?.cell_type === "code" && tidied.outputs.map((output) => "metadata" in output && output.metadata),
    [{ own: true, "image/png": { alt: "Figure. Lines: learned." } }, { own: true }],
  );
});
