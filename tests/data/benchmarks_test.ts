import { fileURLToPath } from "node:url";
import { checkTask, listTasks, task } from "../../lib/data/mod.ts";
import { parse } from "../../lib/data/benchmarks/load.ts";
import { benchmarks } from "../../lib/data/benchmarks/table.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

const fixtures = fileURLToPath(new URL("../fixtures/benchmarks/", import.meta.url));
const SPLITS = ["train", "validation", "test"] as const;

/** Each form of each benchmark's files: its fixture, how many examples that has, and one of them. */
const FORMS: readonly [name: string, fixture: string, sizes: number[], example: object][] = [
  ["sst2", "sst2", [3, 1, 2], { text: 'the plot limps like a three-legged " racehorse', label: 0 }],
  ["cola", "cola", [3, 1, 2], { text: "The ferry left before did gulls the.", label: 0 }],
  ["cola", "cola-public", [3, 1, 2], { text: "Forecast rain is are.", label: 0 }],
  [
    "mrpc",
    "mrpc",
    [3, 1, 2],
    { first: "Two hikers were found alive .", second: "Rescuers found the two hikers alive .", label: 1 },
  ],
  ["mrpc", "mrpc-glue", [3, 1, 2], {
    first: "Shares of the bakery rose 4 percent .",
    second: 'The bakery said " shares were flat .',
    label: 0,
  }],
  ["stsb", "stsb", [2, 1, 2], {
    first: "A tram turns the corner.",
    second: 'A child says "hush.',
    label: 0.25,
  }],
  ["stsb", "stsb-official", [2, 1, 2], {
    first: "A man whistles.",
    second: "A man is whistling.",
    label: 4.75,
  }],
  ["stsb", "stsb-glue", [1, 1, 1], {
    first: "A goat stands on a roof.",
    second: "A goat stands near a barn.",
    label: 2.6,
  }],
  ["qqp", "qqp", [1, 1, 1], { first: "Can cats swim?", second: "Are cats able to swim?", label: 1 }],
  ["mnli", "mnli", [1, 2, 1], {
    premise: "He sold the boat.",
    hypothesis: "He no longer owns the boat.",
    label: 0,
  }],
  ["mnli", "mnli-jsonl", [1, 2, 1], {
    premise: "He sold the boat.",
    hypothesis: "He no longer owns the boat.",
    label: 0,
  }],
  ["mnli-mismatched", "mnli", [1, 2, 1], {
    premise: "Dear members, thank you.",
    hypothesis: "The members were scolded.",
    label: 2,
  }],
  ["mnli-mismatched", "mnli-jsonl", [1, 2, 1], {
    premise: "Dear members, thank you.",
    hypothesis: "The members were scolded.",
    label: 2,
  }],
  ["qnli", "qnli", [2, 1, 1], {
    premise: "How deep is the lake?",
    hypothesis: "The lake has two islands.",
    label: 1,
  }],
  ["rte", "rte", [2, 1, 1], {
    premise: 'The choir "will tour Peru.',
    hypothesis: "The choir is from Peru.",
    label: 1,
  }],
  ["wnli", "wnli", [2, 1, 1], {
    premise: "Nina thanked Olga after she got help.",
    hypothesis: "Olga got help.",
    label: 0,
  }],
  ["snli", "snli", [3, 1, 1], {
    premise: "A dog digs.",
    hypothesis: 'A "dog is busy.',
    label: 0,
  }],
  ["snli", "snli-txt", [3, 1, 1], {
    premise: "Men unload crates.",
    hypothesis: "The crates hold fish.",
    label: 1,
  }],
  ["scitail", "scitail", [2, 1, 1], {
    premise: "Copper conducts heat.",
    hypothesis: 'Copper is a "conductor.',
    label: 0,
  }],
  ["scitail", "scitail-snli", [2, 1, 1], {
    premise: "Moss lacks roots.",
    hypothesis: "Moss eats insects.",
    label: 1,
  }],
  ["sick", "sick", [2, 1, 1], {
    premise: "A boy is juggling apples",
    hypothesis: "There is no boy juggling",
    label: 2,
  }],
  ["sick", "sick-semeval", [2, 1, 1], {
    premise: "Two cats are fighting",
    hypothesis: "Two cats are playing",
    label: 1,
  }],
  ["sick-relatedness", "sick", [2, 1, 1], {
    first: "A boy is juggling apples",
    second: "Apples are being juggled by a boy",
    label: 3.9,
  }],
  ["sick-relatedness", "sick-semeval", [2, 1, 1], {
    first: "A woman is rowing",
    second: "A woman is in a park",
    label: 0,
  }],
  ["race", "race", [3, 2, 2], {
    context:
      'Lena keeps four hens. Each morning she collects the eggs and sells them at the "Green Door shop. ' +
      "How many hens has she?",
    choices: ["One", "Two", "Three", "Four"],
    label: 3,
  }],
  ["copa", "copa", [2, 1, 1], {
    context: "The rope & hook snapped so",
    choices: ["The rope grew.", "The bucket fell."],
    label: 1,
  }],
  ["copa", "copa-superglue", [1, 1, 1], {
    context: "The milk boiled over because",
    choices: ["I left the kitchen.", "I bought a cow."],
    label: 0,
  }],
  ["story-cloze", "story-cloze", [2, 1, 1], {
    context: 'Tom baked bread. He said "wait" twice. The oven was cold. He lit it at last.',
    choices: ["The sea was calm.", "The bread rose well."],
    label: 1,
  }],
  ["story-cloze", "story-cloze-short", [2, 1, 1], {
    context:
      "Mara lost her ring. She searched the garden. A magpie watched her. She looked up, and it flew off.",
    choices: ["The ring lay in its nest.", "Mara sold her car."],
    label: 0,
  }],
  ["winograd", "winograd", [2, 2, 16], {
    context: "Zoë's kite beat Rut's, so",
    choices: ["Zoë cheered.", "Rut cheered."],
    label: 0,
  }],
];

for (const [name, fixture, sizes, example] of FORMS) {
  Deno.test(`task ${name} reads the files of fixture ${fixture}`, async () => {
    const { kind, ...splits } = checkTask(await task(name, { folder: fixtures + fixture }));
    assertEquals(SPLITS.map((split) => splits[split].length), sizes);
    assertEquals(kind, listTasks().find((entry) => entry.name === name)?.kind);
    const all = SPLITS.flatMap((split) => splits[split].map((one) => JSON.stringify(one)));
    assert(all.includes(JSON.stringify(example)), `${JSON.stringify(example)} is none of\n${all.join("\n")}`);
  });
}

Deno.test("every form of every benchmark has a fixture", () => {
  const forms = benchmarks.flatMap(({ name, layouts }) => layouts.map(() => name)).sort();
  assertEquals(FORMS.map(([name]) => name).sort(), forms);
});

Deno.test("every benchmark says whom to cite, under which terms it comes, and how its splits were made", async () => {
  for (const [name, fixture] of FORMS) {
    const entry = listTasks().find((one) => one.name === name);
    assert(entry?.citation && entry.licence && entry.archive, name);
    const { about, source } = await task(name, { folder: fixtures + fixture });
    assert(about.startsWith(entry.about) && /official|GLUE/.test(about.slice(entry.about.length)), about);
    assert(source.includes(entry.citation), source);
  }
});

Deno.test("the parts of an archive's path may be missing", async () => {
  const folder = await Deno.makeTempDir();
  for (const file of ["train.tsv", "dev.tsv"]) {
    await Deno.copyFile(`${fixtures}sst2/SST-2/${file}`, `${folder}/${file}`);
  }
  const whole = await task("sst2", { folder: `${fixtures}sst2` });
  const { train } = await task("sst2", { folder });
  assertEquals(train, whole.train);
  assertEquals((await task("sst2", { folder: `${fixtures}sst2/SST-2` })).train, train);
  assertEquals((await task("race", { folder: `${fixtures}race/RACE` })).test.length, 2);
});

Deno.test("what is left out is counted", async () => {
  const about = async (name: string) => (await task(name, { folder: fixtures + name })).about;
  assert(/Skipped: 1 without an agreed label/.test(await about("snli")));
  assert(/Skipped: 3 without/.test(await about("qqp")), await about("qqp"));
  assert(!/Skipped/.test(await about("rte")));
});

Deno.test("SST-2 validates on sentences, and trains on no phrase that is in these alone", async () => {
  const folder = await Deno.makeTempDir();
  const sentences = Array.from({ length: 20 }, (_, i) => `scene ${i} is a delight to watch`);
  const phrases = sentences.flatMap((_, i) => [`scene ${i}`, `${i} is a delight`]);
  const rows = [...sentences, ...phrases, "a delight", "to watch", "cene 7"].map((text) => `${text} \t1\n`);
  await Deno.writeTextFile(`${folder}/train.tsv`, `sentence\tlabel\n${rows.join("")}`);
  await Deno.writeTextFile(`${folder}/dev.tsv`, "sentence\tlabel\nsplendid\t1\n");
  const { train, validation } = await task("sst2", { folder });
  const held = validation.map(({ text }) => text);
  assertEquals(held.length, 2); // A tenth of the 21 sentences, rounded down: "cene 7" is a part of no word.
  const numbers = held.map((text) => text.match(/\d+/)![0]);
  const left = new Set([...held, ...numbers.flatMap((n) => [`scene ${n}`, `${n} is a delight`])]);
  assertEquals(
    train.map(({ text }) => text),
    rows.map((row) => row.split(" \t")[0]!).filter((text) => !left.has(text)),
  );
});

Deno.test("validation shares no first text with train", async () => {
  const { train, validation } = await task("mnli", { folder: `${fixtures}mnli` });
  assertEquals(validation.map(({ premise }) => premise), Array(2).fill("The clerk stamped every form."));
  assertEquals(train.map(({ premise }) => premise), ["Our train left at noon."]);
});

Deno.test("mirrored questions of COPA, which have the choices or the premise of another, are in its split", async () => {
  const folder = await Deno.makeTempDir();
  const item = (id: number, premise: string, choices: readonly string[]) =>
    `<item id="${id}" asks-for="cause" most-plausible-alternative="1"><p>${premise}</p>` +
    choices.map((choice, k) => `<a${k + 1}>${choice}</a${k + 1}>`).join("") + "</item>";
  const write = (file: string, items: readonly string[]) =>
    Deno.writeTextFile(`${folder}/${file}`, `<x>${items.join("\n")}</x>`);
  await write("copa-dev.xml", [
    item(1, "A.", ["a", "b"]),
    item(2, "B.", ["c", "d"]),
    item(3, "B.", ["d", "c"]),
    item(401, "C.", ["e", "f"]),
    item(402, "D.", ["c", "d"]),
    item(1001, "E.", ["b", "a"]),
    item(1401, "F.", ["f", "e"]),
    item(1402, "F.", ["g", "h"]),
  ]);
  await write("copa-test.xml", [item(501, "G.", ["i", "j"]), item(1501, "H.", ["j", "i"])]);
  const whole = await task("copa", { folder });
  const contexts = SPLITS.map((split) =>
    whole[split].map(({ context }) => context.slice(0, 1)).sort().join("")
  );
  assertEquals(contexts, ["AE", "BBCDFF", "GH"]);
});

Deno.test("the same files give the same task", async () => {
  const load = () => task("winograd", { folder: `${fixtures}winograd` });
  assertEquals(await load(), await load());
});

Deno.test("variants of a Winograd schema are never in two splits", async () => {
  const all = await task("winograd", { folder: `${fixtures}winograd` });
  const referents = SPLITS.map((split) =>
    new Set(all[split].map(({ choices }) => choices.map((text) => text.split(" ")[0]).join()))
  );
  for (const [i, one] of referents.entries()) {
    for (const other of referents.slice(i + 1)) {
      assert(one.isDisjointFrom(other), `${[...one]} / ${[...other]}`);
    }
  }
});

Deno.test("a Winograd schema's choices share their ending: the possessive and the full stop are kept", async () => {
  const { test } = await task("winograd", { folder: `${fixtures}winograd` });
  const choices = test.map((one) => one.choices.join(" | "));
  assert(choices.includes("Ole's coat. | Max's coat."));
  assert(choices.includes("Moths. | the guests."));
});

Deno.test("task race keeps the last words of a passage and the whole question", async () => {
  const { train } = await task("race", { folder: `${fixtures}race`, words: 10 });
  assertEquals(
    train[0]?.context,
    'the eggs and sells them at the "Green Door shop. Where does Lena sell eggs?',
  );
  await assertRefused(
    () => task("race", { folder: `${fixtures}race`, words: 9 }),
    /^Cannot load task race with words 9 as it must be a whole number from 10 /,
  );
});

Deno.test("missing files are named, and what would bring them", async () => {
  const folder = await Deno.makeTempDir();
  for (const { name, archive, form } of listTasks().filter(({ archive }) => archive !== undefined)) {
    const help = form === undefined
      ? new RegExp(`: deno task data ${archive} downloads it$`)
      : /: request .* form at https:\S+, then run deno task data story-cloze --from FOLDER$/;
    await assertRefused(() => task(name, { folder }), help);
    await assertRefused(
      () => task(name, { folder }),
      new RegExp(`^Cannot load task "${name}" as folder ${folder} has no `),
    );
  }
  await Deno.copyFile(`${fixtures}sst2/SST-2/train.tsv`, `${folder}/train.tsv`);
  await assertRefused(() => task("sst2", { folder }), /has no SST-2\/dev\.tsv: deno task data sst2/);
});

Deno.test("a folder that is none, or has folders for files, is refused", async () => {
  const folder = `${fixtures}sst2/SST-2/train.tsv`;
  await assertRefused(() => task("sst2", { folder }), /^Cannot read a file of task "sst2" .*train\.tsv/);
  await assertRefused(
    () => task("race", { folder }),
    /^Cannot read the files of task "race" in .*train\.tsv/,
  );
  const other = await Deno.makeTempDir();
  await Deno.mkdir(`${other}/WSCollection.xml`);
  await assertRefused(() => task("winograd", { folder: other }), /^Cannot read a file of task "winograd"/);
});

Deno.test("an option that a task lacks is refused", async () => {
  await assertRefused(
    () => task("kind", { folder: "here" }),
    /^Cannot set folder to here for task "kind" as .* sst2, cola,/,
  );
  await assertRefused(() => task("rte", { words: 50 }), /as the tasks with that option are imdb, race$/);
});

/** Parses a text as a file of a benchmark. */
function read(name: string, text: string | Uint8Array, layout = 0): unknown[] {
  const benchmark = benchmarks.find((one) => one.name === name)!;
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return parse(benchmark, benchmark.layouts[layout]!, bytes, "file").rows.map(({ example }) => example);
}

Deno.test("BOM, CRLF, empty lines, quotes and a missing last line break are read as what they are", () => {
  const one = [{ text: 'so "very odd', label: 1 }];
  for (
    const text of [
      'sentence\tlabel\nso "very odd\t1\n',
      '\ufeffsentence\tlabel\r\n\r\nso "very odd\t1\r\n',
      'label\tsentence\n\n1\t  so "very odd \n\n',
      'sentence\tlabel\nso "very odd\t1',
    ]
  ) assertEquals(read("sst2", text), one);
  assertEquals(read("cola", "a\t0\t*\tIt rain.\r\n"), [{ text: "It rain.", label: 0 }]);
  assertEquals(
    read(
      "copa",
      '<x><item id="7" asks-for="cause" most-plausible-alternative="2"><p>A &lt; B.</p><a1>c</a1><a2>d</a2></item></x>',
    ),
    [{ context: "A < B because", choices: ["c", "d"], label: 1 }],
  );
});

Deno.test("a broken file is refused by file, line and what is wrong", async () => {
  const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const story =
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,RandomFifthSentenceQuiz1," +
    "RandomFifthSentenceQuiz2,AnswerRightEnding\n";
  const item =
    '<item id="7" asks-for="cause" most-plausible-alternative="1"><p>A.</p><a1>b</a1><a2>c</a2></item>';
  const race = { article: "A.", questions: ["Q?"], options: [["a", "b", "c", "d"]], answers: ["A"] };
  const cases: [string, string | Uint8Array, RegExp, number?][] = [
    [
      "sst2",
      "sentence\tlabel\nfine\t1\nbad\n",
      /^Cannot read file, line 3, as it must have 2 columns: current number is 1$/,
    ],
    ["sst2", "sentence\tlabel\nfine\t1\t1\n", /line 2, as it must have 2 columns: current number is 3/],
    ["sst2", "sentence\tlabel\nfine\t2\n", /line 2, as its label must be one of 0, 1: current one is "2"/],
    ["sst2", "sentence\tlabel\nfine\t\n", /line 2, .* current one is ""/],
    ["sst2", "fine\t1\nbad\t0\n", /line 1, as it has no column label: its columns are "fine, 1"/],
    ["sst2", bytes("sentence\tlabel\nfine\t1\nb\xffd\t0\n"), /line 3, as it must be UTF-8/],
    ["sst2", bytes("\xff\xfes\0e\0"), /line 1, as it must be UTF-8/],
    ["sst2", "sentence\tlabel\nfi\0ne\t1\n", /line 2, as it must be text: it has a NUL character/],
    ["sst2", "sentence\tlabel\nfine\tconstructor\n", /one of 0, 1: current one is "constructor"/],
    [
      "stsb",
      "g\tf\ty\t1\t5.1\ta\tb\n",
      /line 1, as its score must be a number from 0 to 5: current one is "5\.1"/,
    ],
    ["stsb", "g\tf\ty\t1\t\ta\tb\n", /current one is ""/],
    ["stsb", "g\tf\ty\t1\t-1\ta\tb\n", /current one is "-1"/],
    ["stsb", "g\tf\ty\t1\t1e0\ta\tb\n", /current one is "1e0"/],
    ["stsb", "g\tf\ty\t1\t5\ta\n", /it must have 7 to 9 columns: current number is 6/],
    ["snli", '{"gold_label":"neutral","sentence1":"a","sent', /line 1, as it must be JSON: /],
    [
      "snli",
      '\n{"gold_label":"neutral","sentence1":"a"}',
      /line 2, as it must have a text or texts sentence2: its fields are "/,
    ],
    [
      "snli",
      '{"gold_label":"neutral","sentence1":["a"],"sentence2":"b"}',
      /line 1, as its sentence1 must be one text/,
    ],
    ["snli", "null", /must have a text or texts gold_label/],
    [
      "sick",
      "sentence_A\tsentence_B\tentailment_label\tSemEval_set\na\tb\tNEUTRAL\tDEV\n",
      /its SemEval_set must name a split: current one is "DEV"/,
    ],
    ["race", JSON.stringify(race).slice(0, -5), /line 1, as it must be JSON/],
    [
      "race",
      JSON.stringify({ ...race, answers: [] }),
      /equal numbers of questions, .* numbers are 1, 1 and 0/,
    ],
    [
      "race",
      JSON.stringify({ ...race, options: [["a", "b", "c"]] }),
      /question 1, as it must have 4 choices: current number is 3/,
    ],
    ["race", JSON.stringify({ ...race, answers: ["E"] }), /question 1, .* A, B, C, D: current one is "E"/],
    [
      "copa",
      `<x>\n${item}\n${item.replace("cause", "reason")}</x>`,
      /line 3, as its question must be cause or effect/,
    ],
    ["copa", `<x>${item.replace("<p>A.</p>", "")}</x>`, /must have a text or texts premise/],
    ["copa", `<x>${item}`, /line 1, as it must be XML: "Missing end tag/],
    ["copa", `<x>${item.replace('"7"', '"x"')}</x>`, /its id must name a split/],
    ["copa", "<x>".repeat(30_000), /line 1, as it must be XML/],
    [
      "copa",
      `<!DOCTYPE x [<!ENTITY a "b">]><x>${item.replace("A.", "&a;")}</x>`,
      /it must be XML: "Named entity isn't defined/,
    ],
    [
      "story-cloze",
      `${story}a,b,c,d,e,f,g,1\na,"b,c,d,e,f,g,1\n`,
      /line 3, as it must be CSV: Quote Not Closed/,
    ],
    ["story-cloze", `${story}a,b,c,d,e,f,1\n`, /line 2, as it must be CSV: Invalid Record Length/],
    [
      "story-cloze",
      `${story}a,b,c,d,e,f,g,3\n`,
      /line 2, as its AnswerRightEnding must be one of 1, 2: current one is "3"/,
    ],
    [
      "winograd",
      "<c><schema></schema></c>",
      /line 1, as it must have a text or texts label: its fields are "/,
    ],
    ["winograd", "<c><schema>", /it must be XML/],
  ];
  for (const [name, text, message, layout] of cases) {
    await assertRefused(() => read(name, text, layout), message);
  }
});

Deno.test("a list of held examples that names none of the training file's is refused", async () => {
  const folder = await Deno.makeTempDir();
  for (const file of ["msr_paraphrase_train.txt", "msr_paraphrase_test.txt"]) {
    await Deno.copyFile(`${fixtures}mrpc/MRPC/${file}`, `${folder}/${file}`);
  }
  await Deno.writeTextFile(`${folder}/mrpc_dev_ids.tsv`, "15\t16\n15\t17\n");
  await assertRefused(
    () => task("mrpc", { folder }),
    /^Cannot read mrpc_dev_ids\.tsv, line 2, as its ids .* "15 17"$/,
  );
});

Deno.test("data/benchmarks.md has a row for every benchmark, of the same kind", async () => {
  const text = await Deno.readTextFile(new URL("../../data/benchmarks.md", import.meta.url));
  for (const { name, kind } of benchmarks) {
    const shown = kind === "choice" ? "multiple choice" : kind;
    assert(new RegExp(`^\\| \`${name}\` +\\| ${shown} +\\|`, "m").test(text), name);
  }
});
