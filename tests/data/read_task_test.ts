import { from } from "../../lib/arquero.ts";
import { readTask, type ReadTaskOptions, type Rows } from "../../lib/data/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

const words = ["fine", "good", "sad", "bad", "great", "dull", "warm", "cold", "kind", "mean"];
const rows = words.map((word, i) => ({ review: `a ${word} film`, verdict: i % 4 < 2 ? "praise" : "pan" }));
const columns = { text: "review", label: "verdict" };

async function inFile<T>(name: string, content: string, read: (path: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/${name}`, content);
    return await read(`${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const delimited = (delimiter: string) =>
  ["review" + delimiter + "verdict", ...rows.map((row) => row.review + delimiter + row.verdict)].join("\n");

Deno.test("rows of a TSV, a CSV, JSON lines, an arquero table and a list are the same task", async () => {
  const expected = await readTask(rows, columns);
  assertEquals([expected.name, expected.kind, expected.labels, expected.measures], [
    ...["table", "classification"],
    ["pan", "praise"],
    ["accuracy"],
  ]);
  const examples = ({ train, validation, test }: typeof expected) => ({ train, validation, test });
  assertEquals(examples(await readTask(from(rows), columns)), examples(expected));
  const files = {
    "mine.tsv": delimited("\t"),
    "mine.csv": "\ufeff" + delimited(",") + "\r\n",
    "mine.JSONL": rows.map((row) => JSON.stringify(row)).join("\n"),
  };
  for (const [name, content] of Object.entries(files)) {
    const found = await inFile(name, content, (path) => readTask(path, columns));
    assertEquals([found.name, found.source, examples(found)], ["mine", "mine", examples(expected)]);
  }
  const { pathname } = new URL("file:///a%20b.tsv");
  assertEquals(pathname, "/a%20b.tsv");
  const found = await inFile(
    "a b.tsv",
    delimited("\t"),
    (path) => readTask(new URL(`file://${path}`), columns),
  );
  assertEquals([found.name, examples(found)], ["a b", examples(expected)]);
});

Deno.test("splits that are not given are drawn, always the same, with equal inputs in one of them", async () => {
  const twice = [...rows, ...rows].map(({ review, verdict }) => ({ text: review, label: verdict }));
  const { train, validation, test } = await readTask(twice);
  assertEquals([train.length, validation.length, test.length], [14, 2, 4]);
  const texts = (split: readonly object[]) => new Set(split.map((row) => (row as { text: string }).text));
  assertEquals(texts(train).union(texts(validation)).union(texts(test)).size, 10);
  assertEquals(await readTask(twice), await readTask(structuredClone(twice)));
  const given = await readTask(rows, {
    ...columns,
    validation: rows.slice(0, 1),
    test: from(rows.slice(1, 3)),
  });
  assertEquals([given.train.length, given.validation.length, given.test.length], [10, 1, 2]);
  const half = await readTask(rows, { ...columns, test: rows.slice(0, 4) });
  assertEquals([half.train.length, half.validation.length, half.test.length], [9, 1, 4]);
  await assertRefused(
    () => readTask(rows.slice(0, 2), columns),
    /^Cannot split 2 rows of table as train and test and validation each need one: add rows, or give test and/,
  );
});

Deno.test("rows that share a premise, a context or a text are drawn into one split, whatever case, spaces and order", async () => {
  const subjects = Array.from({ length: 30 }, (_, i) => `${words[i % 10]} day number ${i}`);
  const several = <Row>(row: (subject: string, i: number) => Row) =>
    subjects.flatMap((s) => [0, 1, 2].map((i) => row(s, i)));
  const passage = "a long story of many words ".repeat(8);
  const tasks: { rows: Rows; subject: string }[] = [
    {
      rows: several((premise, i) => ({
        premise: i ? premise : premise.toUpperCase(),
        hypothesis: `h${i}`,
        label: i % 2,
      })),
      subject: "premise",
    },
    {
      rows: several((s, i) => ({
        context: `${s} ${passage} question ${i}?`,
        choices: ["yes", "no"],
        label: i % 2,
      })),
      subject: "context",
    },
    {
      rows: several((s, i) => ({ text: i ? s : ` ${s.replaceAll(" ", "  ")}`, label: i % 2 })),
      subject: "text",
    },
    {
      rows: several((s, i) => ({
        first: i ? s : `other ${s}`,
        second: i === 1 ? `other ${s}` : `${i}${s}`,
        label: i % 2,
      })),
      subject: "first",
    },
    {
      rows: several((s, i) => ({
        context: "which is it?",
        choices: i % 2 ? [s, "none"] : ["none", s],
        label: Number(i % 2 === 0),
      })),
      subject: "choices",
    },
  ];
  for (const { rows, subject } of tasks) {
    const task = await readTask(rows), splits = [task.train, task.validation, task.test];
    assertEquals(splits.map(({ length }) => length), [63, 9, 18], subject);
    const subjectsOf = (examples: readonly object[]) =>
      new Set(
        examples.map((row) =>
          /number \d+/i.exec(JSON.stringify((row as never)[subject]).replace(/ +/g, " "))![0].toLowerCase()
        ),
      );
    const found = splits.map(subjectsOf);
    assertEquals(found.map(({ size }) => size), [21, 3, 6], subject);
    assertEquals(found.reduce((all, some) => all.union(some)).size, 30);
  }
  const passages = ["sea", ..."land sky".split(" ")].flatMap((word, i) =>
    Array.from(
      { length: i ? 10 : 80 },
      (_, k) => ({ context: `${word} ${passage} ${k}?`, choices: ["a", "b"], label: k % 2 }),
    )
  );
  const asked = await readTask(passages),
    about = (examples: readonly object[]) =>
      new Set(examples.map((row) => (row as { context: string }).context.split(" ")[0]!));
  assertEquals([about(asked.train), about(asked.test).size], [new Set(["sea"]), 1], "one of most rows, too");
  const one = [...subjects.slice(0, 2), ...subjects.slice(2).map(() => "the same day")];
  const uneven = await readTask(
    one.map((premise, i) => ({ premise, hypothesis: `h${i % 7}`, label: i % 2 })),
  );
  assert(uneven.test.length < 12 && uneven.validation.length < 6, "a premise of most rows is no group");
});

Deno.test("labels are named by what the rows say: numbers by size, truth values, texts, or as told", async () => {
  const labels = async (values: unknown[], options: ReadTaskOptions = {}) => {
    const { labels, train, validation, test } = await readTask(
      values.map((label, i) => ({ text: `text ${i}`, label })),
      options,
    );
    const of = new Map(
      [...train, ...validation, ...test].map((row) => [(row as { text: string }).text, row.label]),
    );
    return [labels, values.map((_, i) => of.get(`text ${i}`))];
  };
  assertEquals(await labels([10, 9, 10, 9]), [["9", "10"], [1, 0, 1, 0]]);
  assertEquals(await labels([true, false, true, false]), [["false", "true"], [1, 0, 1, 0]]);
  assertEquals(await labels(["b", "a", "b", "c"]), [["a", "b", "c"], [1, 0, 1, 2]]);
  assertEquals(await labels(["b", "a", "b", "a"], { labels: ["b", "a"] }), [["b", "a"], [0, 1, 0, 1]]);
  assertEquals(await labels([4.5, 0, 3, 1.25], { kind: "classification", measures: ["pearson"] }), [
    ["0", "1", "2", "3", "4", "5"],
    [4.5, 0, 3, 1.25],
  ]);
  await assertRefused(
    () => labels(["a", "b", "c", "a"], { labels: ["a", "b"] }),
    /^Cannot read the train rows, row 2, as its label must be one of a,b: current label is "c"$/,
  );
  await assertRefused(
    () => labels(Array.from({ length: 40 }, (_, i) => `id ${i}`)),
    /^Cannot read a task as its 40 rows have 40 different labels, such as "id \d+": name the label's column/,
  );
  for (
    const [values, why] of [
      [["a", "b", "NA", "a"], /row 2, as it seems to be missing: current label is "NA"; option labels lists/],
      [["a", "b", "b", "nan"], /row 3, as it seems to be missing/],
      [[1, 0, NaN, 1], /row 2, as it must have a text or texts label: current value is NaN$/],
      [
        ["1", "0", "1.0", "0"],
        /labels must differ in more than case or notation: two are "1" and "1\.0"; option labels/,
      ],
      [["good", "Good", "bad", "bad"], /two are "Good" and "good"; option labels lists/],
    ] as const
  ) await assertRefused(() => labels([...values]), why);
  assertEquals((await labels(["NA", "b", "B", "NA"], { labels: ["B", "NA", "b"] }))[0], ["B", "NA", "b"]);
  await assertRefused(
    () => labels([1, -2, 1, 3], { measures: ["spearman"] }),
    /a grade must be a number from 0 to/,
  );
});

Deno.test("pairs and choices are read by the columns that are named, or that have the fields' names", async () => {
  const pairs = words.map((word, i) => ({ a: word, b: `${word}!`, same: i % 2 }));
  const entailment = await readTask(pairs, { premise: "a", hypothesis: "b", label: "same" });
  assertEquals([entailment.kind, Object.keys(entailment.train[0]!)], ["entailment", [
    ...["premise", "hypothesis", "label"],
  ]]);
  const similarity = await readTask(pairs.map(({ a, b, same }) => ({ first: a, second: b, label: same })));
  assertEquals(similarity.kind, "similarity");

  const asked = words.map((word, i) => ({
    q: `Is it ${word}?`,
    x: "yes",
    y: "no",
    z: "maybe",
    right: i % 3,
  }));
  const options = { kind: "choice", context: "q", choices: ["x", "y", "z"], label: "right" } as const;
  const choice = await readTask(asked, options);
  const { choices, label }: { choices: readonly string[]; label: number } = choice.train[0]!; // Types infer the kind.
  assertEquals([choices, choice.labels, label < 3], [["yes", "no", "maybe"], ["0", "1", "2"], true]);
  const byText = asked.map(({ right, ...row }) => ({ ...row, right: [row.x, row.y, row.z][right] }));
  assertEquals(await readTask(byText, options), choice);
  const letters = asked.map(({ right, ...row }) => ({ ...row, right: "ABC"[right] }));
  const named = await readTask(letters, { ...options, labels: ["A", "B", "C"] });
  assertEquals(named.train, choice.train);
  const lists = asked.map(({ q, x, y, z, right }) => ({ context: q, choices: [x, y, z], label: right }));
  assertEquals((await readTask(lists)).train, choice.train);
  await assertRefused(
    () => readTask(asked.map((row) => ({ ...row, x: "2" })), options),
    /its label must name one choice: current label "2" is the text of one choice and the index of another$/,
  );
  await assertRefused(
    () => readTask(asked.map((row) => ({ ...row, right: 3 })), options),
    /its label must be the text of a choice or one of 0,1,2: current label is "3"$/,
  );
});

Deno.test("what cannot be read is refused by file, line and column, before anything is trained", async () => {
  const file = (name: string, content: string, options: ReadTaskOptions = columns) => () =>
    inFile(name, content, (path) => readTask(path, options));
  const refused: [call: () => Promise<unknown>, message: RegExp][] = [
    [
      file("mine.txt", "a"),
      /^Cannot read a task from .*mine\.txt as its name must end in \.tsv, \.csv, \.jsonl, \.ndjson$/,
    ],
    [file("mine.tsv", ""), /^Cannot read a task as mine has no rows$/],
    [file("mine.tsv", "review\tverdict\n"), /^Cannot read a task as mine has no rows$/],
    [
      file("mine.tsv", "review\tverdict\na\tb\nc\n"),
      /^Cannot read mine\.tsv, line 3, as it must have 2 columns: /,
    ],
    [
      file("mine.tsv", "review\tverdict\na\tb\n\tc\n"),
      /^Cannot read mine\.tsv, line 3, as column review must hold a text/,
    ],
    [
      file("mine.tsv", "review\tverdict\na\t\n"),
      /^Cannot read mine\.tsv, line 2, as column verdict must hold a label/,
    ],
    [
      file("mine.tsv", "text\tverdict\na\tb\n"),
      /^Cannot read mine\.tsv, line 1, as it has no column review: its columns are "text, verdict"$/,
    ],
    [file("mine.csv", 'review,verdict\n"a,b\n'), /^Cannot read mine\.csv, line \d, as it must be CSV: /],
    [
      file("mine.jsonl", "[1]\n{}"),
      /^Cannot read mine\.jsonl, line 1, as it must have a text or texts review: /,
    ],
    [file("mine.jsonl", "{"), /^Cannot read mine\.jsonl, line 1, as it must be JSON/],
    [() => readTask("absent.tsv", columns), /^Cannot read rows absent\.tsv: No such file/],
    [() => readTask("", columns), /^Cannot read a task as its rows must be a path, .*: current value is ""$/],
    [
      () => readTask(undefined as unknown as Rows),
      /^Cannot read a task as its rows must be a path, an arquero table or/,
    ],
    [
      () => readTask(rows),
      /^Cannot read the train rows, row 0, as it must have a text or texts text: .*; options can name the columns: text \(classification\), premise and/,
    ],
    [
      () => readTask(rows, { ...columns, choices: ["verdict", "review"] }),
      /^Cannot read a task of kind classification with option choices as its columns are text: leave it out, or/,
    ],
    [
      () => readTask(rows, { texts: "review" } as object),
      /^Cannot read a task with texts as there is no such option: did you mean text\?$/,
    ],
    [
      () => readTask(rows, { ...columns, kind: "pairs" as "choice" }),
      /^Cannot read a task with kind "pairs" as it must be one of/,
    ],
    [
      () => readTask(rows, { ...columns, measures: ["f1", "matthews"], labels: ["pan", "praise", "none"] }),
      /by f1 as it needs exactly 2 labels/,
    ],
    [
      () => readTask(rows, { text: "review", labels: "verdict" as unknown as string[] }),
      /^Cannot read a task with labels .* as a task has at least 2: option label names the column$/,
    ],
    [
      file("mine.tsv", "review\tverdict\na\tb\n", { text: "reviw", label: "verdict" }),
      /^Cannot read mine\.tsv, line 1, as it has no column reviw: did you mean "review"\?$/,
    ],
    [
      () => readTask([null, 3] as unknown as Rows),
      /^Cannot read the train rows, row 0, as it must have a text or texts text/,
    ],
  ];
  for (const [call, message] of refused) await assertRefused(call, message);
  assert((await readTask(rows, { ...columns, measures: ["f1"] })).measures[0] === "f1");
});
