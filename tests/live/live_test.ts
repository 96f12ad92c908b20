import { DISPLAY } from "../../lib/kernel.ts";
import { backend } from "../../lib/engine/mod.ts";
import { exists } from "../../lib/files.ts";
import { build } from "../../lib/live/browser/build.ts";
import { LIVE, type LiveCell, parseLive } from "../../lib/live/cell.ts";
import { live } from "../../lib/live/mod.ts";
import { joined, split } from "../../lib/live/planes.ts";
import { answer, type LiveExample, nextProbabilities, read } from "../../lib/live/predict.ts";
import {
  attentionMaps,
  dispose,
  generate,
  gpt,
  type LanguageModel,
  largest,
  presets,
} from "../../lib/model/mod.ts";
import { type CodeCell, type Notebook, pageContext, render } from "../../lib/notebook/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { finetune, loadModel, pretrained, saveModel } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { open, type Page, until, useChromium } from "../notebooks/chromium.ts";
import { chromium, endOf, root, startTask } from "../programs.ts";

await backend();
const ignore = chromium === undefined;
useChromium();
if (ignore) console.log("There is no Chromium: no live cell is started");

const folder = await Deno.makeTempDir();

/** What a cell displays, as the kernel stores it. */
async function displayed(cell: object): Promise<Record<string, unknown>> {
  const home = Deno.cwd();
  Deno.chdir(folder);
  try {
    return JSON.parse(JSON.stringify(await (cell as { [DISPLAY](): Promise<unknown> })[DISPLAY]()));
  } finally {
    Deno.chdir(home);
  }
}

const cellOf = (id: string, data: Record<string, unknown>): CodeCell => ({
  ...{ cell_type: "code", id, metadata: {}, source: "live(…)", execution_count: 1 },
  outputs: [{ output_type: "display_data", data, metadata: {} }],
});

/** The page of cells' outputs, and what rendering it says. */
async function pageOf(...outputs: Record<string, unknown>[]): Promise<{ file: string; said: string[] }> {
  const said: string[] = [], file = `${folder}/page.html`;
  const notebook: Notebook = {
    cells: outputs.map((data, i) => cellOf(`c${i}`, data)),
    ...{ metadata: {}, nbformat: 4, nbformat_minor: 5 },
  };
  const context = pageContext(`${folder}/page.ipynb`, file, new Map(), (message) => said.push(message));
  await Deno.writeTextFile(file, await render(notebook, "page", context));
  return { file, said };
}

/** Fails unless numbers are equal within 1e-5. */
function assertNear(found: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assertEquals(found.length, expected.length, what);
  const worst = Math.max(...Array.from(expected, (value, i) => Math.abs(value - found[i]!)));
  assert(worst <= 1e-5, `${what}: off by ${worst}`);
}

/** Waits for live cells. */
const started = (page: Page, count: number) =>
  until(async () => await page.evaluate(`document.querySelectorAll(".live").length`) === count);

/** Calls a function in the page, with the live cell and a value. */
const call = (page: Page, code: (cell: never, value: never) => unknown, value: unknown = null) =>
  page.evaluate(`(${code})(document.querySelector(".live"), ${JSON.stringify(value)})`);

// deno-lint-ignore no-explicit-any
type Any = any; // Of the browser's types these functions have none: they run in the page.

/** Types into a cell's first field, and waits until the page has drawn what it makes of it. */
const type = async (cell: Any, text: string) => {
  const area = cell.querySelector("textarea");
  area.value = text;
  area.dispatchEvent(new Event("input"));
  for (let i = 0; i < 2; i++) await new Promise((go) => (globalThis as Any).requestAnimationFrame(go));
};

Deno.test("halves of bytes are joined again, of odd numbers, too", () => {
  for (const length of [0, 1, 2, 5, 8]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i + 1);
    assertEquals(joined(split(bytes)), bytes);
  }
});

Deno.test("the bundle is what the sources give", async () => {
  const target = `${folder}/bundle.js`;
  try {
    await build(target);
  } catch (error) {
    if (!/esbuild.*(download|fetch|request)/is.test(String(error)) || Deno.env.get("CI")) throw error;
    return console.log("There is no bundler here: whether the bundle is current is not tested");
  }
  const [made, kept] = [target, `${root}lib/live/browser/bundle.js`].map((path) =>
    Deno.readTextFileSync(path)
  );
  assert(made === kept, "lib/live/browser/bundle.js is old: deno task live makes it");
});

Deno.test("what is no live cell is none", () => {
  const model = { name: "mini", included: "mini-learned" }, text = "to be";
  assertEquals(parseLive({ models: [model], text, more: 1 }), { models: [model], text });
  const digest = "0".repeat(64);
  assertEquals(parseLive({ models: [{ name: "own", sha256: digest, file: "/etc/passwd" }], text })?.models, [
    { name: "own", sha256: digest },
  ]);
  const example = { premise: "it rains", hypothesis: "it is wet", label: 0 };
  const fields: unknown = { premise: "it rains", hypothesis: "it is wet" };
  assertEquals<unknown>(parseLive({ models: [model], text, example })?.example, fields);
  for (
    const wrong of [
      ...[null, 3, "mini", [], {}, { models: [model] }, { models: [], text }, { models: {}, text }],
      { models: [model, model, model], text },
      { models: [model], text: "a".repeat(5001) },
      { models: [{ ...model, name: "a".repeat(81) }], text },
      { models: [{ name: "up", included: "../../secret" }], text },
      { models: [{ name: "up", sha256: "../../secret" }], text },
      { models: [null], text },
      { models: [model], text, example: { premise: "alone" } },
      { models: [model], text, example: { context: "a", choices: ["b"] } },
      { models: [model], text, example: { context: "a", choices: ["b", 2] } },
      { models: [model], text, example: { context: "a", choices: Array(6).fill("b") } },
      { models: [model], text, example: { __proto__: { text: "inherited" } } },
    ]
  ) assertEquals(parseLive(wrong), undefined, JSON.stringify(wrong));
});

Deno.test("what cannot be live is refused where it is written", async () => {
  const tokenizer = trainBpe("to be or not to be", { merges: 3 });
  const bert = gpt({ ...presets.smoke, architecture: "bert" }, { tokenizer });
  await assertRefused(
    () => live("maxi"),
    /of "maxi" as the included models are mini, mini-learned, mini-sinusoidal/,
  );
  await assertRefused(() => live(Promise.resolve() as never), /write await before it/);
  await assertRefused(() => live(bert), /bert/);
  await assertRefused(() => live("mini", { words: 3 } as never), /words/);
  await assertRefused(
    () => live("mini", { example: { premise: "alone" } as never }),
    /example .*2 to 5 choices/,
  );
  await assertRefused(
    () => live("mini", { text: " " }),
    /text of 1 to 5000 characters that is not white space/,
  );
  await assertRefused(() => live("mini", { text: "a".repeat(5001) }), /text of 1 to 5000 characters/);
  await assertRefused(
    () => live("mini", { text: "a", example: { text: "b" } }),
    /both a text and an example/,
  );
  const gone = gpt(presets.smoke, { tokenizer });
  const cell = live(gone, { text: "to be" });
  dispose(gone.parameters);
  await assertRefused(() => displayed(cell), /disposed/);
  const { models, example } =
    (await displayed(live("mini", { example: { text: "b", label: 1 } as never })))[LIVE] as LiveCell;
  assertEquals<unknown>([models[0]!.name, example], ["mini", { text: "b" }]);
});

/** The numbers of a column's table. */
const shares = (page: Page, column = 0) =>
  call(page, (cell: Any, column: number) => {
    const place = cell.querySelectorAll(".live-column")[column];
    return [...place.querySelectorAll("data")].map((one: Any) => Number(one.value));
  }, column) as Promise<number[]>;

/** Sets the fields of a continuation, presses its button, and waits until it is written. */
const written = (page: Page, values: readonly number[]) =>
  call(page, async (cell: Any, values: number[]) => {
    [...cell.querySelectorAll("input")].forEach((input: Any, i: number) => input.value = values[i]);
    const button = [...cell.querySelectorAll("fieldset button")].at(-1)!;
    button.click();
    while (button.textContent !== "Continue the text") await new Promise((go) => setTimeout(go, 5));
    return [...cell.querySelectorAll(".live-output")].map((one: Any) => one.textContent);
  }, values) as Promise<string[]>;

Deno.test({ name: "a page's models have Deno's probabilities, attention and texts", ignore }, async () => {
  const lms = [await pretrained("mini"), await pretrained("mini", { positions: "sinusoidal" })];
  const text = "the film";
  const { file, said } = await pageOf(await displayed(live("mini", { text, compare: "mini-sinusoidal" })));
  assertEquals(said, []);
  await using page = await open(file, { width: 1200 });
  await started(page, 1);
  const texts = [
    ...["the director of the film said that he had never seen it", "she", "Zebras, 1999 & <b>naïve</b>"],
    ...["it was the best of times,\nit was the worst of times", "word ".repeat(200), "the the the the"],
  ];
  for (const text of texts) {
    await call(page, type, text);
    for (const [column, lm] of lms.entries()) {
      const ids = [...lm.tokenizer.encode(text)].slice(-lm.config.context),
        last = ids.length - 1,
        T = ids.length;
      const own = nextProbabilities(lm, read(lm, ids, 0), last);
      assertNear(await shares(page, column), Array.from(largest(own, 8), (id) => own[id]!), text);
      for (const [block, head] of [[0, 0], [3, 2]] as const) {
        const weights = await call(page, (cell: Any, [column, block, head]: number[]) => {
          const [blocks, heads] = cell.querySelectorAll("select");
          [blocks.value, heads.value] = [block, head];
          heads.dispatchEvent(new Event("change"));
          return [...cell.querySelectorAll(".live-tokens")[column!].children].map((one: Any) =>
            Number(one.value)
          );
        }, [column, block, head]) as number[];
        const from = (head * T + last) * T;
        const { attention } = read(lm, ids, block);
        assertNear(weights, attention!.subarray(from, from + T), `${text}, attention`);
      }
    }
  }
  const { maps } = await attentionMaps(lms[0]!, "to be or not"); // The same as read()'s, by another way.
  const { attention } = read(lms[0]!, [...lms[0]!.tokenizer.encode("to be or not")], 1);
  assertNear(attention!, maps[1]!.flat(2), "attention");
  await call(page, type, "the director");
  for (const [temperature, topK, seed] of [[0, 40, 1], [0.8, 40, 1], [1, 10000, 7]] as const) {
    const found = await written(page, [temperature, topK, seed]);
    const options = { tokens: 60, temperature, topK, seed };
    const own = await Promise.all(lms.map((lm) => generate(lm, "the director", options)));
    assertEquals(found, own, `temperature ${temperature}`);
  }
  assertEquals(page.complaints, []);
  assertEquals(page.requests.filter((url) => !/^(data|blob|page):/.test(url)), [`file://${file}`]);
});

Deno.test({ name: "a cell says what it cannot do, and stops where it is told", ignore }, async () => {
  const { file } = await pageOf(
    await displayed(live("mini", { text: "the film", compare: "mini-sinusoidal" })),
  );
  await using page = await open(file);
  await started(page, 1);
  const said = async (text: string) => {
    await call(page, type, text);
    return await call(page, (cell: Any) => [
      cell.querySelector("[role=status]").textContent,
      cell.querySelector(".live-column .live-hint").textContent,
      [...cell.querySelectorAll("fieldset button")].at(-1).disabled,
    ]);
  };
  assertEquals(await said(" "), [
    "Type a text: a model needs at least one token.",
    "0 of at most 128 tokens.",
    true,
  ]);
  assertEquals(await said("to be"), ["", "2 of at most 128 tokens.", false]);
  const long = "The last 128 of 200 tokens: the model reads no more. A continuation starts from the last 64.";
  assertEquals(await said("to ".repeat(200)), ["", long, false]);
  await call(page, type, "to be\nor");
  assertEquals(await call(page, (cell: Any) => cell.querySelector(".live-tokens").textContent), "tobe⏎or");
  // Stopped at once, the first text is short, and the second is not begun. Emptied meanwhile, it is not continued again.
  const outputs = await call(page, async (cell: Any) => {
    const area = cell.querySelector("textarea"),
      button = [...cell.querySelectorAll("fieldset button")].at(-1);
    button.click();
    while (cell.querySelector(".live-output").textContent === "") {
      await new Promise((go) => setTimeout(go, 1));
    }
    area.value = "";
    area.dispatchEvent(new Event("input"));
    button.click();
    while (button.textContent !== "Continue the text") await new Promise((go) => setTimeout(go, 1));
    return [
      ...[...cell.querySelectorAll(".live-output")].map((one: Any) => one.textContent),
      button.disabled,
    ];
  }) as [string, string, boolean];
  assert(outputs[0].startsWith("to be"), outputs[0]);
  assertEquals(outputs.slice(1), ["", true]);
  assertEquals(page.complaints, []);
});

/** A model that knows nothing, of an architecture and a size. */
const small = (changes: object) =>
  gpt({ ...presets.smoke, ...changes }, {
    tokenizer: trainBpe("a model of few words reads few words", { merges: 20 }),
  });

Deno.test(
  { name: "models of different sizes, and one without attention, stand side by side", ignore },
  async () => {
    const [one, other] = [
      small({ context: 16, layers: 3 }),
      small({ architecture: "lstm", units: 24, layers: 1, positions: { kind: "none" }, context: 32 }),
    ];
    const text = "few words of a model of few words of a model of few words";
    const { file, said } = await pageOf(await displayed(live(one, { text, compare: other })));
    assertEquals(said, []);
    await using page = await open(file);
    await started(page, 1);
    for (const [column, lm] of [one, other].entries()) {
      const stored = await stored16(lm);
      const ids = [...lm.tokenizer.encode(text)].slice(-lm.config.context);
      const own = nextProbabilities(stored, read(stored, ids, 0), ids.length - 1);
      assertNear(
        await shares(page, column),
        Array.from(largest(own, 8), (id) => own[id]!),
        `column ${column}`,
      );
    }
    const names = await call(page, (cell: Any) => {
      const [blocks] = cell.querySelectorAll("select");
      blocks.value = 2;
      blocks.dispatchEvent(new Event("change"));
      return [
        blocks.options.length,
        ...[...cell.querySelectorAll(".live-column")].map((one: Any) => one.textContent),
      ];
    }) as [number, string, string];
    assertEquals(names[0], 3);
    assert(
      names[1].includes("Block 3, head 1: “") && names[2].includes("An LSTM has no attention."),
      names.join("\n"),
    );
    assertEquals(page.complaints, []);
  },
);

/** A model with weights of 16 bits, as a page has it. */
async function stored16(lm: LanguageModel): Promise<LanguageModel> {
  await saveModel(lm, `${folder}/half.safetensors`, { half: true });
  return await loadModel(`${folder}/half.safetensors`);
}

Deno.test({ name: "a fine-tuned model of a notebook answers in its page as in Deno", ignore }, async () => {
  const example: LiveExample = { context: "a large wild animal", choices: ["a person", "an animal"] };
  const tasks = ["an animal with wings", "a tool that cuts"].map((context, label) => ({
    ...{ context, choices: ["an animal", "a tool"], label },
  }));
  const tuned = await finetune(await pretrained("mini"), {
    ...{
      name: "toy",
      kind: "choice",
      labels: ["first", "second"],
      measures: ["accuracy"],
      source: "",
      licence: "",
    },
    ...{ train: tasks, validation: tasks, test: tasks },
  } as never, { epochs: 2, batch: 2 });
  const output = await displayed(live(tuned, { example }));
  const { sha256 } = (output[LIVE] as LiveCell).models[0]!;
  const kept = await loadModel(`${folder}/live/${sha256}.safetensors`); // In 16-bit precision, as the page has it.
  const { file } = await pageOf(output);
  await using page = await open(file, { width: 400, dark: true });
  await started(page, 1);
  assertNear(await shares(page), answer(kept, example), "choices");
  assert(String(output["text/plain"]).startsWith("Most probable: "), String(output["text/plain"]));
  // Other texts, a third choice, another kind.
  await call(page, type, "something to sit on");
  const press = (name: string) =>
    call(page, (cell: Any, name: string) => {
      [...cell.querySelectorAll("button")].find((one: Any) => one.textContent === name).click();
    }, name);
  await press("Add a choice");
  await call(page, async (cell: Any) => {
    const last = [...cell.querySelectorAll("textarea")].at(-1);
    last.value = "a chair";
    last.dispatchEvent(new Event("input"));
    for (let i = 0; i < 2; i++) await new Promise((go) => (globalThis as Any).requestAnimationFrame(go));
  });
  const changed = { context: "something to sit on", choices: ["a person", "an animal", "a chair"] };
  assertNear(await shares(page), answer(kept, changed), "three choices");
  await press("Remove the last choice");
  assertEquals((await shares(page)).length, 2);
  await call(page, (cell: Any) => {
    const kinds = cell.querySelector("select");
    kinds.value = 1;
    kinds.dispatchEvent(new Event("change"));
  });
  assertEquals(await shares(page), []);
  const said = await call(page, (cell: Any) => cell.textContent) as string;
  assert(said.includes("fine-tuned on toy, a task of kind multiple choice: here it has no answer"), said);
  assert(said.includes("<start><delim><extract>"), said); // Empty texts are no error.
  assertEquals(page.complaints, []);
});

Deno.test(
  { name: "all controls have names and are reached by keys, and arrows choose a token", ignore },
  async () => {
    const { file } = await pageOf(await displayed(live("mini", { text: "to be or not to be" })));
    await using page = await open(file, { width: 400 });
    await started(page, 1);
    const nameless = await call(
      page,
      (cell: Any) =>
        [...cell.querySelectorAll("button, input, select, textarea")].filter((one: Any) =>
          !(one.labels?.[0] ?? one).textContent.trim()
        ).length,
    );
    assertEquals(nameless, 0);
    const reached = [];
    for (let i = 0; i < 8; i++) {
      await page.press("Tab");
      reached.push(await page.evaluate("document.activeElement.localName"));
    }
    assertEquals(reached, ["textarea", "select", "select", "button", "input", "input", "input", "button"]);
    const chosen = () => page.evaluate(`document.querySelector("[aria-pressed=true]").textContent`);
    await call(page, (cell: Any) => cell.querySelector("[aria-pressed=true]").focus());
    assertEquals(await chosen(), "be");
    await page.press("ArrowLeft");
    assertEquals([await chosen(), await page.evaluate("document.activeElement.textContent")], ["to", "to"]);
    await page.press("Home");
    const caption = await page.evaluate(`document.querySelector(".live caption").textContent`);
    assertEquals(caption, "Most probable after “to”");
    const spoken = `document.querySelector(".live-column [role=status]").textContent`;
    // It is said with a delay: of an arrow before Home, perhaps, first.
    await until(async () => String(await page.evaluate(spoken)).startsWith(`${caption}: “`));
    await call(page, type, "pneumonoultramicroscopicsilicovolcanoconiosis".repeat(9));
    await written(page, [0.8, 40, 1]);
    const wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth";
    assertEquals(await page.evaluate(wide), 0, "it scrolls sideways");
  },
);

Deno.test({ name: "without scripts, or without a model, a live cell is its figure", ignore }, async () => {
  const output = await displayed(live("mini", { text: "the film was" }));
  const { file } = await pageOf(output);
  await using still = await open(file, { scripts: false });
  assertEquals(await still.evaluate("document.querySelectorAll('img').length"), 1);
  const mini = { name: "mini", included: "mini-learned" }, own = { name: "own", sha256: "0".repeat(64) };
  const { file: other, said } = await pageOf({ ...output, [LIVE]: { models: [mini, own], text: "to" } });
  assertEquals(said, [
    'a live cell is shown as its figure: its model "own" is not there; run the notebook for it',
  ]);
  assert(!(await Deno.readTextFile(other)).includes("data-block"));
});

Deno.test({ name: "a page has live cells beside figures, and headings of any name", ignore }, async () => {
  const data = [{ type: "scatter", mode: "lines", x: [1, 2], y: [2, 1] }];
  const figure = {
    "application/vnd.plotly.v1+json": { data, layout: { width: 500, height: 300 } },
    "text/plain": "f",
  };
  const { file } = await pageOf(
    { "text/markdown": "## Deno\n\n## _tfengine\n\n## Plotly\n\n## process\n\n## app" },
    await displayed(live("mini", { text: "the film" })),
    figure,
  );
  await using page = await open(file, { width: 1200 });
  await started(page, 1);
  await until(() => page.evaluate(`document.querySelector(".figure svg.main-svg .trace") !== null`));
  assertEquals(page.complaints, []);
});

Deno.test({ name: "a hostile live cell or model starts nothing of its own", ignore }, async () => {
  const evil = `</script><img src=x onerror="window.pwned = 1">"'&<b>`;
  const output = await displayed(live("mini", { text: `${evil} film` }));
  const named = {
    ...output,
    [LIVE]: { ...output[LIVE] as LiveCell, models: [{ name: evil, included: "mini-learned" }] },
  };
  // A model whose file is not one, of the right name.
  const bytes = new TextEncoder().encode(`{"a":1}${"x".repeat(5000)}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  await Deno.mkdir(`${folder}/live`, { recursive: true });
  await Deno.writeFile(`${folder}/live/${digest}.safetensors`, bytes);
  const broken = { ...output, [LIVE]: { models: [{ name: "own", sha256: digest }], text: "to" } };
  const { file } = await pageOf(named, broken);
  await using page = await open(file);
  await started(page, 1);
  await until(() =>
    Promise.resolve(page.complaints.some((text) => text.includes("A live cell stays as it is")))
  );
  assertEquals(await page.evaluate("window.pwned ?? 0"), 0);
  assertEquals(
    await page.evaluate(`document.querySelectorAll(".live img, .live b, .live script").length`),
    0,
  );
  assertEquals(await page.evaluate(`document.querySelector(".live h3").textContent`), evil);
  const left = `document.querySelectorAll("[data-live] img").length`;
  assertEquals(await page.evaluate(left), 1, "the broken one stays");
  // A file that was changed, and one that is too large.
  await Deno.writeFile(`${folder}/live/${digest}.safetensors`, new Uint8Array(8));
  assertEquals((await pageOf(broken)).said, [
    'a live cell is shown as its figure: its model "own" is not the one that the cell had',
  ]);
  await Deno.truncate(`${folder}/live/${digest}.safetensors`, 50e6);
  assertEquals((await pageOf(broken)).said, [
    'a live cell is shown as its figure: its model "own" has 50 MB, where 40 are allowed',
  ]);
});

Deno.test("`deno task page` makes a page of a model's file, and refuses what is none in a sentence", async () => {
  const own = `${folder}/own.safetensors`, out = `${folder}/pages/own.html`;
  await saveModel(small({ context: 16 }), own);
  const page = async (...args: string[]) => {
    const { code, err } = await endOf(startTask("page", args));
    return [code, err] as const;
  };
  assertEquals(await page("--model", own, "--text", "few 🙂".repeat(30), "--out", out), [0, ""]);
  const html = await Deno.readTextFile(out);
  assertEquals(html.match(/<div data-live="/g)?.length, 2);
  assert(html.includes("<h1>own</h1>") && !html.includes("plotly"));
  const again = await page("--model", own, "--text", "few 🙂".repeat(30), "--out", out);
  assertEquals(again, [0, ""], "a page is made again");
  const before = await Deno.readFile(own), notes = `${folder}/notes.md`;
  await Deno.writeTextFile(notes, "# Mine\n");
  for (
    const [args, sentence] of [
      [
        ["--model", own, "--out", notes],
        /^Cannot write the page to .*notes\.md as another file is there: choose/,
      ],
      [["--model", own, "--out", own], /^Cannot write the page to .*own\.safetensors as it is the model/],
      [["--model", "nosuch", "--out", `${folder}/none/x.html`], /^Cannot find model "nosuch"/],
      [["--model", own, "--text", "a".repeat(5001), "--out", out], /text of 1 to 5000 characters/],
      [["--model", `${root}README.md`, "--out", out], /^Cannot read .*README\.md as safetensors/],
    ] as const
  ) {
    const [code, err] = await page(...args);
    assertEquals(code, 2, err);
    assert(sentence.test(err) && !err.includes("\n"), err);
  }
  assertEquals(await Deno.readFile(own), before);
  assertEquals(await exists(`${folder}/none`), false);
  assertEquals(await Deno.readTextFile(out), html);
});
