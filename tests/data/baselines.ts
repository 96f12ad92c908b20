/**
 * What can be had from the surface of each task, without reading: `deno run --allow-write=data tests/data/baselines.ts`
 * writes what data/README.md shows to data/baselines.json, and prints it; with names of tasks it prints theirs.
 * Everything learns from `train` and is scored on `test`.
 */
import { clustersOf, isGraded, listTasks, type Split, type Task, task } from "../../lib/data/mod.ts";
import { sha256 } from "../../lib/digest.ts";
import { scoreInterval } from "../../lib/train/measures.ts";
import { hasFew, jaccard, surface, type Texts, textsOf } from "./surface.ts";

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

/** A text's words, and what they say of an example. */
type View = (first: string, second: string) => string[];

/** What to make of the words of one text or two. */
const views = {
  first: (first) => words(first),
  second: (_, second) => words(second),
  bag(first, second) {
    const [a, b] = [new Set(words(first)), new Set(words(second))];
    return [
      ...[...a].map((word) => `first: ${word}`),
      ...[...b].map((word) => `second: ${word}`),
      ...[...a.intersection(b)].map((word) => `both: ${word}`),
    ];
  },
  pairs(first, second) {
    const b = [...new Set(words(second))];
    return [...new Set(words(first))].flatMap((one) => b.map((other) => `${one} ${other}`));
  },
  neighbours(first) {
    const all = words(first);
    return all.slice(1).map((word, i) => `${all[i]} ${word}`);
  },
} as const satisfies Record<string, View>;

/** How many words two texts have in common, as a share of those that either has. */
function overlap(first: string, second: string): number {
  return jaccard(new Set(words(first)), new Set(words(second)));
}

/** A guess for each example of the test: a label, or a grade. */
type Guesses = number[];

/** What a learner of labels makes of a view: the likeliest label, or the grade to expect. */
function learnt(task: Task, learn: typeof regression, view: View): Guesses {
  const [train, test] = [textsOf(task, "train"), textsOf(task, "test")];
  const [graded, imdb] = [isGraded(task), task.name === "imdb"];
  const rows = train.map(({ first, second, label }) => ({
    words: view(first, second[0]!),
    label: Math.round(label),
  }));
  const scorer = imdb ? learn(rows, 2, 2, 0.05) : learn(rows, task.labels.length);
  return test.map(({ first, second }) => {
    const scores = scorer(view(first, second[0]!));
    return graded ? expected(scores) : argmax(scores);
  });
}

/** The mean of the grades, each as likely as its score says. */
function expected(scores: readonly number[]): number {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  return powers.reduce((sum, power, grade) => sum + grade * power, 0) / powers.reduce((a, b) => a + b);
}

/** What a learner of choices makes of the context's words; of none, where the choices alone are asked. */
function chosen(task: Task, learn: typeof regression, alone = false): Guesses {
  const [train, test] = [textsOf(task, "train"), textsOf(task, "test")];
  const names = [...new Set(train.flatMap(({ second }) => second))];
  const asked = names.map((name) => train.filter(({ second }) => second.includes(name)).length);
  const rows = train.map(({ first, second, label }) => ({
    words: alone ? [] : words(first),
    label: names.indexOf(second[label]!),
  }));
  const right = names.map((_, k) => rows.filter(({ label }) => label === k).length);
  const scorer = alone ? () => right.map((n, k) => n / asked[k]!) : learn(rows, names.length);
  return test.map(({ first, second }) => {
    const scores = scorer(words(first));
    return argmax(second.map((name) => scores[names.indexOf(name)] ?? 0));
  });
}

/** What a learner makes of choices that are texts of their own: which looks most like a right one. */
function ranked(task: Task, learn: typeof regression, view: View): Guesses {
  const rows = textsOf(task, "train").flatMap(({ second, label }) =>
    second.map((choice, k) => ({ words: view(choice, ""), label: k === label ? 1 : 0 }))
  );
  const scorer = learn(rows, 2);
  return textsOf(task, "test").map(({ second }) =>
    argmax(second.map((choice) => {
      const [wrong, right] = scorer(view(choice, ""));
      return right! - wrong!;
    }))
  );
}

/** Whether a task's choices are few names that come again, not texts of their own. */
function isNamed(task: Task): boolean {
  return task.kind === "choice" && hasFew(task);
}

/** The words in common: the choice that has the most, the grade, or what is on the right side of a threshold. */
function inCommon(task: Task): Guesses {
  const [train, test] = [textsOf(task, "train"), textsOf(task, "test")];
  const of = ({ first, second }: Texts) => overlap(first, second[0]!);
  if (task.kind === "choice") {
    return test.map(({ first, second }) => argmax(second.map((choice) => overlap(first, choice))));
  }
  if (isGraded(task)) return test.map(of);
  const sorted = train.map((texts) => ({ at: of(texts), sign: texts.label === 1 ? 1 : -1 }))
    .sort((a, b) => a.at - b.at);
  let [sum, most, threshold, above] = [0, 0, Infinity, 1];
  sorted.forEach(({ at, sign }, i) => {
    sum += sign;
    if (sorted[i + 1]?.at === at || Math.abs(sum) <= most) return;
    [most, threshold, above] = [Math.abs(sum), at, sum < 0 ? 1 : 0];
  });
  return test.map((texts) => of(texts) > threshold ? above : 1 - above);
}

/** Pearson's correlation. */
export function pearson(x: readonly number[], y: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const product = (a: readonly number[], ma: number, b: readonly number[], mb: number) =>
    a.reduce((sum, value, i) => sum + (value - ma) * (b[i]! - mb), 0);
  return product(x, mx, y, my) / Math.sqrt(product(x, mx, x, mx) * product(y, my, y, my));
}

/** Spearman's correlation: Pearson's of the ranks, equal values sharing theirs. */
export function spearman(x: readonly number[], y: readonly number[]): number {
  return pearson(ranks(x), ranks(y));
}

function ranks(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const last = new Map(sorted.map((value, i) => [value, i]));
  const first = new Map(sorted.map((value, i) => [value, i] as const).reverse());
  return values.map((value) => (first.get(value)! + last.get(value)!) / 2);
}

/** Baselines that are right, by construction, to a share that is the same in every such test set. */
const constructed = /majority|only/;

/** A share, or a correlation, in percent, with half the width of its 95 % interval over clusters of examples. */
function score(task: Task, name: string, guesses: Guesses | undefined): string {
  if (guesses === undefined) return "";
  const labels = task.test.map(({ label }) => label);
  const n = labels.length;
  if (isGraded(task)) {
    const [p, s] = [pearson(guesses, labels), spearman(guesses, labels)];
    return `${percent(p)} / ${percent(s)} ± ${percent(1.96 * (1 - s * s) / Math.sqrt(n - 3))}`;
  }
  const { value, low, high } = scoreInterval("accuracy", guesses, labels, clustersOf(task.test));
  // Nor is there uncertainty where each cluster is right to the same share.
  return percent(value) + (constructed.test(name) || high === low ? "" : ` ± ${percent((high - low) / 2)}`);
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

/** Each baseline, for those tasks that it can be had for. */
const baselines: Record<string, (task: Task) => Guesses | undefined> = {
  "majority baseline": (task) => isGraded(task) ? undefined : task.test.map(() => 0),
  "first text only": (task) => isPair(task) ? learnt(task, regression, views.first) : undefined,
  "second text, or choices, only": (task) =>
    isPair(task)
      ? learnt(task, regression, views.second)
      : isNamed(task)
      ? chosen(task, regression, true)
      : undefined,
  "words in common": (task) => task.kind === "classification" ? undefined : inCommon(task),
  "bag of words, naive Bayes": (task) => ofWords(task, naiveBayes),
  "bag of words, regression": (task) => ofWords(task, regression),
  "neighbouring words, regression": (task) =>
    isPair(task) || isNamed(task) ? undefined : ofWords(task, regression, views.neighbours),
  "pairs of words, regression": (task) => isPair(task) ? learnt(task, regression, views.pairs) : undefined,
  "lengths, punctuation, overlaps": (task) => surface(task, [["numbers"]]),
  "first and last words": (task) => surface(task, [["words"]]),
  "surface cues, all together": (task) => surface(task),
};

/** A digest of a task's examples: a test holds that those were answered which the task has. */
export function questionsOf(task: Task): string {
  const splits: Split[] = ["train", "validation", "test"];
  return sha256(JSON.stringify(splits.map((split) => task[split])));
}

function isPair({ kind }: Task): boolean {
  return kind === "entailment" || kind === "similarity";
}

function ofWords(
  task: Task,
  learn: typeof regression,
  view: View = isPair(task) ? views.bag : views.first,
): Guesses {
  if (isNamed(task)) return chosen(task, learn);
  return (task.kind === "choice" ? ranked : learnt)(task, learn, view);
}

if (import.meta.main) {
  const npmTasks = listTasks().filter(({ archive }) => archive === undefined);
  const names = Deno.args.length > 0 ? Deno.args : npmTasks.map(({ name }) => name);
  const tasks = await Promise.all(names.map((name) => task(name)));
  for (const { name, ...task } of tasks) {
    const sizes = (["train", "validation", "test"] as const).map((split) => `${task[split].length} ${split}`);
    console.log(`${name}: ${sizes.join(", ")}`);
    console.log(`  for example ${JSON.stringify(task.test[0])}`);
    if (name !== "imdb" || task.kind !== "classification") continue;
    const marks = task.test.filter(({ text }) => /\b\d+(\.\d)? ?(\/|out of) ?10\b/i.test(text)).length;
    console.log(`  a mark out of ten stands in ${percent(marks / task.test.length)} % of the test texts`);
  }
  console.log(`\n| baseline | ${names.join(" | ")} |\n|${" --- |".repeat(names.length + 1)}`);
  const rows: Record<string, string[]> = {};
  // Models with a context of 128 tokens read the last 60 words of a review, and so does this.
  const asRead = await Promise.all(
    tasks.map((given) => given.name === "imdb" ? task("imdb", { words: 60 }) : given),
  );
  for (const [name, guess] of Object.entries(baselines)) {
    const scores = rows[name] = asRead.map((task) => score(task, name, guess(task)));
    console.log(`| ${name} | ${scores.join(" | ")} |`);
  }
  if (Deno.args.length === 0) {
    const questions = Object.fromEntries(tasks.map((task) => [task.name, questionsOf(task)]));
    const made = JSON.stringify({ questions, tasks: names, rows }, null, 2);
    await Deno.writeTextFile(new URL("../../data/baselines.json", import.meta.url), `${made}\n`);
  }
}
