import { classify, forward, type LanguageModel, tokenLogits } from "../model/mod.ts";
import { type Example, inputs, type Kind, transform } from "../text/mod.ts";
import * as tf from "../tfjs.ts";

/** A piece as it is read, without the mark that ends a word. */
export const shown = (piece: string): string =>
  piece.replace("</w>", "").replaceAll("\n", "⏎").replace(/^\s*$/, "␣");

/** What a model makes of a text. */
export interface Reading {
  readonly ids: readonly number[];
  /** Final hidden states, a row a token. */
  readonly hidden: Float32Array;
  /** Attention weights of one block, (H, T, T); of an LSTM, and of a block that the model has not, none. */
  readonly attention?: Float32Array;
}

/** One forward pass over tokens, at least one, and no more than the context; with the attention of a block, from 0. */
export function read(lm: LanguageModel, ids: readonly number[], block: number): Reading {
  let attention: Float32Array | undefined;
  const hidden = tf.tidy(() => {
    const { h } = forward(lm, tf.tensor2d([[...ids]], undefined, "int32"), {
      onAttention: (at, weights) => {
        if (at === block) attention = weights.dataSync<"float32">().slice();
      },
    });
    return h.dataSync<"float32">().slice();
  });
  return { ids, hidden, ...attention && { attention } };
}

/** The probability of each token after the one at a position. */
export function nextProbabilities(lm: LanguageModel, { hidden }: Reading, position: number): Float32Array {
  const { width } = lm.config;
  return tf.tidy(() => {
    const h = tf.tensor2d(hidden.slice(position * width, (position + 1) * width), [1, width]);
    return tf.softmax(tokenLogits(lm.parameters, h)).dataSync<"float32">();
  });
}

/** An example as its fields, without a label. */
export type LiveExample = { readonly [K in Kind]: Omit<Example<K>, "label"> }[Kind];

/** The sequences of an example (Figure 1), and how many of its texts were truncated. */
export function sequencesOf(
  lm: Pick<LanguageModel, "tokenizer" | "config">,
  fields: LiveExample,
  kind: Kind,
): { readonly sequences: Int32Array[]; readonly cut: number } {
  return transform(lm, { ...fields, label: 0 } as Example, kind);
}

/** Probabilities of a fine-tuned model's labels, or of an example's choices. */
export function answer(lm: LanguageModel, fields: LiveExample): number[] {
  const { kind } = lm.task!;
  const { sequences } = sequencesOf(lm, fields, kind);
  const lengths = Int32Array.from(sequences, ({ length }) => length);
  const longest = Math.max(...lengths);
  const rows = sequences.map((ids) => Array.from({ length: longest }, (_, i) => ids[i] ?? 0));
  return tf.tidy(() => {
    const { h } = forward(lm, tf.tensor2d(rows, undefined, "int32"), { lengths });
    return [...tf.softmax(classify(lm.parameters, kind, h, lengths, 1)).dataSync<"float32">()];
  });
}

/** The kind of task whose fields an example has. */
export function kindOf(fields: LiveExample): Kind {
  const kinds = Object.keys(inputs) as Kind[];
  return kinds.find((kind) => Object.keys(inputs[kind].fields).every((name) => Object.hasOwn(fields, name)))!;
}
