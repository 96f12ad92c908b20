import { fileURLToPath } from "node:url";
import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { from, table } from "../../lib/arquero.ts";
import { sha256 } from "../../lib/digest.ts";
import { InputError } from "../../lib/errors.ts";
import {
  checkTask,
  isGraded,
  listTasks,
  subset,
  type SubsetOptions,
  type Task,
  task,
  type TaskOf,
} from "../../lib/data/mod.ts";
import { openStudy } from "../../lib/study/mod.ts";
import { clausesOfVerse, worldEnglish } from "../../lib/data/bible.ts";
import { nouns } from "../../lib/data/wordnet.ts";
import { questionsOf, words } from "./baselines.ts";
import { repostsIn } from "./reposts.ts";
import { hasFew, textsOf } from "./surface.ts";

const SPLITS = ["train", "validation", "test"] as const;

/** Each is loaded once for all tests. */
const once = <T>(make: () => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => made ??= make();
};
const imdb = once(() => task("imdb"));
const kind = once(() => task("kind"));
const hypernym = once(() => task("hypernym"));
const sameKind = once(() => task("same-kind"));
const wordOrder = once(() => task("word-order"));
const loaded = { imdb, kind, hypernym, "same-kind": sameKind, "word-order": wordOrder };
const load = (name: string): Promise<Task> => loaded[name as keyof typeof loaded]();
const groups = once(async () =>
  new Map([...await nouns()].map(([, { gloss, hypernyms }]) => [gloss, hypernyms]))
);

/** Whether a set of texts or keys in each split shares nothing with the others. */
function apart(train: Set<string>, validation: Set<string>, test: Set<string>): boolean {
  return train.isDisjointFrom(validation) && train.isDisjointFrom(test) && validation.isDisjointFrom(test);
}

/** Counts by key. */
function tally(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** A task of forty rows a split, three quarters of them positive. */
const rows = Array.from({ length: 40 }, (_, i) => ({ text: `row ${i}`, label: i % 4 === 0 ? 0 : 1 }));
const mine: TaskOf<"classification"> = {
  name: "mine",
  kind: "classification",
  labels: ["negative", "positive"],
  train: rows,
  validation: rows,
  test: rows,
  measures: ["accuracy"],
  source: "a test",
  licence: "CC0",
  about: "Rows",
};

// The others are read from files that a checkout does not have: benchmarks_test.ts.
for (const { name } of listTasks().filter(({ archive }) => archive === undefined)) {
  Deno.test(`task ${name} is a task of the kind that the list says`, async () => {
    const one = checkTask(await load(name));
    strictEqual(one.kind, listTasks().find((entry) => entry.name === name)?.kind);
  });

  Deno.test(`task ${name} has each label, or fifth of the grades, equally often in every split`, async () => {
    const whole = await load(name);
    for (const split of SPLITS) {
      const labels = whole[split].map(({ label }) =>
        isGraded(whole) ? Math.min(4, Math.floor(label)) : label
      );
      const counts = [...tally(labels.map(String)).values()];
      strictEqual(counts.length, isGraded(whole) ? 5 : whole.labels.length);
      strictEqual(new Set(counts).size, 1, `${split} ${counts}`);
    }
  });

  Deno.test(`task ${name} has no text in two splits, whatever its field, but for what is asked of all`, async () => {
    const whole = await load(name);
    const few = hasFew(whole);
    const [train, validation, test] = SPLITS.map((split) =>
      new Set(
        textsOf(whole, split).flatMap(({ first, second }) => [first, ...few || !second[0] ? [] : second]),
      )
    );
    ok(apart(train!, validation!, test!));
  });

  Deno.test(`task ${name} has no example twice`, async () => {
    const { train, validation, test } = await load(name);
    const all = [...train, ...validation, ...test].map(({ label: _, ...texts }) =>
      JSON.stringify("first" in texts ? Object.values(texts).sort() : texts)
    );
    strictEqual(new Set(all).size, all.length);
  });
}

Deno.test("task word-order asks which of two clauses has its neighbouring words exchanged, no clause twice", async () => {
  const whole = await wordOrder();
  deepStrictEqual(SPLITS.map((split) => whole[split].length), [10_000, 1_000, 4_400]);
  const all = SPLITS.flatMap((split) => whole[split]);
  strictEqual(new Set(all.flatMap(({ choices }) => choices)).size, 2 * all.length);
  const written = new Set([...(await worldEnglish()).values()].flatMap(clausesOfVerse));
  for (const { context, choices, label } of all) {
    deepStrictEqual(choices.map((text) => written.has(text)), [label === 0, label === 1]);
    ok(written.has(context));
    const [a, b] = choices.map((text) => text.split(" "));
    const moved = a!.flatMap((word, i) => word === b![i] ? [] : [i]);
    deepStrictEqual([moved.length, moved[1]! - moved[0]!], [2, 1], choices.join(" | "));
    deepStrictEqual(a!.toSorted(), b!.toSorted());
  }
});

Deno.test("task word-order has no clause in two splits, as context or choice, upper or lower case", async () => {
  const whole = await wordOrder();
  const [train, validation, test] = SPLITS.map((split) =>
    new Set(
      whole[split].flatMap(({ context, choices }) => [context, ...choices].map((text) => text.toLowerCase())),
    )
  );
  ok(apart(train!, validation!, test!));
});

for (const name of ["kind", "hypernym", "same-kind", "word-order"] as const) {
  Deno.test(`task ${name} is the same each time`, async () => {
    deepStrictEqual(await task(name), await load(name));
  });
}

Deno.test("task imdb has 39,000, 5,000 and 5,000 reviews, none twice", async () => {
  const { train, validation, test } = await imdb();
  deepStrictEqual([train.length, validation.length, test.length], [39_000, 5_000, 5_000]);
  const texts = [...train, ...validation, ...test].map(({ text }) => words(text).join(" "));
  strictEqual(new Set(texts).size, texts.length);
});

Deno.test("no review of task imdb repeats a passage of one in another split", async () => {
  deepStrictEqual(await repostsIn(), []);
});

Deno.test("task imdb is free of markup and control characters, and no text is over 90 words", async () => {
  const { train } = await imdb();
  ok(train.every(({ text }) => !/<br|&#\d|\p{Cc}| {2}/u.test(text)));
  strictEqual(Math.max(...train.map(({ text }) => text.split(" ").length)), 90);
});

Deno.test("task imdb gives the good words to the positive reviews", async () => {
  const { test } = await imdb();
  const positive = (word: RegExp) => {
    const having = test.filter(({ text }) => word.test(text));
    return having.filter(({ label }) => label === 1).length / having.length;
  };
  ok(positive(/\bwonderful\b/i) > 0.75);
  ok(positive(/\bwaste\b/i) < 0.15);
});

Deno.test("task imdb keeps the end of a review, and as many words of it as are asked for", async () => {
  const [long, short] = [await imdb(), await task("imdb", { words: 48 })];
  ok(short.test.every(({ text }, i) => long.test[i]?.text.endsWith(text)));
  strictEqual(Math.max(...short.test.map(({ text }) => text.split(" ").length)), 48);
});

Deno.test("task kind asks several thousand questions, none twice", async () => {
  const { train, validation, test } = await kind();
  ok(train.length > 3500 && validation.length > 500 && test.length > 1100);
  const contexts = [...train, ...validation, ...test].map(({ context }) => context);
  strictEqual(new Set(contexts).size, contexts.length);
});

Deno.test("task kind asks each set of choices once with every one of them right, so that choices say nothing", async () => {
  const all = await kind();
  for (const split of SPLITS) {
    const rights = Map.groupBy(all[split], ({ choices }) => choices.join());
    for (const [choices, group] of rights) {
      const counts = [0, 1, 2, 3].map((k) => group.filter(({ label }) => label === k).length);
      strictEqual(new Set(counts).size, 1, `${choices}: ${counts}`);
    }
    ok(all[split].every(({ choices }) => new Set(choices).size === 4));
  }
});

Deno.test("task kind has no word of any choice in a definition, singular or plural", async () => {
  const { train, validation, test } = await kind();
  const all = [...train, ...validation, ...test];
  const names = new Set(
    all.flatMap(({ choices }) => choices.flatMap(words)).filter((word) => word.length > 2),
  );
  const plurals = names.values().flatMap((word) => [`${word}s`, `${word}es`, word.replace(/y$/, "ies")])
    .toArray();
  const banned = names.union(new Set(plurals));
  deepStrictEqual(all.filter(({ context }) => words(context).some((word) => banned.has(word))), []);
});

for (const name of ["kind", "hypernym", "same-kind"] as const) {
  Deno.test(`task ${name} has no direct hypernym in two splits`, async () => {
    const [whole, group] = [await load(name), await groups()];
    const [train, validation, test] = SPLITS.map((split) =>
      new Set(
        whole[split].flatMap((example) =>
          "context" in example
            ? group.get(example.context)!
            : "premise" in example
            ? group.get(example.premise)!
            : "first" in example
            ? group.get(example.first)!
            : []
        ),
      )
    );
    ok(train!.size > 500 && !train!.has(undefined!));
    ok(apart(train!, validation!, test!));
  });
}

Deno.test("task hypernym has enough examples to measure small differences", async () => {
  const { train, validation, test } = await hypernym();
  ok(train.length > 12_000 && validation.length > 1000 && test.length > 4400);
});

Deno.test("task hypernym asks each definition once of the right kind and once of a wrong one", async () => {
  const whole = await hypernym();
  for (const split of SPLITS) {
    for (const [premise, pair] of Map.groupBy(whole[split], ({ premise }) => premise)) {
      deepStrictEqual(pair.map(({ label }) => label).sort(), [0, 1], premise);
    }
  }
});

Deno.test("task hypernym has each hypothesis right as often as wrong in every split", async () => {
  const whole = await hypernym();
  for (const split of SPLITS) {
    for (const [hypothesis, group] of Map.groupBy(whole[split], ({ hypothesis }) => hypothesis)) {
      strictEqual(2 * group.filter(({ label }) => label === 1).length, group.length, hypothesis);
    }
  }
});

Deno.test("task hypernym has no word of a hypothesis in a premise", async () => {
  const { train } = await hypernym();
  const shared = train.filter(({ premise, hypothesis }) => {
    const [, , , ...kind] = words(hypothesis);
    return words(premise).some((word) => kind.includes(word) && word !== "of" && word !== "or");
  });
  deepStrictEqual(shared, []);
});

/** The punctuation marks of a definition, each once. */
const marks = (text: string) => [...new Set(text.match(/[^\p{L}\p{N}\s-]/gu))].sort().join("");

/** Whether texts have the same punctuation marks, and lengths that differ by no more than some characters. */
function looksAlike(texts: readonly string[], characters: number): boolean {
  const lengths = texts.map((text) => text.length);
  return Math.max(...lengths) - Math.min(...lengths) <= characters && new Set(texts.map(marks)).size === 1;
}

Deno.test("task hypernym has for each definition one that looks alike, asked with the same kinds the other way", async () => {
  const whole = await hypernym();
  for (const split of SPLITS) {
    const asked = [...Map.groupBy(whole[split], ({ premise }) => premise)].map(([text, pair]) => {
      const [wrong, right] = [0, 1].map((label) => pair.find((one) => one.label === label)!.hypothesis);
      return { text, right, wrong };
    });
    const byKinds = Map.groupBy(asked, ({ right, wrong }) => `${right} ${wrong}`);
    for (const { text, right, wrong } of asked) {
      const mates = byKinds.get(`${wrong} ${right}`) ?? [];
      ok(mates.some((mate) => looksAlike([text, mate.text], split === "train" ? 20 : 12)), text);
    }
  }
});

Deno.test("the four definitions of a set of choices of task kind look alike", async () => {
  const whole = await kind();
  for (const split of SPLITS) {
    for (const [choices, group] of Map.groupBy(whole[split], ({ choices }) => choices.join())) {
      for (const { context, label } of group) {
        for (let other = 0; other < 4; other++) {
          const mates = group.filter((one) => one.label === other);
          ok(other === label || mates.some((mate) => looksAlike([context, mate.context], 20)), choices);
        }
      }
    }
  }
});

Deno.test("the first two words of a definition say as little of a right kind as of a wrong one", async () => {
  const { train, test } = await hypernym();
  const starts = (premise: string, hypothesis: string) =>
    `${words(premise).slice(0, 2).join(" ")} ${hypothesis}`;
  const balance = new Map<string, number>();
  for (const { premise, hypothesis, label } of train) {
    const key = starts(premise, hypothesis);
    balance.set(key, (balance.get(key) ?? 0) + (label === 1 ? 1 : -1));
  }
  const known = test.map(({ premise, hypothesis, label }) => ({
    label,
    says: balance.get(starts(premise, hypothesis)) ?? 0,
  })).filter(({ says }) => says !== 0);
  const right = known.filter(({ label, says }) => (says > 0) === (label === 1)).length;
  ok(known.length > 500 && right / known.length < 0.6, `${right} of ${known.length}`);
});

Deno.test("task same-kind asks each definition once of the right examples and once of wrong ones", async () => {
  const whole = await sameKind();
  for (const split of SPLITS) {
    for (const [first, pair] of Map.groupBy(whole[split], ({ first }) => first)) {
      deepStrictEqual(pair.map(({ label }) => label).sort(), [0, 1], first);
    }
    for (const [second, group] of Map.groupBy(whole[split], ({ second }) => second)) {
      strictEqual(2 * group.filter(({ label }) => label === 1).length, group.length, second);
    }
  }
});

Deno.test("task same-kind lists six different examples, no list twice in any order, and none is in a definition", async () => {
  const whole = await sameKind();
  const all = SPLITS.flatMap((split) => whole[split]);
  ok(all.every(({ second }) => words(second).length === 6 && new Set(words(second)).size === 6));
  const lists = new Set(all.map(({ second }) => second));
  strictEqual(new Set([...lists].map((list) => words(list).sort().join())).size, lists.size);
  const named = new Set([...lists].flatMap(words));
  deepStrictEqual(all.filter(({ first }) => words(first).some((word) => named.has(word))), []);
});

Deno.test("task same-kind asks of a definition and of one that looks alike with the same two lists", async () => {
  const whole = await sameKind();
  for (const split of SPLITS) {
    for (const group of Map.groupBy(whole[split], ({ second }) => second).values()) {
      deepStrictEqual(group.map(({ label }) => label).sort(), [0, 1]);
      ok(looksAlike(group.map(({ first }) => first), split === "train" ? 20 : 12), group[0]!.first);
    }
  }
});

Deno.test("task kind has no example sentences and no empty definitions", async () => {
  const { train } = await kind();
  ok(train.every(({ context }) => !context.includes('"') && context.split(" ").length >= 5));
});

Deno.test("a smaller subset is the beginning of a larger one, and keeps the labels' shares", async () => {
  const whole = await kind();
  const [small, large] = [subset(whole, { train: 100 }), subset(whole, { train: 400, test: 200 })];
  deepStrictEqual(large.train.slice(0, 100), small.train);
  strictEqual(small.test, whole.test);
  strictEqual(large.test.length, 200);
  strictEqual(subset(mine, { train: 20 }).train.filter(({ label }) => label === 0).length, 5);
});

Deno.test("another seed takes other examples", () => {
  const take = (seed: number) => subset(mine, { train: 10, seed }).train.map(({ text }) => text);
  deepStrictEqual(take(1), take(1));
  ok(take(1).join() !== take(2).join());
});

Deno.test("a subset of a size that cannot be is refused", () => {
  throws(() => subset(mine, { train: 41 }), {
    name: "InputError",
    message: 'Cannot take 41 train examples of task "mine" as the size must be a whole number from 1 to 40',
  });
  for (const change of [{ train: 0 }, { train: 2.5 }, { train: NaN }, { seed: -1 }, { seed: 0.5 }]) {
    throws(() => subset(mine, change), {
      name: "InputError",
      message: /^Cannot take a subset with .* as it must/,
    });
  }
  throws(() => subset(mine, { trian: 3 } as SubsetOptions), {
    name: "InputError",
    message: "Cannot take a subset with trian as there is no such option: did you mean train?",
  });
});

Deno.test("a task of no known name, and an option that it lacks, are refused", async () => {
  await rejects(task("IMDB"), {
    message: 'Cannot load a task with name "IMDB" as there is no such name: did you mean imdb?',
  });
  await rejects(task("kind", { words: 90 }), {
    name: "InputError",
    message: 'Cannot set words to 90 for task "kind" as the tasks with that option are imdb, race',
  });
  for (const words of [0, 9, 1.5, NaN]) await rejects(task("imdb", { words }), { name: "InputError" });
});

Deno.test("a mistake in a user's task is named by split, row and field", () => {
  strictEqual(checkTask(mine), mine);
  // What a user gives may break the type: it can come from a file.
  const refuse = (changes: Record<string, unknown>, message: string | RegExp) =>
    throws(() => checkTask({ ...mine, ...changes } as unknown as Task), { name: "InputError", message });
  const train = rows.with(17, { text: "x", label: 2 });
  refuse(
    { train },
    'Cannot use label 2 of train example 17 in task "mine" as its labels are 0 (negative) and 1 (positive)',
  );
  refuse({ train: rows.with(3, { text: "x", label: 0.5 }) }, /label 0\.5 of train example 3/);
  refuse({ test: [] }, /its test split is empty/);
  refuse(
    { kind: "regression" },
    /its kind is "regression": kinds are classification, entailment, similarity, choice/,
  );
  refuse({ kind: "entailment" }, /train example 0 in task "mine" as its premise must be a text/);
  refuse(
    { validation: rows.with(2, { text: " ", label: 0 }) },
    /validation example 2 .* current value is " "/,
  );
  refuse({ measures: ["bleu"] }, /as measures are accuracy, f1, matthews/);
  refuse({ measures: [] }, /names no measure/);
  refuse({ labels: ["all"] }, /at least 2 labels/);
});

/** Checks a changed task, as it may come from a file or a notebook: whatever it is. */
function refused(value: unknown, message: RegExp): void {
  throws(() => checkTask(value as Task), (error: unknown) => {
    ok(error instanceof InputError, String(error));
    ok(message.test(error.message), `${message}: ${error.message}`);
    ok(error.message.length < 300 && !/[.\n]$|\p{Cc}/u.test(error.message), error.message);
    return true;
  });
}

Deno.test("what is no task is refused with what to write instead", () => {
  refused("kind", /^Cannot use the name "kind" as a task: write await task\("kind"\)$/);
  refused(Promise.resolve(mine), /^Cannot use a task that is not awaited: write await before it$/);
  refused(table({ text: ["a"], label: [0] }), /^Cannot use a table as a task: .* train: table\.objects\(\)$/);
  for (const value of [undefined, null, 7, [mine], () => mine]) {
    refused(
      value,
      /^Cannot use a task as it must be an object with name, kind, labels, measures, train, val/,
    );
  }
});

Deno.test("a field that is missing or of another type is named", () => {
  for (
    const [field, message] of Object.entries({
      name: /^Cannot use a task as its name must be .* current name is undefined$/,
      kind: /its kind is undefined: kinds are classification/,
      labels: /its labels must be a list of their names: current value is undefined$/,
      measures: /its measures must be a list of some of accuracy, .* current value is undefined$/,
      train: /its train split is missing: add at least 1 example$/,
      validation:
        /its validation split is missing: cut one from train, as in validation: rows\.slice\(0, 500\), /,
      test: /its test split is missing: cut one from train/,
    })
  ) refused({ ...mine, [field]: undefined }, message);
  refused({ ...mine, kind: ["choice"] }, /its kind is \["choice"\]/);
  refused({ ...mine, measures: "accuracy" }, /must be a list of some of .* current value is "accuracy"$/);
  refused({ ...mine, train: Promise.resolve(rows) }, /its train split is not awaited/);
  refused({ ...mine, test: table({ text: ["a"], label: [0] }) }, /write test: table\.objects\(\)$/);
  refused({ ...mine, test: { 0: rows[0] } }, /its test split must be a list of examples: current value is/);
  refused(
    { ...mine, train: [null] },
    /train example 0 .* an object with text, label: current value is null$/,
  );
  refused(
    { ...mine, train: [{ txt: "x", label: 0 }] },
    /its text must be a text .* current value is undefined$/,
  );
  const extra = { ...mine, id: 7, train: rows.map((row, id) => ({ ...row, id })) };
  strictEqual(checkTask(extra), extra);
  const { train, validation, test } = mine;
  const rowsOf = (examples: readonly object[]) => from(examples as object[]).objects();
  checkTask({ ...mine, train: rowsOf(train), validation: rowsOf(validation), test: rowsOf(test) } as Task);
});

Deno.test("a label's name in the place of its index is refused with its index's expression", () => {
  const bad = (label: unknown) => ({ ...mine, train: rows.with(3, { text: "x", label } as never) });
  refused(bad("positive"), /"positive" of train example 3 .* write labels\.indexOf\("positive"\)$/);
  refused(bad("1"), /^Cannot use label "1" of .* as it must be a number: write Number\(…\) of it$/);
  for (const label of [true, null, undefined, NaN, -1, 1n]) refused(bad(label), /^Cannot use label /);
  const many = Array.from({ length: 200 }, (_, i) => `label ${i}`);
  refused({ ...bad(200), labels: many }, /as its labels are 0 to 199$/);
});

Deno.test("labels have names, all of them different", () => {
  refused({ ...mine, labels: ["yes", "yes"] }, /must differ: labels 0 and 1 are both "yes"$/);
  refused({ ...mine, labels: ["yes", " yes "] }, /labels 0 and 1 are both/);
  refused({ ...mine, labels: ["", ""] }, /label 0 must have a name that is not empty: current one is ""$/);
  refused({ ...mine, labels: ["no", 1] }, /label 1 must have a name .* current one is 1$/);
  refused(
    { ...mine, labels: "no,yes" },
    /its labels must be a list of their names: current value is "no,yes"/,
  );
});

Deno.test("measures go together, and with the number and sort of the labels", () => {
  const three = { ...mine, labels: ["a", "b", "c"] };
  for (const measure of ["f1", "matthews"]) {
    refused(
      { ...three, measures: ["accuracy", measure] },
      new RegExp(
        `by ${measure} as it needs exactly 2 labels: current number is 3, for which accuracy works$`,
      ),
    );
    checkTask({ ...mine, measures: ["accuracy", measure] } as Task);
  }
  refused({ ...mine, measures: ["accuracy", "accuracy"] }, /names measure accuracy twice/);
  refused({ ...mine, measures: ["accuracy", undefined] }, /by undefined as measures are/);
  for (const measure of ["accuracy", "f1", "matthews"]) {
    refused({ ...mine, measures: [measure, "pearson"] }, /by both pearson and .* either works$/);
  }
  const choices = rows.map(({ text, label }) => ({ context: text, choices: ["a", "b"], label }));
  const choice = { ...mine, kind: "choice", train: choices, validation: choices, test: choices };
  refused({ ...choice, measures: ["spearman"] }, /by spearman as labels of kind choice are positions/);
});

Deno.test("a name that cannot be a part of a file's name is refused, in any language", () => {
  for (
    const name of ["../../x", "", " ", "a/b", "a\\b", "a\tb", "a\u202eb", "-x", ".x", "x".repeat(81), 7, {}]
  ) {
    refused({ ...mine, name }, /its name must be at most 80 letters, digits, spaces and \._\+-/);
  }
  for (const name of ["mine", "SICK-E v1.0+x_y", "Ähnlichkeit", "感情 2", "भाषा", "x".repeat(80)]) {
    checkTask({ ...mine, name });
  }
});

Deno.test("the zero-shot heuristic has a known name, and a word for each label", () => {
  const refuse = (zeroShot: unknown, message: RegExp) => refused({ ...mine, zeroShot }, message);
  refuse(
    { by: "words" },
    /its by must be one of acceptability, choice, ending and word: current value is "words"$/,
  );
  refuse("word", /its by must be one of/);
  refuse(null, /its by must be one of/);
  const word = { by: "word", prompt: "very", words: ["bad", "good"] };
  checkTask({ ...mine, zeroShot: word } as Task);
  refuse({ ...word, prompt: undefined }, /its prompt must be a text: current value is undefined$/);
  for (const words of [["bad"], ["a", "b", "c", "d"], ["bad", ""], ["bad", "Bad "], "bad,good", undefined]) {
    refuse(
      { ...word, words },
      /its words must be 2 different texts that are not empty, one for each label: /,
    );
  }
  refused(
    { ...mine, labels: ["a", "b", "c"], zeroShot: { by: "acceptability" } },
    /acceptability needs exactly 2 labels/,
  );
});

Deno.test("an example of multiple choice has two choices to as many as there are labels, none empty", () => {
  const row = (choices: unknown, label = 0) => ({ context: "sky", choices, label });
  const good = [row(["blue", "red"])];
  const labels = ["A", "B", "C", "D"];
  const choice = { ...mine, kind: "choice", labels, train: good, validation: good, test: good };
  const refuse = (bad: unknown, message: RegExp) => refused({ ...choice, train: [...good, bad] }, message);
  const mixed = [row(["blue", "red"], 1), row(["blue", "red", "green"], 2), row(["a", "b", "c", "d"], 3)];
  checkTask({ ...choice, train: mixed } as Task);
  refuse(
    row(["blue"]),
    /train example 1 .* its choices must be 2 to 4 texts .* current value is \["blue"\]$/,
  );
  refuse(row(["a", "b", "c", "d", "e"]), /its choices must be 2 to 4 texts/);
  refuse(row("blue"), /current value is "blue"$/);
  refuse(row(["blue", ""]), /current value is \["blue",""\]$/);
  refuse(
    row(["blue", "red"], 2),
    /^Cannot use label 2 of train example 1 .* it has 2 choices: labels are 0 to 1$/,
  );
  refuse(
    row(labels, 4),
    /^Cannot use label 4 of .* as its labels are 0 \(A\), 1 \(B\), 2 \(C\) and 3 \(D\)$/,
  );
  refused({ ...choice, labels: ["A", "B"], train: [row(["a", "b", "c"])] }, /choices must be 2 texts/);
});

Deno.test("a message quotes 60 characters of a value, printable ones", () => {
  const long = "é\u0007".repeat(1000);
  refused(
    { ...mine, train: [{ text: "x", label: long }] },
    /^Cannot use label "é\\u0007é.*… of train example 0/,
  );
  refused({ ...mine, kind: long, name: "n".repeat(80) }, /its kind is "é/);
  const circular: unknown[] = [];
  circular.push(circular);
  refused({ ...mine, test: circular.concat(1n) }, /test example 0/);
});

Deno.test("a task scored by a correlation may have grades between its labels, and no others", () => {
  const pair = { first: "a dog runs", second: "a cat runs", label: 2.4 };
  const graded: TaskOf<"similarity"> = {
    ...mine,
    kind: "similarity",
    labels: ["0", "1", "2", "3"],
    measures: ["pearson", "spearman"],
    train: [pair],
    validation: [pair],
    test: [pair],
  };
  strictEqual(checkTask(graded), graded);
  throws(() => checkTask({ ...graded, test: [{ ...pair, label: 3.1 }] }), {
    message: 'Cannot use grade 3.1 of test example 0 in task "mine" as its grades are numbers from 0 to 3',
  });
  throws(() => checkTask({ ...graded, measures: ["accuracy"] }), /Cannot use label 2\.4/);
  for (const label of [NaN, Infinity, -0.1, "2", null]) {
    refused(
      { ...graded, train: [{ ...pair, label }] },
      /^Cannot use grade .* of train example 0 .* from 0 to 3$/,
    );
  }
});

Deno.test("a field that is misspelt is refused, and one that the kit does not know is left alone", () => {
  const rows = [{ text: "splendid", label: 1, id: 3 }, { text: "dull", label: 0, id: 4 }];
  const own = {
    ...{ name: "mine", kind: "classification" as const, labels: ["negative", "positive"] },
    ...{ train: rows, validation: rows, test: rows, measures: ["accuracy" as const] },
    ...{ source: "my own", licence: "CC0", about: "Two words", note: "of 2026", citation: "none" },
  };
  checkTask(own);
  for (const [wrong, right] of [["zeroshot", "zeroShot"], ["license", "licence"], ["tests", "test"]]) {
    throws(
      () => checkTask({ ...own, [wrong!]: {} } as Task),
      (error: Error) =>
        error instanceof InputError &&
        error.message === `Cannot use task "mine" with field "${wrong}": did you mean ${right}?`,
    );
  }
});

// The tables of data/README.md: each row is made again, or held to the file that it comes from.

const read = (path: string) => Deno.readTextFile(new URL(`../../data/${path}`, import.meta.url));

const NAMES = ["imdb", "kind", "hypernym", "same-kind", "word-order"] as const;

/** The cells of a table's row by the heads of their columns. */
async function row(head: string, name: string): Promise<Map<string, string>> {
  const lines = (await read("README.md")).split("\n");
  const cellsOf = (line: string) =>
    line.split("|").slice(1, -1).map((cell) => cell.replaceAll("`", "").trim());
  const at = lines.findIndex((line) => cellsOf(line)[0] === head && cellsOf(line).length > 3);
  ok(at >= 0, `no table of ${head}`);
  const heads = cellsOf(lines[at]!);
  const found = lines.slice(at).find((line) => cellsOf(line)[0] === name);
  ok(found, `no row ${name}`);
  return new Map(cellsOf(found).map((cell, i) => [heads[i]!, cell]));
}

/** A question as it was asked: of a review its last 60 words. */
const shortened = <Example extends Task["test"][number]>(example: Example): Example =>
  "text" in example ? { ...example, text: example.text.split(" ").slice(-60).join(" ") } : example;

for (const name of NAMES) {
  Deno.test(`data/README.md has the sizes of task ${name}`, async () => {
    const found = await row("task", name), whole = await load(name);
    for (const split of ["train", "validation", "test"] as const) {
      strictEqual(found.get(split), whole[split].length.toLocaleString("en-US"));
    }
  });

  Deno.test(`data/README.md has what a reader answers of task ${name}`, async () => {
    const { [name]: { questions, examples, answers } } = JSON.parse(await read("by-eye.json"));
    const { test } = await load(name);
    const asked = (examples as string).split(" ").map((i) => shortened(test[Number(i)]!));
    strictEqual(sha256(JSON.stringify(asked.map(({ label: _, ...question }) => question))), questions);
    const given = (answers as string).split(" ").map(Number);
    strictEqual(given.length, asked.length);
    const right = asked.filter(({ label }, i) => label === given[i]).length;
    strictEqual((await row("answered by", "a reader, 100 questions")).get(name), `${right}`);
  });
}

Deno.test("data/README.md has what models reach, from scratch and pre-trained", async () => {
  const folder = fileURLToPath(new URL("../../data/studies/pretraining", import.meta.url));
  const { scores } = await openStudy(folder);
  const cues = await row("answered by", "surface cues, all together");
  for (const [name, transfer] of [["from scratch", -1], ["pre-trained", "all"]] as const) {
    const shown = await row("answered by", name);
    for (const task of NAMES) {
      const arm = scores.find(({ where, levels }) => where === task && levels["transfer"] === transfer)!;
      strictEqual(shown.get(task), arm.mean.toFixed(1), `${name}, ${task}`);
      if (transfer === "all") {
        ok(arm.stuck === 0 && arm.low > Number(cues.get(task)) + (task === "hypernym" ? 0 : 8));
      } else strictEqual(arm.stuck === arm.values.length, /hypernym|same-kind|word-order/.test(task), task);
    }
  }
});

Deno.test("data/README.md has the baselines that were answered to the questions of today", async () => {
  const made = JSON.parse(await read("baselines.json"));
  deepStrictEqual(made.tasks, NAMES);
  for (const name of made.tasks) strictEqual(questionsOf(await load(name)), made.questions[name], name);
  for (const [name, scores] of Object.entries<string[]>(made.rows)) {
    deepStrictEqual([...(await row("baseline", name)).values()], [name, ...scores]);
  }
  for (const name of ["majority baseline", "surface cues, all together"]) {
    const cells = [...(await row("answered by", name)).values()];
    deepStrictEqual(cells, [name, ...made.rows[name].map((score: string) => score.split(" ")[0])]);
  }
});
