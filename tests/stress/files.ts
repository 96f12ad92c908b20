/**
 * Files that are not what they say: genuine small ones, damaged byte by byte or forged in their JSON, some with their
 * checksum made right again. Each must be refused in one short sentence, or give a right value: what the genuine file
 * gives, or, where nothing in the file tells, another value that holds together. That is: it is finite and complete,
 * and what is written of it is read back as the same. A file whose checksum does not fit may give nothing but the
 * genuine value.
 *
 * @module
 */
import { assertEquals } from "../assert.ts";
import * as tf from "../../lib/tfjs.ts";
import { backend } from "../../lib/engine/mod.ts";
import { digest } from "../../lib/digest.ts";
import { InputError } from "../../lib/errors.ts";
import { allFinite } from "../../lib/foreign.ts";
import {
  addHead,
  decodeSafetensors,
  dispose,
  generate,
  gpt,
  type LanguageModel,
  leaves,
  loadReleased,
  presets,
  saveReleased,
  shapes,
  withArchitecture,
} from "../../lib/model/mod.ts";
import { decodeNpy } from "../../lib/model/npy.ts";
import { ablate } from "../../lib/study/mod.ts";
import { baselinesOf, isPretraining } from "../../lib/study/plan.ts";
import { planOf } from "../../lib/study/tuning.ts";
import { finetunedRows, pretrainedRows } from "../../lib/study/rows.ts";
import { loadBpe, saveBpe, trainBpe } from "../../lib/text/mod.ts";
import { adamState, disposeAdam, pretrain } from "../../lib/train/mod.ts";
import {
  type CheckpointOptions,
  loadModel,
  loadTrained,
  modelDigest,
  progressOf,
  resume,
  saveCheckpoint,
  saveModel,
} from "../../lib/train/checkpoint.ts";
import { sky, weather, words } from "../study/weather.ts";
import { fileOf, type Header, partsOf, resigned, sealed } from "../train/resigned.ts";
import { faultOf } from "./functions.ts";
import { damaged, dice, forged, oneOf, type Roll, textOf } from "./mutate.ts";
import type { Outcome, Part } from "./part.ts";

/** Milliseconds in which a file must be read or refused. */
const SOON = 2000;
/** Bytes of memory that it may take more than there were. */
const MUCH = 300 * 2 ** 20;
/** Attacks of a full run. */
const TIMES = 2000;

type Bytes = Uint8Array<ArrayBuffer>;

/** A file to read. */
interface Attack {
  /** What was done to it. */
  readonly how: string;
  /** Reads it; says what is wrong with what it gives. */
  read(): Promise<string | undefined>;
}

/** A part of the attacks, in a folder of its own. */
function part(about: string, begin: (folder: string) => Promise<(roll: Roll) => Promise<Attack>>): Part {
  return {
    about,
    times: TIMES,
    async *attacks(seed) {
      await backend();
      const folder = await Deno.makeTempDir();
      try {
        const next = await begin(folder);
        for (let i = 0;; i++) {
          const { how, read } = await next(dice(seed, about, i));
          yield await outcomeOf(how, read);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  };
}

async function outcomeOf(name: string, read: Attack["read"]): Promise<Outcome> {
  let { wrong, ms, bytes } = await measured(read);
  // A second time: the machine may have had other work.
  if (wrong === undefined && (ms > SOON || bytes > MUCH)) ({ wrong, ms, bytes } = await measured(read));
  if (ms > SOON) wrong ??= `it took ${ms.toFixed(0)} ms`;
  if (bytes > MUCH) wrong ??= `it took ${(bytes / 2 ** 20).toFixed(0)} MB`;
  return { name, seconds: ms / 1e3, megabytes: bytes / 2 ** 20, ...wrong !== undefined && { wrong } };
}

async function measured(
  read: Attack["read"],
): Promise<{ wrong?: string | undefined; ms: number; bytes: number }> {
  const tensors = tf.memory().numTensors, before = memory(), begin = performance.now();
  let wrong: string | undefined;
  try {
    wrong = await read();
  } catch (error) {
    wrong = error instanceof InputError ? faultOf(error.message) : `it threw ${Deno.inspect(error)}`;
  }
  const ms = performance.now() - begin, left = tf.memory().numTensors - tensors;
  if (left !== 0) wrong ??= `it left ${left} tensors`;
  return { wrong, ms, bytes: memory("most") - before };
}

/** Bytes of this process: now, or the most since that was asked, where Linux tells it and all is allowed. */
function memory(which?: "most"): number {
  try {
    const [, most] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))!;
    if (which === "most") return 1024 * Number(most);
    Deno.writeTextFileSync("/proc/self/clear_refs", "5"); // The most is counted from here.
  } catch { /* What is there at the end tells the most part of it. */ }
  return Deno.memoryUsage().rss;
}

/** What is wrong with a difference that should not be. */
function unlike(found: unknown, expected: unknown, what: string): string | undefined {
  try {
    assertEquals(found, expected);
  } catch (error) {
    return `${what} is another: ${(error as Error).message.slice(0, 400)}`;
  }
  return undefined;
}

/** Calls one after the other: each may refuse, and must then do so in one short sentence. */
async function eachOf(...calls: (() => Promise<string | undefined>)[]): Promise<string | undefined> {
  for (const call of calls) {
    try {
      const wrong = await call();
      if (wrong !== undefined) return wrong;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const wrong = faultOf(error.message);
      if (wrong !== undefined) return wrong;
    }
  }
  return undefined;
}

const text = "to be or not to be that is the question whether it is nobler in the mind";
const tokenizer = trainBpe(text, { merges: 12 });
const tiny = { ...presets.smoke, layers: 1, width: 8, heads: 2, context: 8 };

/** What is wrong with a model in itself. */
async function faultIn(lm: LanguageModel): Promise<string | undefined> {
  const outputs = lm.task && (lm.task.kind === "choice" ? 1 : lm.task.labels.length);
  const needed = Array.from(shapes(lm.config, outputs), ([name, { shape }]) => [name, shape] as const);
  const wrong = unlike(leaves(lm).map(([name, leaf]) => [name, leaf.shape]), needed, "its shapes");
  if (wrong !== undefined) return wrong;
  for (const [name, leaf] of leaves(lm)) {
    if (!allFinite(await leaf.data<"float32">())) return `${name} is not finite`;
  }
  if (lm.tokenizer.size !== lm.config.vocabulary) return "its tokenizer has another size";
  return undefined;
}

const sum = async (lm: LanguageModel) => digest([await modelDigest(lm), lm.seed, lm.task]);

/** Runs with a model, which goes afterwards. */
async function using<Result>(
  lm: LanguageModel,
  use: (lm: LanguageModel) => Promise<Result>,
): Promise<Result> {
  try {
    return await use(lm);
  } finally {
    dispose(lm);
  }
}

/** `loadModel` and what reads the same files. */
export const checkpoints: Part = part(
  "damaged and forged checkpoints, by loadModel, progressOf and resume",
  async (folder) => {
    const task = { name: "nli", kind: "entailment" as const, labels: ["yes", "no", "maybe"] };
    const made = {
      key: "k",
      updates: 4,
      batch: 2,
      seconds: 1.5,
      provenance: { version: "1", versions: { deno: "2" }, backend: "cpu", machine: "any" },
    };
    const run = `${folder}/run.part`, path = `${folder}/attack`, again = `${folder}/again`;
    const written = async (lm: LanguageModel, options: CheckpointOptions = {}) => {
      await using(lm, () => saveCheckpoint(lm, path, options));
      return await Deno.readFile(path);
    };
    const tuned = gpt(tiny, { tokenizer, seed: 3 });
    addHead(tuned.parameters, task.kind, 3, 3);
    const beginning = () => gpt({ ...tiny, positions: { kind: "sinusoidal" } }, { tokenizer, seed: 5 });
    const settings: Record<string, unknown> = {};
    await using(
      beginning(),
      async (lm) =>
        void await pretrain(lm, { train: text.repeat(3) }, { updates: 2, batch: 2, checkpoint: run }),
    );
    const ofRun = resigned(await Deno.readFile(run), (header) => { // Seconds differ from run to run.
      header.__metadata__["seconds"] = "0.125";
    });
    Object.assign(settings, JSON.parse(partsOf(ofRun).header.__metadata__["settings"]!));
    const files = [
      await written({ ...tuned, task }, { made }),
      ofRun,
      ofRun,
      await written(gpt(withArchitecture(tiny, "lstm", { units: 4 }), { tokenizer }), { half: true }),
      await written(gpt({ ...withArchitecture(tiny, "gpt2"), positions: { kind: "none" } }, { tokenizer }), {
        made,
      }),
    ];
    const sums: string[] = [];
    for (const file of files) {
      await Deno.writeFile(path, file);
      sums.push(await using(await loadModel(path), sum));
    }

    return async (roll) => {
      const which = roll(files.length), file = files[which]!, other = oneOf(files, roll);
      const { how, bytes, isSealed } = attacked(file, other, roll);
      await Deno.writeFile(path, bytes);
      const isAnother = (found: string) =>
        isSealed || found === sums[which] ? undefined : "its damage was not seen";
      return {
        how: `checkpoint ${which}, ${how}${isSealed ? ", checksum made right" : ""}`,
        read: () =>
          eachOf(
            async () =>
              await using(await loadModel(path), async (lm) => {
                const wrong = await faultIn(lm) ?? isAnother(await sum(lm));
                if (wrong !== undefined) {
                  return wrong;
                }
                await saveModel(lm, again);
                if (await using(await loadModel(again), sum) !== await sum(lm)) {
                  return "it is not read back as the same";
                }
                await generate(lm, "to be", { tokens: 2 });
                return undefined;
              }),
            async () => {
              const found = (await progressOf(path))!;
              const counts = [found.update, found.updates, found.batch];
              return counts.every(Number.isSafeInteger) && found.update <= found.updates && found.seconds >= 0
                ? undefined
                : `its progress is ${Deno.inspect(found)}`;
            },
            async () => await using((await loadTrained(path, "k")).lm, () => Promise.resolve(undefined)),
            async () =>
              await using(beginning(), async (lm) => {
                const variables = leaves(lm).map(([, leaf]) => leaf).filter((leaf) => leaf.trainable);
                const state = adamState(variables), start = await sum(lm);
                try {
                  await resume(path, lm, { state, settings });
                  const all = [...variables, ...state.m, ...state.v];
                  for (const each of all) {
                    if (!allFinite(await each.data<"float32">())) return "what is resumed is not finite";
                  }
                  return state.update <= 2 ? undefined : `it goes on at update ${state.update}`;
                } catch (error) {
                  if (error instanceof InputError && await sum(lm) !== start) {
                    return "what was refused has changed the model";
                  }
                  throw error;
                } finally {
                  disposeAdam(state);
                }
              }),
          ),
      };
    };
  },
);

/** A checkpoint or any safetensors file, damaged or forged. */
function attacked(file: Bytes, other: Bytes, roll: Roll): { how: string; bytes: Bytes; isSealed: boolean } {
  const { header, data } = partsOf(file);
  const way = roll(20);
  if (way < 4) return { ...damaged(file, other, roll), isSealed: false };
  if (way < 7) {
    const { how, bytes } = damaged(data, partsOf(other).data, roll);
    return { how: `data: ${how}`, bytes: sealed(JSON.stringify(header), bytes), isSealed: true };
  }
  if (way === 7) {
    return {
      how: "another's data",
      bytes: sealed(JSON.stringify(header), partsOf(other).data),
      isSealed: true,
    };
  }
  if (way === 8) { // A part of another's header.
    const name = oneOf(Object.keys(header), roll), its = partsOf(other).header;
    const mixed = { ...header, [name]: its[name] ?? its.__metadata__ };
    return { how: `another's ${name}`, bytes: sealed(JSON.stringify(mixed), data), isSealed: true };
  }
  if (way === 9) {
    const { how, bytes } = damaged(new TextEncoder().encode(JSON.stringify(header)), file, roll);
    return { how: `header: ${how}`, bytes: sealed(new TextDecoder().decode(bytes), data), isSealed: true };
  }
  const isSealed = way > 10;
  const { how, text } = forgedHeader(header, roll);
  return { how, bytes: isSealed ? sealed(text, data) : fileOf(text, data), isSealed };
}

/** A header with something changed in it, or in the JSON that its metadata holds. */
function forgedHeader(header: Header, roll: Roll): { how: string; text: string } {
  const { __metadata__: metadata, ...tensors } = header;
  if (metadata === undefined || !("config" in metadata) || roll(4) === 0) {
    const { how, value } = forged(roll(2) ? tensors : header, roll);
    return {
      how,
      text: textOf(
        metadata && !("__metadata__" in Object(value))
          ? { __metadata__: metadata, ...value as object }
          : value,
      ),
    };
  }
  const { sha256, format, ...rest } = metadata;
  const inner = Object.fromEntries(
    Object.entries(rest).map(([name, json]) => [name, /^[{[]/.test(json) ? JSON.parse(json) : json]),
  );
  const { how, value } = forged(inner, roll);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { how, text: textOf({ ...header, __metadata__: value }) };
  }
  const outer = Object.fromEntries(
    Object.entries(value).map((
      [name, part],
    ) => [
      name,
      typeof part === "string" || (part !== null && typeof part !== "object") ? part : textOf(part),
    ]),
  );
  return { how, text: textOf({ __metadata__: { format, sha256, ...outer }, ...tensors }) };
}

/** What is wrong with released weights that were loaded, in themselves or as `saveReleased` writes them. */
async function faultOfReleased(path: string, folder: string): Promise<string | undefined> {
  const options = { tokenizer, heads: tiny.heads };
  return await using(await loadReleased(path, options), async (lm) => {
    const wrong = await faultIn(lm);
    if (wrong !== undefined) return wrong;
    const again = `${folder}/again.safetensors`;
    await saveReleased(lm, again);
    return await using(await loadReleased(again, options), sum) === await sum(lm)
      ? undefined
      : "it is not read back as the same";
  });
}

/** `loadReleased`, of Hugging Face's format, and its reader. */
export const safetensors: Part = part("damaged and forged safetensors, by loadReleased", async (folder) => {
  const files: Bytes[] = [];
  for (const layers of [1, 2]) {
    await using(
      gpt({ ...tiny, layers }, { tokenizer }),
      (lm) => saveReleased(lm, `${folder}/genuine.safetensors`),
    );
    files.push(await Deno.readFile(`${folder}/genuine.safetensors`));
  }
  const path = `${folder}/attack.safetensors`;
  return async (roll) => {
    const which = roll(2), { how, bytes } = attacked(files[which]!, files[1 - which]!, roll);
    await Deno.writeFile(path, bytes);
    return {
      how: `file ${which}, ${how}`,
      read: () =>
        eachOf(
          () => {
            const { tensors, metadata } = decodeSafetensors(bytes.slice(), path);
            for (const [name, { shape, data }] of tensors) {
              if (data.length !== shape.reduce((a, b) => a * b, 1)) {
                return Promise.resolve(`${name} has another size`);
              }
            }
            const isText = Object.values(metadata).every((value) => typeof value === "string");
            return Promise.resolve(isText ? undefined : "its metadata is no text");
          },
          () => faultOfReleased(path, folder),
        ),
    };
  };
});

/** `loadReleased`, of OpenAI's format, and its reader. */
export const npy: Part = part(
  "damaged and forged npy files and their shapes, by loadReleased",
  async (folder) => {
    const model = `${folder}/model`;
    await using(gpt({ ...tiny, layers: 2 }, { tokenizer }), (lm) => saveReleased(lm, model));
    const names = [...Deno.readDirSync(model)].map(({ name }) => name).sort();
    const genuine = new Map<string, Bytes>();
    for (const name of names) genuine.set(name, await Deno.readFile(`${model}/${name}`));
    let last: string | undefined;
    return async (roll) => {
      if (last !== undefined) await Deno.writeFile(`${model}/${last}`, genuine.get(last)!);
      const name = last = roll(3) === 0 ? "params_shapes.json" : oneOf(names, roll),
        bytes = genuine.get(name)!;
      const other = genuine.get(oneOf(names, roll))!;
      const attack = ((): { how: string; bytes: Bytes } => {
        if (name.endsWith(".json")) {
          if (roll(4) === 0) return damaged(bytes, other, roll);
          const { how, value } = forged(JSON.parse(new TextDecoder().decode(bytes)), roll);
          return { how, bytes: new TextEncoder().encode(textOf(value)) };
        }
        if (roll(2)) return damaged(bytes, other, roll);
        const end = bytes.indexOf(10) + 1, { how, bytes: header } = damaged(bytes.slice(0, end), other, roll);
        const number = ["-1", "0", "1e9", "9".repeat(400), "3e8", "1, 2", "\u001b[2J"][roll(7)]!;
        const shaped = new TextDecoder("latin1").decode(bytes.subarray(0, end)).replace(
          /\(\d+/,
          `(${number}`,
        );
        const start = roll(2) ? header : Uint8Array.from(shaped, (char) => char.charCodeAt(0));
        return { how: `header: ${how}`, bytes: new Uint8Array([...start, ...bytes.subarray(end)]) };
      })();
      await Deno.writeFile(`${model}/${name}`, attack.bytes);
      return {
        how: `${name}, ${attack.how}`,
        read: () =>
          eachOf(
            () => (decodeNpy(attack.bytes, name), Promise.resolve(undefined)),
            () => faultOfReleased(model, folder),
          ),
      };
    };
  },
);

/** `loadBpe`. */
export const bpe: Part = part("damaged and forged files of a vocabulary, by loadBpe", async (folder) => {
  const vocabulary = trainBpe(`${text} é 日 😀 __proto__ constructor 1 2`, { merges: 30 });
  const [model, again] = [`${folder}/model`, `${folder}/again`];
  await saveBpe(vocabulary, model);
  const names = ["encoder_bpe_30.json", "vocab_30.bpe"] as const;
  const genuine = await Promise.all(names.map((name) => Deno.readFile(`${model}/${name}`)));
  return async (roll) => {
    for (const [i, name] of names.entries()) await Deno.writeFile(`${model}/${name}`, genuine[i]!);
    const which = roll(2), name = names[which]!, file = genuine[which]!;
    const { how, bytes } = which === 0 && roll(3) > 0
      ? (({ how, value }) => ({ how, bytes: new TextEncoder().encode(textOf(value)) as Bytes }))(
        forged(JSON.parse(new TextDecoder().decode(file)), roll),
      )
      : which === 1 && roll(2)
      ? damagedLines(file, roll)
      : damaged(file, genuine[roll(2)]!, roll);
    await Deno.writeFile(`${model}/${name}`, bytes);
    return {
      how: `${name}, ${how}`,
      async read() {
        const found = await loadBpe(model);
        if (found.merges.length !== 30) return `it has ${found.merges.length} merges`;
        const products = new Set(found.merges.map(([left, right]) => left + right));
        const base = found.pieces.filter((piece) => !products.has(piece) && piece !== "<unk>");
        const odd = base.find((piece) => !/^.(<\/w>)?$/su.test(piece));
        if (odd !== undefined) return `no merge gives its piece ${odd}`;
        if (products.size < new Set(vocabulary.merges.map(([left, right]) => left + right)).size - 1) {
          return "merges are missing";
        }
        const ids = found.encode(`${text} é 日 😀 __proto__`);
        if (ids.some((id) => id < 0 || id >= found.size)) return "it gives ids that it has not";
        found.decode(ids);
        await saveBpe(found, again);
        const back = await loadBpe(again);
        return unlike(JSON.stringify(back), JSON.stringify(found), "what is read back") ??
          unlike(back.encode(text), ids.slice(0, back.encode(text).length), "what it encodes");
      },
    };
  };
});

/** A file of lines with some of them gone, swapped, twice or joined. */
function damagedLines(file: Bytes, roll: Roll): { how: string; bytes: Bytes } {
  const lines = new TextDecoder().decode(file).split("\n"), at = roll(lines.length), to = roll(lines.length);
  const how = ["cut after", "without", "twice", "swapped", "with a space in", "joined to the next"][roll(6)]!;
  if (how === "cut after") lines.splice(at, Infinity, ...roll(2) ? [""] : []);
  else if (how === "without") lines.splice(at, 1);
  else if (how === "twice") lines.splice(at, 0, lines[at]!);
  else if (how === "swapped") [lines[at], lines[to]] = [lines[to]!, lines[at]!];
  else if (how === "with a space in") lines[at] = lines[at]!.replace(/./u, "$& ");
  else lines.splice(at, 2, lines.slice(at, at + 2).join(""));
  return { how: `lines: ${how} ${at}`, bytes: new TextEncoder().encode(lines.join("\n")) };
}

/** What a study reads of its results. */
export const results: Part = part(
  "damaged and forged results of runs, as a study reads them",
  async (folder) => {
    const rows = Array.from(
      { length: 16 },
      (_, i) => ({ text: `${words[i % 10]} ${i % 2 ? "warm" : "cold"}`, label: i % 2 }),
    );
    const sure = sky(rows, rows, rows.slice(0, 8));
    const grades = rows.map((row, i) => ({ ...row, label: (i % 5) / 4 }));
    const graded = {
      ...sky(grades, grades, grades.slice(0, 8)),
      name: "grades",
      measures: ["pearson", "spearman"] as const,
    };
    const choice = {
      ...{ ...sure, name: "choice", kind: "choice" as const, zeroShot: { by: "choice" as const } },
      ...Object.fromEntries(["train", "validation", "test"].map((split) => [
        split,
        Array.from(
          { length: 6 },
          (_, i) => ({ context: words[i]!, choices: ["sun rain", "wind"], label: i % 2 }),
        ),
      ])),
    };
    const study = {
      ...weather,
      ...{
        tasks: [sure, graded as typeof sure],
        zeroShot: [choice as unknown as typeof sure],
        lambda: [0.5],
        seeds: 1,
      },
      ...{ positions: ["learned"] as const, trainExamples: 16, testExamples: 8, folder: `${folder}/study` },
    };
    await ablate({ ...study, workers: 1 });
    const plan = await planOf(study), baselines = baselinesOf(plan);
    const runs = plan.runs.map((run) => ({
      path: run.result,
      row: async (): Promise<object | undefined> =>
        (isPretraining(run) ? await pretrainedRows(run, plan, baselines) : await finetunedRows(run, plan))[0],
    }));
    for (const { path } of runs) { // What differs from run to run, and from machine to machine.
      const { sha256: _, ...file } = JSON.parse(await Deno.readTextFile(path));
      Object.assign(file.provenance, {
        ended: "2020-01-01T00:00:00.000Z",
        seconds: 0.5,
        code: "0",
        revision: "0",
        machine: "a",
      });
      await Deno.writeTextFile(path, JSON.stringify({ ...file, sha256: digest(revived(file)) }));
    }
    const genuine = await Promise.all(
      runs.map(async ({ path, row }) => ({ file: await Deno.readFile(path), row: await row() })),
    );
    let last = 0;
    return async (roll) => {
      await Deno.writeFile(runs[last]!.path, genuine[last]!.file);
      const which = last = roll(runs.length),
        { path, row } = runs[which]!,
        { file, row: expected } = genuine[which]!;
      const other = oneOf(genuine, roll).file;
      const isForged = roll(4) > 0, isSealed = isForged && roll(6) > 0;
      const { how, bytes } = isForged ? forgedResult(file, roll, isSealed) : damaged(file, other, roll);
      await Deno.writeFile(path, bytes);
      return {
        how: `result ${which}, ${how}${isSealed ? ", checksum made right" : ""}`,
        async read() {
          const found = await row();
          if (!isSealed) return unlike(found, expected, "its row");
          return unlike(identity(found), identity(expected), "what its row is of") ??
            faultOfRow(found, "its row");
        },
      };
    };
  },
);

/** What a row says of itself, and what its fields are. */
function identity(row: object | undefined): unknown {
  const { levels, task, seed, tuned, texts, cut, unknown, examples, measure } = row as Record<
    string,
    unknown
  >;
  return [
    levels,
    task,
    seed,
    tuned,
    texts,
    cut,
    unknown,
    examples,
    measure,
    shapeOf(row),
  ];
}

/** The names and types of all that a value holds. */
function shapeOf(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return "numbers"; // Whole ones and others are kept in different types.
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, part]) => [name, shapeOf(part)]),
  );
}

/** What is wrong with the numbers of a row. */
function faultOfRow(value: unknown, path: string): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `${path} is ${value}`;
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Float32Array || value instanceof Float64Array) {
    return allFinite(value) ? undefined : `${path} is not finite`;
  }
  for (const [name, part] of Object.entries(value)) {
    const wrong = faultOfRow(part, `${path}.${name}`);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function forgedResult(file: Bytes, roll: Roll, isSealed: boolean): { how: string; bytes: Bytes } {
  const { sha256, ...rest } = JSON.parse(new TextDecoder().decode(file)) as Record<string, unknown>;
  const { key, format, ...inner } = rest;
  const { how, value } = roll(10) === 0
    ? forged(rest, roll)
    : (({ how, value }) => ({ how, value: { format, key, ...Object(value) } }))(forged(inner, roll));
  const text = textOf(value);
  let sum = sha256;
  try {
    if (isSealed) sum = digest(revived(JSON.parse(text)));
  } catch { /* It has no checksum. */ }
  return { how, bytes: new TextEncoder().encode(text.replace(/\}$/, `,"sha256":"${sum}"}`)) };
}

/** Numbers that are written as base64, as they are read. */
function revived(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(revived);
  const [[name, base64] = [], more] = Object.entries(value);
  const Type = ({ float32: Float32Array, float64: Float64Array } as const)[name as "float32"];
  if (Type && typeof base64 === "string" && !more) return new Type(Uint8Array.fromBase64(base64).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, revived(part)]));
}
