import {
  bars,
  blockDiagram,
  curve,
  type Figure,
  forest,
  heatmap,
  heatmaps,
  pieces,
  strip,
} from "../../lib/show/mod.ts";

/** A figure of each kind, with numbers like those of a study. */
export function figures(): Record<string, Figure> {
  const updates = Array.from({ length: 100 }, (_, i) => 10 * i);
  const loss = (end: number) => updates.map((update) => end + 5 * Math.exp(-update / 200));
  const tokens = ["<start>", "the", "whale", "was", "seen", "."];
  return {
    curve: curve(
      ["learned", "sinusoidal-trained", "none"].map((name, i) => {
        const y = loss(3 + 0.2 * i).map((mean) => ({ mean, low: mean - 0.1, high: mean + 0.1 }));
        return { name, x: updates, y };
      }),
      { title: "Pre-training loss", x: "updates", y: "loss, nats per token" },
    ),
    forest: forest(
      [
        { label: "imdb: pre-trained − from scratch", mean: 4.27, low: 3.46, high: 5.07, n: 3 },
        { label: "hypernym: pre-trained − from scratch", mean: 15, low: -18, high: 48, n: 3 },
        { label: "gloss-similarity: pre-trained − from scratch", mean: 17.3, low: NaN, high: NaN, n: 1 },
      ],
      {
        title: "What pre-training buys, in a title of two lines as it is a long one",
        x: "difference, points",
      },
    ),
    heatmap: heatmap(
      tokens.map((_, row) => tokens.map((_, column) => column > row ? NaN : Math.cos(row * column + column))),
      {
        title: "Layer 3, head 1",
        x: "attended token",
        y: "token",
        z: "score, nats",
        scale: "diverging",
        columns: tokens,
        rows: tokens,
      },
    ),
    heatmaps: heatmaps(
      [1, 2, 3].map((head) => ({
        name: `head ${head}`,
        matrix: tokens.map((_, row) =>
          tokens.map((_, column) => column > row ? NaN : (row - column) / (5 * head))
        ),
      })),
      {
        ...{
          title: "Block 1: all heads",
          x: "attended token",
          y: "token",
          z: "attention, share",
          scale: "sequential",
        },
        ...{ columns: tokens, rows: tokens },
      },
    ),
    pieces: pieces(
      [
        {
          name: "multiple choice",
          pieces: ["<start>", "a</w>", "spe", "ar</w>", "<delim>", "tool</w>", "<extract>"],
        },
        {
          name: "classification",
          pieces: ["<start>", ...Array.from({ length: 70 }, (_, i) => `word${i}</w>`)],
        },
      ],
      { title: "What the model is given" },
    ),
    diagram: blockDiagram({ layers: 4, width: 128, heads: 4, context: 128, vocabulary: 8300 }),
    bars: bars(
      ["imdb", "gloss-similarity", "kind"].map((name, i) => ({
        name,
        baseline: 50 - 25 * i,
        bars: [
          { name: "pre-trained", mean: 81.2 - 15 * i, low: 78 - 15 * i, high: 84.5 - 15 * i },
          { name: "from scratch", mean: 60 - 17 * i },
        ],
      })),
      { title: "Test scores after fine-tuning", x: "task", y: "score, %" },
    ),
    strip: strip(
      ["learned", "sinusoidal", "sinusoidal-trained", "random-frozen", "none"].map((name, i) => ({
        name,
        values: [2.11, 2.1, 2.08, 2.12].map((value) => value - 0.01 * i),
        mean: 2.1 - 0.01 * i,
        low: 2.08 - 0.01 * i,
        high: 2.12 - 0.01 * i,
      })),
      { title: "Held-out text", x: "positions", y: "bits per character" },
    ),
  };
}
