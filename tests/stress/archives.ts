/**
 * Archives that are damaged, lie or want too much, each of which is unpacked.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { unpack } from "../../lib/data/unpack.ts";
import { keyOf, permutation, words } from "../../lib/engine/mod.ts";
import { InputError, quoted } from "../../lib/errors.ts";
import { exists } from "../../lib/files.ts";
import { gzip, type Made, tar, zip } from "../data/archives.ts";
import { bombs, lay } from "../data/bombs.ts";
import { outputOf } from "../programs.ts";
import { faultOf } from "./functions.ts";
import type { Outcome, Part } from "./part.ts";

/** Milliseconds that a small archive may take. */
const SOON = 2000;
/** Bytes by which the heap may grow for a small archive, whatever sizes it declares. */
const GROWTH = 300e6;

/**
 * Bytes of this part's heap, garbage included: how much garbage 50,000 entries leave before it is collected depends on
 * how busy the machine is. Bombs are therefore measured in processes of their own, in tests/data/bombs_test.ts.
 */
function held(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}

/** Archives of several programs, and all texts that stand in them. */
interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly texts: ReadonlySet<string>;
}

/** An archive that is to be unpacked, and what must come of it. */
interface Attack {
  readonly name: string;
  /** Writes it. */
  lay(path: string): Promise<void>;
  /** Whether a file's text may come out of it; none where it must be refused. */
  readonly accepts?: (text: string) => boolean;
  /** Whether it is small. */
  readonly isSmall: boolean;
}

/** Archives that are no good. */
export const archives: Part = {
  about:
    "damaged and hostile archives: each is unpacked rightly or refused in one sentence, and nothing is left",
  times: 100,
  async *attacks(seed) {
    const top = await Deno.makeTempDir();
    try {
      const seeds = await seedsIn(top);
      const order = permutation(keyOf(seed, "stress", "bombs"), bombs.length);
      for (let i = 0;; i++) {
        const bomb = i % 3 === 2 ? bombs[order[(i - 2) / 3] ?? bombs.length] : undefined;
        yield await outcomeOf(
          bomb ? { name: bomb.name, lay: (path) => lay(bomb, path), isSmall: false } : mutant(seeds, seed, i),
          top,
        );
      }
    } finally {
      await Deno.remove(top, { recursive: true });
    }
  },
};

/** Unpacks an archive: what should not have come of it. */
async function outcomeOf({ name, lay, accepts, isSmall }: Attack, top: string): Promise<Outcome> {
  const folder = `${top}/in/here/data`, archive = `${top}/archive`;
  await Deno.mkdir(`${top}/in/here`, { recursive: true });
  await lay(archive);
  const before = held();
  let peak = before;
  const sample = () => peak = Math.max(peak, held());
  const timer = setInterval(sample, 5);
  const begin = performance.now();
  const error = await unpack(archive, folder).then(() => undefined, (error: unknown) => error);
  const took = performance.now() - begin;
  clearInterval(timer);
  sample();
  await Deno.remove(archive);
  const there = await filesIn(folder);
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const around = await filesIn(top);
  await Deno.remove(`${top}/in`, { recursive: true });
  const strange = [...there].find(([, text]) => !accepts?.(text));
  const wrong = error !== undefined && !(error instanceof InputError)
    ? `it ended with ${error}`
    : error !== undefined && faultOf(error.message.replace(archive, "archive")) !== undefined
    ? faultOf(error.message.replace(archive, "archive"))
    : error !== undefined && there.size > 0
    ? "it was refused, and left something"
    : around.size > 0
    ? `it left ${quoted([...around.keys()])} beside its folder`
    : error === undefined && !accepts
    ? "it was unpacked"
    : strange
    ? `${quoted(strange[0])} has a text that is not in it`
    : isSmall && peak - before > GROWTH
    ? `it took ${((peak - before) / 1e6).toFixed(0)} MB`
    : isSmall && took > SOON
    ? `it took ${took.toFixed(0)} ms`
    : undefined;
  return { name, ...wrong !== undefined && { wrong } };
}

/** All that is below a folder but folders, by path; a file's bytes are characters. */
async function filesIn(folder: string, path = ""): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  if (!await exists(folder)) return found;
  for await (const { name, isDirectory, isFile } of Deno.readDir(`${folder}/${path}`)) {
    const at = `${path}${name}`;
    if (isDirectory) { for (const entry of await filesIn(folder, `${at}/`)) found.set(...entry); }
    else found.set(at, isFile ? latin1(await Deno.readFile(`${folder}/${at}`)) : "no file");
  }
  return found;
}

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

const made: readonly Made[] = [
  { name: "set/" },
  { name: "set/train.tsv", text: Array.from({ length: 900 }, (_, i) => `${i * i}\tsome words\n`).join("") },
  { name: "set/empty", text: "" },
  { name: "set/deep/er/naïve.txt", text: "sentence\tlabel\nfine\t1\n".repeat(40) },
  { name: "__MACOSX/set/._train.tsv", text: "what macOS adds" },
];

/** Archives of the tests, of the system's tar, and of data sets where they are. */
async function seedsIn(top: string): Promise<Seed[]> {
  const archives: [name: string, bytes: Uint8Array<ArrayBuffer>][] = [
    ["a zip", zip(...made)],
    ["a tar.gz", gzip(tar(...made))],
  ];
  await Deno.mkdir(`${top}/seed`);
  await unpackSeed(archives[0]![1], `${top}/seed`);
  for (const format of ["pax", "gnu", "ustar"]) {
    const path = `${top}/seed/${format}`;
    if (
      await outputOf("tar", `--format=${format}`, "-czf", path, "-C", `${top}/seed/data`, "set") === undefined
    ) break;
    archives.push([`a ${format} tar.gz`, await Deno.readFile(path)]);
  }
  await Deno.remove(`${top}/seed/data`, { recursive: true });
  for (const name of ["glue-cola", "superglue-copa", "winograd_wsc"]) {
    const path = fileURLToPath(new URL(`../../../shared/datasets/hf_dummy/${name}.zip`, import.meta.url));
    if (await exists(path)) archives.push([`${name}.zip`, await Deno.readFile(path)]);
  }
  const seeds: Seed[] = [];
  for (const [name, bytes] of archives) {
    await unpackSeed(bytes, `${top}/seed`);
    seeds.push({ name, bytes, texts: new Set((await filesIn(`${top}/seed/data`)).values()) });
    await Deno.remove(`${top}/seed/data`, { recursive: true });
  }
  await Deno.remove(`${top}/seed`, { recursive: true });
  return seeds;
}

async function unpackSeed(bytes: Uint8Array, folder: string): Promise<void> {
  await Deno.writeFile(`${folder}/archive`, bytes);
  await unpack(`${folder}/archive`, `${folder}/data`);
  await Deno.remove(`${folder}/archive`);
}

/** Names that no archive may have. */
const hostile = [
  ...[
    "../out",
    "a/../../out",
    "/out",
    "//out",
    "C:/out",
    "C:out",
    "a\\..\\..\\out",
    "..\\out",
    "..",
    "a/..",
    "../",
  ],
  ...[
    "a\x01b",
    "a\nb",
    "a\x1b[31m",
    "a\x7f",
    "a:b",
    "nul",
    "COM1.txt",
    "a/aux",
    "a.",
    "a /b",
    ".. /out",
    ".../out",
  ],
  ...[
    "a/".repeat(40) + "b",
    "a".repeat(600),
    "a/".repeat(20_000) + "b",
    "set/train.tsv",
    "SET/train.tsv/b",
    ".",
  ],
];

/** An archive that is one of the seeds but for what the i-th draw of a seed changes. */
function mutant(seeds: readonly Seed[], seed: number, i: number): Attack {
  const draws = words(keyOf(seed, "stress", "archives", i), 64);
  let drawn = 0;
  /** A whole number below another. */
  const draw = (below: number) => Math.floor(draws[drawn++ % 64]! / 2 ** 32 * below);
  const { name, bytes, texts } = seeds[draw(seeds.length)]!;
  const own = (text: string) => texts.has(text);
  const isTar = bytes[0] === 0x1f;
  const write = (bytes: Uint8Array) => (path: string) => Deno.writeFile(path, bytes);
  const attack = (how: string, bytes: Uint8Array, accepts?: (text: string) => boolean): Attack => ({
    ...{ name: `${name}, ${how}`, lay: write(bytes), isSmall: true },
    ...accepts && { accepts },
  });
  const changed = bytes.slice();
  switch (draw(5)) {
    case 0: {
      const places = Array.from({ length: 1 + draw(8) }, () => draw(bytes.length));
      for (const at of places) changed[at]! ^= 1 << draw(8);
      return attack(`bits changed at ${places}`, changed, own);
    }
    case 1: {
      const length = draw(bytes.length);
      return attack(`cut after ${length} bytes`, bytes.subarray(0, length));
    }
    case 2: {
      const bad = hostile[draw(hostile.length)]!;
      const entries = made.toSpliced(2 + draw(made.length - 1), 0, { name: bad, text: "x" });
      return {
        name: `an archive with ${quoted(bad)}`,
        lay: write(isTar ? gzip(longTar(entries)) : zip(...entries)),
        isSmall: true,
      };
    }
    default: {
      if (!isTar) { // A field of the tables, which begin with PK.
        const marks = Array.from(
          latin1(bytes).matchAll(/PK/g),
          ({ index }) => index,
        );
        const at = marks[draw(marks.length)]! + 4 + draw(42), width = [1, 2, 4, 8][draw(4)]!;
        const fill = [0xff, 0, 0x7f, 0x80, draw(256)][draw(5)]!;
        changed.fill(fill, at, at + width);
        return attack(`${width} bytes at ${at} are ${fill}`, changed, own);
      }
      // A field of a header, whose checksum is made right again.
      const whole = new Uint8Array(gunzipSync(bytes));
      const headers = Array.from({ length: whole.length / 512 }, (_, i) => 512 * i)
        .filter((at) => latin1(whole.subarray(at + 257, at + 262)) === "ustar");
      const at = headers[draw(headers.length)]!;
      const [field, width] = [[0, 100], [124, 12], [156, 1], [157, 100], [257, 8], [345, 155]][draw(6)]!;
      const values = [
        "77777777777",
        "\x80\0\0\0\0\xff",
        "\xff".repeat(12),
        "x",
        "g",
        "L",
        "K",
        "S",
        "5",
        "7",
        "../a",
        " ",
      ];
      const value = [...values, `${draw(1e9)}`, "\0"][draw(values.length + 2)]!;
      const put = (from: number, text: string) =>
        whole.set(Uint8Array.from(text, (c) => c.charCodeAt(0)), at + from);
      put(field!, value.padEnd(width!, "\0").slice(0, width));
      put(148, " ".repeat(8));
      const sum = whole.subarray(at, at + 512).reduce((sum, byte) => sum + byte);
      put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
      const all = latin1(whole);
      return attack(`${quoted(value)} at ${at + field!}`, gzip(whole), (text) => all.includes(text));
    }
  }
}

/** A tar whose long names stand in entries of their own, as GNU's tar writes them. */
function longTar(entries: readonly Made[]): Uint8Array<ArrayBuffer> {
  return tar(
    ...entries.flatMap((entry) =>
      entry.name.length <= 100
        ? [entry]
        : [{ name: "././@LongLink", type: "L", text: entry.name }, { ...entry, name: "long" }]
    ),
  );
}
