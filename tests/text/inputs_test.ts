import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import { trainBpe } from "../../lib/text/bpe.ts";
import { type Example, inputs, type Kind, transform } from "../../lib/text/inputs.ts";

const bpe = trainBpe("one two three four five six seven eight nine ten", { merges: 100 });

/** The sequences as text, and the number of cut texts. */
function show(example: unknown, kind: Kind, context: number): [sequences: string[], cut: number] {
  const { sequences, cut } = transform({ tokenizer: bpe, config: { context } }, example as Example, kind);
  for (const ids of sequences) assert.ok(ids.length <= context);
  return [sequences.map((ids) => bpe.decode(ids)), cut];
}

Deno.test("classification is one text between start and extract", () => {
  assert.deepEqual(show({ text: "one two", label: 1 }, "classification", 16), [
    ["<start> one two <extract>"],
    0,
  ]);
});

Deno.test("entailment is premise, delimiter, hypothesis", () => {
  const example = { premise: "one two", hypothesis: "three", label: 0 };
  assert.deepEqual(show(example, "entailment", 16), [["<start> one two <delim> three <extract>"], 0]);
});

Deno.test("similarity is both orders, their states summed", () => {
  const example = { first: "one", second: "two three", label: 0 };
  assert.deepEqual(show(example, "similarity", 16), [
    ["<start> one <delim> two three <extract>", "<start> two three <delim> one <extract>"],
    0,
  ]);
  assert.equal(inputs.similarity.read, "sum");
});

Deno.test("choice is one sequence for each choice, each with a score", () => {
  const example = { context: "one two", choices: ["three", "four five", "six"], label: 2 };
  assert.deepEqual(show(example, "choice", 16), [
    [
      "<start> one two <delim> three <extract>",
      "<start> one two <delim> four five <extract>",
      "<start> one two <delim> six <extract>",
    ],
    0,
  ]);
  assert.equal(inputs.choice.read, "scores");
});

Deno.test("the special ids follow the tokenizer's", () => {
  const { sequences } = transform(
    { tokenizer: bpe, config: { context: 9 } },
    { premise: "one", hypothesis: "two", label: 0 },
    "entailment",
  );
  const [one, two] = [bpe.encode("one"), bpe.encode("two")];
  assert.deepEqual([...sequences[0] ?? []], [bpe.size, ...one, bpe.size + 1, ...two, bpe.size + 2]);
});

Deno.test("a single text keeps its first context - 2 tokens", () => {
  assert.deepEqual(show({ text: "one two three four", label: 0 }, "classification", 5), [
    ["<start> one two three <extract>"],
    1,
  ]);
  assert.equal(show({ text: "one two three", label: 0 }, "classification", 5)[1], 0);
});

Deno.test("each text of a pair keeps its first floor(context / 2) - 2 tokens, and is counted once", () => {
  const four = "one two three four", five = "five six seven";
  assert.deepEqual(show({ premise: four, hypothesis: "ten", label: 0 }, "entailment", 9), [
    ["<start> one two <delim> ten <extract>"],
    1,
  ]);
  assert.equal(show({ first: four, second: five, label: 0 }, "similarity", 9)[1], 2);
  assert.equal(show({ context: four, choices: [five, "ten", four], label: 0 }, "choice", 8)[1], 3);
});

Deno.test("a choice keeps the end of its context, where a question is, and the beginning of each choice", () => {
  const example = { context: "one two three four", choices: ["five six seven", "ten"], label: 0 };
  assert.deepEqual(show(example, "choice", 9), [
    ["<start> three four <delim> five six <extract>", "<start> three four <delim> ten <extract>"],
    2,
  ]);
});

Deno.test("an empty text is fine", () => {
  assert.deepEqual(show({ text: "", label: 0 }, "classification", 3), [["<start> <extract>"], 0]);
});

Deno.test("a context too small to hold a token of each text is refused", () => {
  assert.equal(show({ text: "one", label: 0 }, "classification", 3)[1], 0);
  assert.equal(show({ premise: "one", hypothesis: "two", label: 0 }, "entailment", 6)[1], 0);
  for (const context of [2, 0, -1, 3.5, NaN, Infinity]) {
    assert.throws(
      () => show({ text: "one", label: 0 }, "classification", context),
      /^InputError: .* with context \S+ as it must be a whole number from 3 to 65,536$/,
    );
  }
  assert.throws(
    () => show({ premise: "one", hypothesis: "two", label: 0 }, "entailment", 5),
    /a whole number from 6 /,
  );
});

Deno.test("an example that is not of its kind is refused with a clear sentence", () => {
  const cases: [example: unknown, kind: string, message: string][] = [
    [null, "classification", "it must be an object with text, label: current one is null"],
    [{ label: 0 }, "classification", "text must be a string: current one is undefined"],
    [{ text: ["a"], label: 0 }, "classification", "text must be a string: current one is a list"],
    [
      { premise: "a", hypothesis: 5, label: 0 },
      "entailment",
      "hypothesis must be a string: current one is number",
    ],
    [
      { context: "a", choices: "b", label: 0 },
      "choice",
      "choices must be a list of strings: current one is string",
    ],
    [
      { context: "a", choices: ["b", null], label: 0 },
      "choice",
      "choices[1] must be a string: current one is null",
    ],
    [{ context: "a", choices: ["b"], label: 0 }, "choice", "choices must be at least 2: current number is 1"],
    [
      { context: "a", choices: ["b", "c"], label: 2 },
      "choice",
      "label must be an integer from 0 to 1: current label is 2",
    ],
    [{ text: "a" }, "classification", "label must be a number from 0: current label is undefined"],
    [
      { text: "a", label: -1 },
      "classification",
      "label must be a number from 0: current label is -1",
    ],
    [
      { text: "a", label: -1 },
      "classification",
      "label must be a number from 0: current label is -1",
    ],
  ];
  for (const [example, kind, message] of cases) {
    assert.throws(
      () => show(example, kind as Kind, 16),
      new InputError(`Cannot build an example of kind ${kind} as ${message}`),
    );
  }
  for (const kind of ["summary", "toString", undefined]) {
    assert.throws(
      () => show({ text: "a", label: 0 }, kind as Kind, 16),
      /with kind \S+ as it must be one of classification, entailment, similarity, choice/,
    );
  }
});
