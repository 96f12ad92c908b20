import { settle, whole } from "../settings.ts";
import { type Box, drawing, type Label, type Path } from "./drawing.ts";
import type { Figure } from "./figure.ts";
import { INK } from "./style.ts";

/** The sizes of a model that its diagram names. */
export interface DiagramSizes {
  /** Blocks. */
  readonly layers: number;
  /** Features of a hidden state, d. */
  readonly width: number;
  /** Heads of a block. */
  readonly heads: number;
  /** Tokens of the context, T. */
  readonly context: number;
  /** Tokens of the vocabulary, V, without the three special ones. */
  readonly vocabulary: number;
}

const count = { ...whole({ from: 1, to: 1e9 }), about: "a size of the model" };

/** The settings of {@linkcode DiagramSizes}. */
export const diagramSettings = {
  ...{ layers: count, width: count, heads: count, context: count, vocabulary: count },
};

/** Tokens that fine-tuning adds: start, delimiter, extract. */
const SPECIAL = 3;

/** Fills of the parts. */
const [PLAIN, EMBEDDING, ATTENTION, NORM, FORWARD, HEAD] = [
  "#FFFFFF",
  "#F6E8DC",
  "#DDEBF5",
  "#EFEFEF",
  "#E1F1EA",
  "#F3E4EE",
] as const;
/** Middle of the parts of a block, and the line of its residuals. */
const MIDDLE = 460, RESIDUAL = 200;

/**
 * The model as a diagram: the paper's Figure 1 (left) from bottom to top, with the shape at each arrow and the
 * number of parameters beside each part.
 *
 * @param sizes The model's sizes, such as its `config` has
 * @returns The figure
 *
 * @example
 * ```ts
 * import { blockDiagram } from "./mod.ts";
 *
 * const figure = blockDiagram({ layers: 12, width: 768, heads: 12, context: 512, vocabulary: 40478 });
 * console.log(String(figure));
 * ```
 */
export function blockDiagram(sizes: DiagramSizes): Figure {
  const { layers, width: d, heads, context: T, vocabulary: V } = settle(
    "draw a model",
    diagramSettings,
    sizes,
  );
  const number = (n: number) => n.toLocaleString("en"), state = `(T, d) = ${T} × ${d}`;
  const embeddings = (V + SPECIAL + T) * d,
    attention = 4 * d * (d + 1),
    forward = 8 * d * d + 5 * d,
    norm = 2 * d;
  const box = (x: number, y: number, width: number, height: number, fill: string, text: string): Box => (
    { x, y, width, height, fill, text, line: INK, size: 16 }
  );
  const part = (y: number, height: number, fill: string, text: string) =>
    box(290, y, 340, height, fill, text);
  const label = (x: number, y: number, text: string, anchor: Label["anchor"] = "left"): Label => (
    { x, y, text, anchor, size: 14 }
  );
  const up = (from: number, to: number): Path => ({ points: [[MIDDLE, from], [MIDDLE, to]], arrow: true });
  const around = (from: number, to: number): Path => ({
    points: [[MIDDLE, from], [RESIDUAL, from], [RESIDUAL, to], [MIDDLE - 13, to]],
    arrow: true,
  });
  const into = (x: number): Path => ({
    points: [[MIDDLE, 196], [MIDDLE, 132], [x, 132], [x, 116]],
    arrow: true,
  });
  const counted = [[644, embeddings], [532, attention], [418, norm], [330, forward], [216, norm]] as const;
  return drawing("The model, from bottom to top", 770, {
    boxes: [
      { x: 170, y: 154, width: 560, height: 440, fill: "#FBFBFB", line: "#999999", dash: "dot" },
      part(706, 40, PLAIN, "T token ids"),
      part(616, 56, EMBEDDING, "Token embedding + position embedding<br>(V + 3) × d and T × d"),
      part(504, 56, ATTENTION, `Masked multi-head self-attention<br>${heads} heads of ${d / heads} features`),
      box(447, 457, 26, 26, PLAIN, "+"),
      part(398, 40, NORM, "Layer norm"),
      part(302, 56, FORWARD, "Feed-forward: d → 4d → d<br>with GELU between"),
      box(447, 255, 26, 26, PLAIN, "+"),
      part(196, 40, NORM, "Layer norm"),
      box(
        ...[90, 40, 330, 76, HEAD] as const,
        `Next token: softmax over V = ${number(V)}<br>weights tied to the token embedding<br>` +
          "(L1: pre-training, auxiliary)",
      ),
      box(
        ...[480, 40, 330, 76, HEAD] as const,
        "Task: linear layer on the state<br>at the last token, <extract>, softmax<br>(L2: fine-tuning)",
      ),
    ],
    labels: [
      { x: 718, y: 174, text: `× ${layers} blocks`, anchor: "right" },
      ...[532, 330].map((y) => label(RESIDUAL + 8, y, "residual")),
      label(MIDDLE + 10, 576, state),
      label(MIDDLE - 10, 174, `hidden states ${state}`, "right"),
      label(880, 20, "parameters of each", "right"),
      ...counted.map(([y, n]) => label(880, y, number(n), "right")),
    ],
    paths: [
      ...[up(706, 672), up(616, 560), up(504, 483), up(457, 438), up(398, 358), up(302, 281), up(255, 236)],
      ...[around(588, 470), around(378, 268), into(255), into(645)],
    ],
  }, {
    header: ["part", "parameters"],
    rows: [
      ["embeddings", number(embeddings)],
      ["attention of a block", number(attention)],
      ["feed-forward of a block", number(forward)],
      ["layer norm", number(norm)],
      [`all, with ${layers} blocks`, number(embeddings + layers * (attention + forward + 2 * norm))],
    ],
  });
}
