import { checkTask, type Task } from "../../lib/data/mod.ts";
import { parse } from "../../lib/data/benchmarks/load.ts";
import { type Benchmark, benchmarks } from "../../lib/data/benchmarks/table.ts";
import { InputError } from "../../lib/errors.ts";
import { assert } from "../assert.ts";

const fixtures = new URL("../fixtures/benchmarks/", import.meta.url);
const MUTANTS = 1000;

/** Whole numbers below n, the same ones for the same seed: xorshift, 32 bits. */
function below(seed: number): (n: number) => number {
  let x = seed || 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

const WORDS = [
  "\t",
  "\n",
  "\r",
  '"',
  ",",
  "\0",
  "\ufeff",
  "{",
  "}",
  "[",
  "null",
  "-1",
  "1e999",
  "<",
  "&",
  "</p>",
  " ",
]
  .map((text) => new TextEncoder().encode(text)).concat(
    Uint8Array.of(0xff),
    Uint8Array.of(0xc3),
    Uint8Array.of(0xed, 0xa0, 0x80),
  );

const splice = (bytes: Uint8Array, from: number, gone: number, put: Uint8Array = new Uint8Array()) =>
  Uint8Array.from([...bytes.subarray(0, from), ...put, ...bytes.subarray(from + gone)]);

/** What can happen to a file: each makes a new one. */
const MUTATIONS: ((bytes: Uint8Array, draw: (n: number) => number) => Uint8Array)[] = [
  (bytes, draw) => splice(bytes, draw(bytes.length), 1, Uint8Array.of(draw(256))),
  (bytes, draw) => splice(bytes, draw(bytes.length), 1 + draw(20)),
  (bytes, draw) => splice(bytes, draw(bytes.length), 0, WORDS[draw(WORDS.length)]),
  (bytes, draw) => bytes.slice(0, draw(bytes.length)),
  (bytes, draw) => bytes.slice(draw(bytes.length)),
  (bytes, draw) => {
    const from = draw(bytes.length);
    return splice(bytes, draw(bytes.length), 0, bytes.slice(from, from + draw(200)));
  },
  (bytes, draw) => {
    const [a, b] = [WORDS[draw(4)]![0], WORDS[draw(4)]![0]!];
    return bytes.map((byte) => byte === a && draw(3) === 0 ? b : byte);
  },
  (bytes) => splice(bytes, 0, 0, Uint8Array.of(0xef, 0xbb, 0xbf)),
];

/** A file of the fixtures for each form of a benchmark. */
function* files(): Generator<{ benchmark: Benchmark; form: number; file: string; bytes: Uint8Array }> {
  const folders = [...Deno.readDirSync(fixtures)].map(({ name }) => name);
  for (const benchmark of benchmarks) {
    for (const [form, { files }] of benchmark.layouts.entries()) {
      let file = files.train?.[0] ?? "";
      if (file.endsWith("/")) file += "2.txt";
      const folder = folders.find((name) => {
        try {
          return Deno.statSync(new URL(`${name}/${file}`, fixtures)).isFile &&
            name.startsWith(benchmark.archive ?? benchmark.name);
        } catch {
          return false;
        }
      });
      yield { benchmark, form, file, bytes: Deno.readFileSync(new URL(`${folder}/${file}`, fixtures)) };
    }
  }
}

for (const [n, { benchmark, form, file, bytes }] of [...files()].entries()) {
  const { name, kind, labels, measures, licence } = benchmark;
  Deno.test(`${MUTANTS} broken files of ${name}, form ${form + 1}, are read or refused, and nothing else`, () => {
    const draw = below(n + 1);
    const counts = { read: 0, refused: 0 };
    for (let i = 0; i < MUTANTS; i++) {
      let mutant = bytes;
      for (let times = draw(3); times >= 0 && mutant.length > 0; times--) {
        mutant = MUTATIONS[draw(MUTATIONS.length)]!(mutant, draw);
      }
      let rows;
      try {
        ({ rows } = parse(benchmark, benchmark.layouts[form]!, mutant, file));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        assert(
          error.message.startsWith(`Cannot read ${file}, `) && /^[^\p{Cc}]{9,399}[^.]$/u.test(error.message),
          error.message,
        );
        counts.refused++;
        continue;
      }
      counts.read++;
      if (rows.length === 0) continue;
      const examples = rows.map(({ example }) => example);
      const [train, validation, test] = [examples, examples, examples];
      checkTask(
        { name, kind, labels, measures, train, validation, test, source: file, licence, about: "" } as Task,
      );
    }
    assert(counts.read > 20 && counts.refused > 20, JSON.stringify(counts));
  });
}
