/**
 * What can be had from the surface of each task, without reading: `deno run tests/data/baselines.ts` prints
 * the numbers that data/README.md states. Everything learns from `train` and is scored on `test`.
 */
import { task } from "../../lib/data/tasks.ts";

/** A text as counted words, and the index of its class. */
interface Row {
  readonly words: readonly string[];
  readonly label: number;
}

type Scorer = (words: readonly string[]) => number[];

/** Lower-case words of letters. */
export function words(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+/gu) ?? [];
}

/** Multinomial naive Bayes with add-one smoothing. */
export function naiveBayes(rows: readonly Row[], classes: number): Scorer {
  const counts = new Map<string, number[]>();
  const totals = new Array<number>(classes).fill(0);
  const prior = new Array<number>(classes).fill(1);
  for (const { words, label } of rows) {
    prior[label] = (prior[label] ?? 0) + 1;
    for (const word of words) {
      let row = counts.get(word);
      if (row === undefined) counts.set(word, row = new Array<number>(classes).fill(0));
      row[label] = (row[label] ?? 0) + 1;
      totals[label] = (totals[label] ?? 0) + 1;
    }
  }
  return (words) => {
    const scores = prior.map(Math.log);
    for (const word of words) {
      const row = counts.get(word);
      if (row === undefined) continue;
      row.forEach((n, k) =>
        scores[k] = (scores[k] ?? 0) + Math.log((n + 1) / ((totals[k] ?? 0) + counts.size))
      );
    }
    return scores;
  };
}

/** Softmax regression on the presence of words, by Adagrad. */
export function regression(rows: readonly Row[], classes: number, epochs = 5, rate = 0.1): Scorer {
  const ids = new Map<string, number>();
  const inputs = rows.map(({ words }) =>
    [...new Set(words)].map((word) => ids.get(word) ?? (ids.set(word, ids.size), ids.size - 1))
  );
  const [weights, squares] = [
    new Float32Array(ids.size * classes),
    new Float32Array(ids.size * classes).fill(1e-3),
  ];
  const score = (input: readonly number[]) => {
    const scores = new Array<number>(classes).fill(0);
    for (const id of input) {
      for (let k = 0; k < classes; k++) scores[k] = (scores[k] ?? 0) + (weights[id * classes + k] ?? 0);
    }
    return scores;
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    inputs.forEach((input, i) => {
      const scores = score(input);
      const top = Math.max(...scores);
      const powers = scores.map((s) => Math.exp(s - top));
      const sum = powers.reduce((a, b) => a + b, 0);
      powers.forEach((power, k) => {
        const slope = power / sum - (k === rows[i]?.label ? 1 : 0);
        for (const id of input) {
          const at = id * classes + k;
          squares[at] = (squares[at] ?? 0) + slope * slope;
          weights[at] = (weights[at] ?? 0) - rate * slope / Math.sqrt(squares[at] ?? 1);
        }
      });
    });
  }
  return (words) => score([...new Set(words)].flatMap((word) => ids.get(word) ?? []));
}

/** Index of the largest number; the first of equal ones. */
export function argmax(scores: readonly number[]): number {
  return scores.indexOf(Math.max(...scores));
}

/** Share of the items for which the guess is right, and what to expect of its error. */
function report(name: string, rights: readonly boolean[]): void {
  const share = rights.filter(Boolean).length / rights.length;
  const error = 1.96 * Math.sqrt(share * (1 - share) / rights.length);
  console.log(`  ${name.padEnd(34)} ${(100 * share).toFixed(1)} % ± ${(100 * error).toFixed(1)}`);
}

async function imdb(): Promise<void> {
  const { train, validation, test } = await task("imdb");
  console.log(`imdb: ${train.length} train, ${validation.length} validation, ${test.length} test`);
  const scores = test.filter(({ text }) => /\b\d+(\.\d)? ?(\/|out of) ?10\b/i.test(text)).length /
    test.length;
  console.log(`  a mark out of ten stands in ${(100 * scores).toFixed(1)} % of the test texts`);
  const rows = train.map(({ text, label }) => ({ words: words(text), label }));
  report("always positive", test.map(({ label }) => label === 1));
  report("bag of words, naive Bayes", guesses(naiveBayes(rows, 2)));
  report("bag of words, regression", guesses(regression(rows, 2, 2, 0.05)));

  function guesses(scorer: Scorer): boolean[] {
    return test.map(({ text, label }) => argmax(scorer(words(text))) === label);
  }
}

async function kind(): Promise<void> {
  const { train, validation, test } = await task("kind");
  console.log(`kind: ${train.length} train, ${validation.length} validation, ${test.length} test`);
  const kinds = [...new Set(train.flatMap(({ choices }) => choices))];
  const rows = train.map(({ context, choices, label }) => ({
    words: words(context),
    label: kinds.indexOf(choices[label] ?? ""),
  }));
  report("always the first", test.map(({ label }) => label === 0));

  const right = kinds.map((kind) => train.filter(({ choices, label }) => choices[label] === kind).length);
  const asked = kinds.map((kind) => train.filter(({ choices }) => choices.includes(kind)).length);
  const odds = (kind: string) => (right[kinds.indexOf(kind)] ?? 0) / (asked[kinds.indexOf(kind)] ?? 1);
  report(
    "choices only, most often right",
    test.map(({ choices, label }) => argmax(choices.map(odds)) === label),
  );

  const overlap = ({ context, choices }: { context: string; choices: readonly string[] }) =>
    choices.map((choice) => words(choice).filter((w) => w.length > 2 && words(context).includes(w)).length);
  const overlaps = test.filter((example) => overlap(example).some((n) => n > 0)).length;
  report(`word overlap (any in ${overlaps} of them)`, test.map((e) => argmax(overlap(e)) === e.label));

  report("bag of words, naive Bayes", guesses(naiveBayes(rows, kinds.length)));
  report("bag of words, regression", guesses(regression(rows, kinds.length)));

  function guesses(scorer: Scorer): boolean[] {
    return test.map(({ context, choices, label }) => {
      const scores = scorer(words(context));
      return argmax(choices.map((choice) => scores[kinds.indexOf(choice)] ?? 0)) === label;
    });
  }
}

if (import.meta.main) {
  await kind();
  await imdb();
}
