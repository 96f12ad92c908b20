/**
 * The task-specific input transformations of the paper (Radford et al. 2018, section 3.3 and Figure 1) as a table.
 */
import { InputError } from "../errors.ts";
import { checked, oneOf, whole } from "../settings.ts";
import { type Tokenizer, tokenizerSetting } from "./bpe.ts";

/** The four kinds of task with an input transformation in the paper. */
export type Kind = "classification" | "entailment" | "similarity" | "choice";

/**
 * The fields of an example of each kind. A label is an index into the task's labels, or of the correct choice; a grade
 * need not be an integer.
 */
export interface Examples {
  /** One text and its class. */
  classification: { readonly text: string; readonly label: number };
  /** Two texts whose order matters. */
  entailment: { readonly premise: string; readonly hypothesis: string; readonly label: number };
  /** Two texts without an order, and their class or similarity. */
  similarity: { readonly first: string; readonly second: string; readonly label: number };
  /** A context (a story, or a document and a question) and at least two continuations or answers. */
  choice: { readonly context: string; readonly choices: readonly string[]; readonly label: number };
}

/** An example of a kind. Default: of any kind. */
export type Example<K extends Kind = Kind> = Examples[K];

/** The input transformation of a kind. */
export interface Input {
  /** The fields apart from the label: a text, or a list of at least two. */
  readonly fields: Readonly<Record<string, "text" | "texts">>;
  /**
   * The sequences: special tokens and fields in order. A field with several texts gives one sequence per text.
   */
  readonly sequences: readonly (readonly string[])[];
  /**
   * How logits are computed from the final hidden state at the extract token of each sequence. `state`: a linear layer
   * with one output per label. `sum`: the same, on the sum of the states. `scores`: a linear layer with a single output,
   * the logit of each choice.
   */
  readonly read: "state" | "sum" | "scores";
  /** Field that is truncated at its beginning: what a choice answers or continues is at the end of its context. */
  readonly keepsEnd?: string;
}

/**
 * Figure 1 of the paper: one input transformation per kind.
 *
 * @example
 * ```ts
 * import { inputs } from "./inputs.ts";
 *
 * console.log(inputs.similarity.sequences.length, inputs.similarity.read); // 2 "sum"
 * ```
 */
export const inputs: Readonly<Record<Kind, Input>> = {
  classification: {
    fields: { text: "text" },
    sequences: [["<start>", "text", "<extract>"]],
    read: "state",
  },
  entailment: {
    fields: { premise: "text", hypothesis: "text" },
    sequences: [["<start>", "premise", "<delim>", "hypothesis", "<extract>"]],
    read: "state",
  },
  similarity: {
    fields: { first: "text", second: "text" },
    sequences: [
      ["<start>", "first", "<delim>", "second", "<extract>"],
      ["<start>", "second", "<delim>", "first", "<extract>"],
    ],
    read: "sum",
  },
  choice: {
    fields: { context: "text", choices: "texts" },
    sequences: [["<start>", "context", "<delim>", "choices", "<extract>"]],
    read: "scores",
    keepsEnd: "context",
  },
};

/** The special tokens, in the order of their ids after the vocabulary. */
const specials = ["<start>", "<delim>", "<extract>"];

/** The result of {@linkcode transform}. */
export interface Transformed {
  /** The ids of each sequence, none longer than the context. */
  readonly sequences: Int32Array[];
  /** How many of the example's texts were truncated. */
  readonly cut: number;
}

/**
 * Converts an example to token sequences: its texts between start, delimiter and extract tokens, whose ids follow the
 * vocabulary.
 *
 * Texts are truncated to OpenAI's lengths: each text of a pair keeps its first `floor(context / 2) - 2` tokens, a single
 * text its first `context - 2`. Of a multiple choice's context the last tokens are kept, unlike in OpenAI's code, whose
 * stories are all short: a question stands after its passage.
 *
 * @param lm The model that is to read them: its tokenizer, and its context, which is the maximum length.
 * @param example The example; its label is checked, too.
 * @param kind The kind of task.
 * @throws {InputError} If a field is missing or has the wrong type, or the context is too short for each text.
 *
 * @example
 * ```ts
 * import { trainBpe } from "./bpe.ts";
 * import { transform } from "./inputs.ts";
 *
 * const bpe = trainBpe("it rains and it is wet", { merges: 20 });
 * const example = { premise: "It rains", hypothesis: "It is wet", label: 0 };
 * const { sequences, cut } = transform({ tokenizer: bpe, config: { context: 64 } }, example, "entailment");
 * console.log(cut, bpe.decode(sequences[0] ?? [])); // 0 "<start> it rains <delim> it is wet <extract>"
 * ```
 */
export function transform<K extends Kind>(
  lm: { readonly tokenizer: Tokenizer; readonly config: { readonly context: number } },
  example: Example<K>,
  kind: K,
): Transformed {
  const { tokenizer, config } = Object(lm) as typeof lm, { context } = Object(config) as typeof config;
  checked("build an input", "kind", oneOf(Object.keys(inputs)), kind);
  checked("build an input", "tokenizer", tokenizerSetting, tokenizer);
  const input = inputs[kind];
  const texts = textsOf(example, kind, input.fields);
  const count = Object.keys(input.fields).length;
  checked(`fit an example of kind ${kind}`, "context", whole({ from: 3 * count, to: 2 ** 16 }), context);
  const limit = count === 1 ? context - 2 : Math.floor(context / count) - 2;
  let cut = 0;
  const encoded = new Map<string, Int32Array[]>();
  for (const [field, list] of texts) {
    encoded.set(
      field,
      list.map((text) => {
        const ids = tokenizer.encode(text);
        if (ids.length > limit) cut++;
        return field === input.keepsEnd ? ids.subarray(-limit) : ids.subarray(0, limit);
      }),
    );
  }
  const sequences = input.sequences.flatMap((slots) => {
    const parts = slots.map((slot) =>
      encoded.get(slot) ?? [Int32Array.of(tokenizer.size + specials.indexOf(slot))]
    );
    const copies = Math.max(...parts.map((part) => part.length));
    return Array.from(
      { length: copies },
      (_, i) => concatenate(parts.map((part) => part[i] ?? part[0] ?? noIds)),
    );
  });
  return { sequences, cut };
}

const noIds = new Int32Array();

/** Concatenates arrays. */
function concatenate(parts: readonly Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The texts of each field, after validation. */
function textsOf(example: unknown, kind: Kind, fields: Input["fields"]): Map<string, readonly string[]> {
  const fail = (why: string, current: unknown): never => {
    const type = Array.isArray(current) ? "a list" : current === null ? "null" : typeof current;
    throw new InputError(`Cannot build an example of kind ${kind} as ${why}: current one is ${type}`);
  };
  if (typeof example !== "object" || example === null) {
    const names = [...Object.keys(fields), "label"].join(", ");
    return fail(`it must be an object with ${names}`, example);
  }
  const values: Readonly<Record<string, unknown>> = { ...example };
  const texts = new Map<string, readonly string[]>();
  for (const [field, type] of Object.entries(fields)) {
    const value = values[field];
    if (type === "text") {
      if (typeof value !== "string") return fail(`${field} must be a string`, value);
      texts.set(field, [value]);
      continue;
    }
    if (!Array.isArray(value)) return fail(`${field} must be a list of strings`, value);
    value.forEach((text, i) => typeof text === "string" || fail(`${field}[${i}] must be a string`, text));
    if (value.length < 2) {
      throw new InputError(
        `Cannot build an example of kind ${kind} as ${field} must be at least 2: ` +
          `current number is ${value.length}`,
      );
    }
    texts.set(field, value);
  }
  const { label } = values as { label?: unknown };
  const choices = Math.min(...[...texts.values()].map((list) => list.length > 1 ? list.length : Infinity));
  const isIndex = choices < Infinity; // A label of other kinds may be a grade.
  if (
    typeof label !== "number" || !(label >= 0 && label < choices) || (isIndex && !Number.isInteger(label))
  ) {
    throw new InputError(
      `Cannot build an example of kind ${kind} as label must be ` +
        `${isIndex ? `an integer from 0 to ${choices - 1}` : "a number from 0"}: current label is ${label}`,
    );
  }
  return texts;
}
