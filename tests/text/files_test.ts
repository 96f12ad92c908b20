import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InputError } from "../../lib/errors.ts";
import { tokenizerFrom, trainBpe } from "../../lib/text/bpe.ts";
import { loadBpe, saveBpe } from "../../lib/text/files.ts";

/** OpenAI's own files, where they lie beside the repository. */
const released = fileURLToPath(new URL("../../../shared/bpe", import.meta.url));
const absent = await Deno.stat(released).then(() => false, () => true);

Deno.test({
  name: "the released vocabulary gives the golden ids (skipped where its files are absent)",
  ignore: absent,
  async fn() {
    const bpe = await loadBpe(released);
    assert.equal(bpe.size, 40478);
    assert.equal(bpe.merges.length, 40000);
    const golden: [text: string, ids: number[]][] = [
      ["the president is", [481, 4735, 544]],
      ["tokenization", [571, 2987, 26922]],
      ["transformer", [2973, 5353]],
      ["antidisestablishmentarianism", [2693, 15876, 4916, 10832, 1448, 40441, 37590]],
      ["é", [300]],
      ["日", [0]],
      [".", [239]],
      ["...", [749]],
      ["very positive negative", [963, 6353, 9503]],
    ];
    for (const [text, ids] of golden) assert.deepEqual([...bpe.encode(text)], ids, text);
    assert.equal(bpe.encode("can't")[1], 538);
    assert.equal(bpe.encode("I'm")[1], 719);
    assert.equal(bpe.encode("a\n\n\nb")[1], 40477);
    // What GPT-1 says after "the president is": the ids of a published test of the model.
    const story = [
      481,
      4735,
      544,
      246,
      963,
      870,
      762,
      239,
      244,
      40477,
      244,
      249,
      719,
      881,
      487,
      544,
      240,
      244,
      603,
      481,
    ];
    assert.deepEqual(
      [...bpe.encode('The president is a very good man."\n\n"I\'m sure he is," said the')],
      story,
    );
    assert.equal(
      bpe.decode(story),
      'the president is a very good man . " \n " i \'m sure he is , " said the',
    );
  },
});

/** Runs with a folder that goes afterwards. */
async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** That the promise is refused with an `InputError` of this message. */
async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\.$/);
    return true;
  });
}

const bpe = trainBpe("the cat sat on the mat , 𝔸 é 1 2 __proto__ constructor", { merges: 12 });

Deno.test("a saved vocabulary loads as it was", async () => {
  await inFolder(async (folder) => {
    await saveBpe(bpe, `${folder}/new`);
    await saveBpe(bpe, `${folder}/new`); // over itself
    const names = [...Deno.readDirSync(`${folder}/new`)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["encoder_bpe_12.json", "vocab_12.bpe"]); // and no temporary file
    const loaded = await loadBpe(`${folder}/new`);
    assert.equal(JSON.stringify(loaded), JSON.stringify(bpe));
    assert.deepEqual(loaded.encode("the mats 𝔸"), bpe.encode("the mats 𝔸"));
  });
});

Deno.test("a folder that holds another vocabulary is not mixed with a new one", async () => {
  await inFolder(async (folder) => {
    await saveBpe(bpe, folder);
    await refused(saveBpe(trainBpe("a b", { merges: 0 }), folder), /must hold no other/);
  });
});

Deno.test("missing folders and files are refused", async () => {
  await inFolder(async (folder) => {
    await refused(loadBpe(`${folder}/none`), /must be a folder/);
    await refused(loadBpe(folder), /one file encoder_bpe_\*\.json: current number is 0/);
    await Deno.writeTextFile(`${folder}/file`, "");
    await refused(loadBpe(`${folder}/file`), /must be a folder/);
    await refused(saveBpe(bpe, `${folder}/file`), /current path is a file/);
    await Deno.writeTextFile(`${folder}/encoder_bpe_1.json`, "{}");
    await refused(loadBpe(folder), /one file vocab_\*\.bpe: current number is 0/);
    await Deno.mkdir(`${folder}/vocab_1.bpe`);
    await Deno.writeTextFile(`${folder}/encoder_bpe_1.json`, '{"a":0}');
    await refused(loadBpe(folder), /vocab_1\.bpe as it must be a file/);
  });
});

Deno.test("hostile files are refused with their name and line", async () => {
  const encoder = '{"<unk>":0,"a":1,"b":2,"ab":3}', vocab = "#version: 0.2\na b\n";
  const cases: [encoder: string, vocab: string, message: RegExp][] = [
    ["", vocab, /encoder_bpe_1\.json as it must be JSON/],
    ["[1]", vocab, /must be a JSON object/],
    ["null", vocab, /must be a JSON object/],
    ["{}", vocab, /at least one piece/],
    ['{"a":0,"b":2}', vocab, /id of "b" must be an integer from 0 to 1: current id is 2/],
    ['{"a":0,"b":"1"}', vocab, /current id is "1"/],
    ['{"a":0,"b":-1}', vocab, /current id is -1/],
    ['{"a":0,"b":0}', vocab, /current id 0 belongs to "a" and "b"/],
    ['{"a":0,"b":1,"ab":2,"":3}', vocab, /piece 3 of .*encoder_bpe_1\.json must be a string/],
    [encoder, "\n", /vocab_1\.bpe:1 as it must start with #version/],
    [encoder, "a b\n", /vocab_1\.bpe:1 as it must start with #version/],
    [encoder, "#version: 0.2\na b\na\n", /vocab_1\.bpe:3 as a line must hold two pieces/],
    [encoder, "#version: 0.2\na b a\n", /vocab_1\.bpe:2 as a line must hold two pieces/],
    [encoder, "#version: 0.2\n\na b\n", /vocab_1\.bpe:2 as a line must hold two pieces/],
    [encoder, "#version: 0.2\nb a\n", /vocab_1\.bpe:2 must join .*"ba"/],
    [encoder, "#version: 0.2\na b\na b\n", /vocab_1\.bpe:3 must differ/],
  ];
  await inFolder(async (folder) => {
    for (const [json, lines, message] of cases) {
      await Deno.writeTextFile(`${folder}/encoder_bpe_1.json`, json);
      await Deno.writeTextFile(`${folder}/vocab_1.bpe`, lines);
      await refused(loadBpe(folder), message);
    }
    await Deno.writeTextFile(`${folder}/encoder_bpe_1.json`, encoder);
    await Deno.writeTextFile(`${folder}/vocab_1.bpe`, vocab.replaceAll("\n", "\r\n"));
    assert.deepEqual((await loadBpe(folder)).merges, [["a", "b"]]); // CRLF is fine
    await Deno.truncate(`${folder}/vocab_1.bpe`, 64 * 2 ** 20 + 1);
    await refused(loadBpe(folder), /at most 67108864 bytes: current size is 67108865/);
  });
});

Deno.test("a truncated merges file is rejected, at a line's end and within a line", async () => {
  await inFolder(async (folder) => {
    await saveBpe(bpe, folder);
    const path = `${folder}/vocab_12.bpe`, whole = await Deno.readTextFile(path);
    for (let length = 0; length < whole.length; length++) {
      await Deno.writeTextFile(path, whole.slice(0, length));
      await refused(
        loadBpe(folder),
        /vocab_12\.bpe(:\d+ as it must start| as it must end| as it must be named)/,
      );
    }
    await Deno.writeTextFile(path, whole.slice(0, -1)); // As far as can be told, the last line may go on.
    await refused(
      loadBpe(folder),
      /vocab_12\.bpe as it must end with a line break: its last line may be truncated$/,
    );
    // Under the name of what is left of it, it lacks what gives the other pieces.
    const lines = whole.split("\n");
    await Deno.remove(path);
    await Deno.remove(`${folder}/encoder_bpe_12.json`);
    await Deno.writeTextFile(`${folder}/vocab_11.bpe`, [...lines.slice(0, 12), ""].join("\n"));
    await Deno.writeTextFile(
      `${folder}/encoder_bpe_11.json`,
      JSON.stringify(Object.fromEntries(bpe.encoder)),
    );
    await refused(
      loadBpe(folder),
      /encoder_bpe_11\.json as each piece must be one character or the result of a merge: current piece is "/,
    );
  });
});

Deno.test("messages of hostile files are short and printable, and in the kit's own words", async () => {
  const long = "x".repeat(200_000), odd = "\u001b[31m\u0085\u202e";
  const cases: [encoder: string, vocab: string][] = [
    [`{"a":${long}`, ""],
    [JSON.stringify({ [long]: -1 }), ""],
    [JSON.stringify({ [odd]: odd.repeat(99) }), ""],
    [JSON.stringify({ a: 0, [odd + long]: 0 }), ""],
    ["[".repeat(100_000) + "]".repeat(100_000), ""],
    [`{"a":0,"b":${"[".repeat(50_000)}${"]".repeat(50_000)}}`, ""],
    ['{"a":0}', odd + long],
    ['{"a":0}', `#version\n${odd} ${long} ${odd}\n`],
    ['{"a":0}', `#version\n${odd} ${long}\n`],
    [JSON.stringify({ "<unk>": 0, [odd + long]: 1 }), "#version\n"],
    [JSON.stringify({ "<unk>": 0, [odd.repeat(30)]: 1 }), "#version\n"],
    ['{"a":0,"\\ud83d":1}', "#version\n"],
  ];
  await inFolder(async (folder) => {
    for (const [json, lines] of cases) {
      await Deno.writeTextFile(`${folder}/encoder_bpe_0.json`, json);
      await Deno.writeTextFile(`${folder}/vocab_0.bpe`, lines);
      await refused(loadBpe(folder), /^Cannot \P{C}{1,285}$/u);
      await refused(loadBpe(folder), /^(?!.*(JSON at|Unexpected|position|Maximum))/u);
    }
    await Deno.writeFile(`${folder}/encoder_bpe_0.json`, Uint8Array.of(0x7b, 0x22, 0xff, 0x22));
    await refused(loadBpe(folder), /as it must be UTF-8: current bytes are not$/);
  });
});

Deno.test("a vocabulary that the format cannot hold is not written", async () => {
  await inFolder(async (folder) => {
    const orphan = tokenizerFrom({ pieces: ["<unk>", "a", "hello</w>"], merges: [] });
    await refused(saveBpe(orphan, folder), /current piece is "hello<\/w>"$/);
    const spaced = tokenizerFrom({ pieces: ["<unk>", "a", " ", "a "], merges: [["a", " "]] });
    await refused(saveBpe(spaced, folder), /must be without white space: current piece is " "$/);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("any vocabulary that training makes is read back to the same ids, one from broken text, too", async () => {
  const odd = [
    "hi😀".slice(0, 3),
    "\udc00a \ud83d\ud83d\ude00",
    "a\u2028b\u0085c\u200bd",
    "\ufeffx\u00a0y\rz\u001c",
  ];
  const points = [
    0x41,
    0xe9,
    0x130,
    0x301,
    0x3000,
    0xd83d,
    0xde00,
    0xfffd,
    0x1d538,
    0x1f600,
    0x2f,
    0x20,
    0x0a,
  ];
  for (let i = 0; i < 40; i++) {
    odd.push(
      Array.from(
        { length: 60 },
        (_, j) => String.fromCodePoint(points[(i * 7 + j * j * 3 + i * j) % points.length]!),
      ).join(""),
    );
  }
  for (const text of odd) {
    await inFolder(async (folder) => {
      const made = trainBpe(`${text} ${text} a`, { merges: 20 });
      await saveBpe(made, folder);
      const again = await loadBpe(folder);
      assert.deepEqual([...again.encode(text)], [...made.encode(text)]);
      assert.equal(JSON.stringify(again), JSON.stringify(made));
    });
  }
  assert.deepEqual(
    [...trainBpe("hi😀".slice(0, 3), { merges: 3 }).encode("hi\ud83d")],
    [...trainBpe("hi\ufffd", { merges: 3 }).encode("hi\ufffd")],
  );
});
