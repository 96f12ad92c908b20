/**
 * What surface cues predict, all together: lengths, punctuation, overlaps, and the first and last words of texts, in one
 * regression with an L2 penalty.
 *
 * @module
 */
import { isGraded, type Split, type Task } from "../../lib/data/mod.ts";
import { inputs } from "../../lib/text/inputs.ts";
import { wordsOf } from "../../lib/text/mod.ts";

/** An example as texts by field; of multiple choice one text for each choice. */
export interface Texts {
  readonly first: string;
  readonly second: readonly string[];
  readonly label: number;
}

/** The texts of a split. */
export function textsOf(task: Task, split: Split): Texts[] {
  const [first, second] = Object.keys(inputs[task.kind].fields);
  return (task[split] as readonly Record<string, unknown>[]).map((example) => ({
    first: example[first!] as string,
    second: second === undefined ? [""] : [example[second]].flat() as string[],
    label: example["label"] as number,
  }));
}

/** Whether the second texts are few, as names of kinds are, each asked about again and again. */
export function hasFew(task: Task): boolean {
  return task.kind !== "classification" &&
    new Set(textsOf(task, "train").flatMap(({ second }) => second)).size < task.train.length / 20;
}

/** The Jaccard index of two sets. */
export function jaccard<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): number {
  return a.intersection(b).size / Math.max(1, a.union(b).size);
}

/** Groups of cues: lengths, punctuation and overlaps; or the first and last words. */
export type Cues = "numbers" | "words";

/** A cue and its value: a number, or 1 for a word that is there. */
type Cue = readonly [name: string, value: number];

const MARKS = [..."',;:.!?-—()\"“”‘’/&*$%"];

/** Lengths of a text, and its punctuation. */
function numbersOf(text: string): Cue[] {
  const [words, characters] = [text.split(/\s+/).length, text.length];
  const counts = MARKS.map((mark): Cue => [mark, Math.log1p(text.split(mark).length - 1)]);
  const matches = (pattern: RegExp) => Math.log1p(text.match(pattern)?.length ?? 0);
  return [
    ["words", words],
    ["characters", characters],
    ["log words", Math.log(words)],
    ["log characters", Math.log1p(characters)],
    ["word length", characters / words],
    ["digits", matches(/\d/g)],
    ["capitals", matches(/\p{Lu}/gu)],
    ...counts,
  ];
}

/** The first three and the last two words and marks of a text. */
function outerWords(text: string): Cue[] {
  const all = text.toLowerCase().match(/[\p{L}\p{N}’']+|[^\s\p{L}\p{N}]/gu) ?? [];
  const [one = "", two = "", three = ""] = all;
  return [
    `starts ${one}`,
    `starts ${one} ${two}`,
    `starts ${one} ${two} ${three}`,
    `second ${two}`,
    `third ${three}`,
    `ends ${all.at(-1)}`,
    `ends ${all.at(-2)} ${all.at(-1)}`,
    `last but one ${all.at(-2)}`,
  ].map((name) => [name, 1]);
}

function grams(text: string): Set<string> {
  const spaced = ` ${wordsOf(text).join(" ")} `;
  return new Set(Array.from({ length: Math.max(0, spaced.length - 3) }, (_, i) => spaced.slice(i, i + 4)));
}

/** The overlaps of two texts by words and by character 4-grams, and the differences of their numbers. */
function differences(a: string, b: string): Cue[] {
  const overlaps = ([["words", wordsOf], ["grams", grams]] as const).flatMap(([name, of]): Cue[] => {
    const [one, other] = [new Set(of(a)), new Set(of(b))];
    const both = one.intersection(other).size;
    return [
      [`${name} in common`, both],
      [`${name}, Jaccard`, jaccard(one, other)],
      [`${name} of first`, both / Math.max(1, one.size)],
      [`${name} of second`, both / Math.max(1, other.size)],
    ];
  });
  const others = numbersOf(b);
  const lengths = numbersOf(a).flatMap(([name, value], i): Cue[] => {
    const difference = value - others[i]![1];
    return [[`${name}, difference`, difference], [`${name}, distance`, Math.abs(difference)]];
  });
  return [...overlaps, ...lengths];
}

/** The first two words and the last one of two texts, each with that of the other. */
function wordPairs(a: string, b: string): Cue[] {
  const [one, other] = [wordsOf(a), wordsOf(b)];
  return [0, 1, -1].flatMap((at): Cue[] => {
    const [x, y] = [one.at(at), other.at(at)];
    return [[`at ${at}: ${x}, ${y}`, 1], ...x === y ? [[`at ${at}: the same`, 1] as const] : []];
  });
}

/** The cues of a text. */
const cuesOf: Record<Cues, (text: string) => Cue[]> = {
  numbers: (text) => [...numbersOf(text), [`length ${wordsOf(text).length}`, 1]], // Each length has a weight of its own, too.
  words: outerWords,
};

const prefixed = (prefix: string, cues: readonly Cue[]) =>
  cues.map(([name, value]): Cue => [`${prefix}: ${name}`, value]);

/** The cues of each possible answer and the index of the correct one; or those of a single answer, and its grade. */
export interface Question {
  readonly answers: readonly (readonly Cue[])[];
  readonly label: number;
}

function questionsOf(task: Task, split: Split, groups: readonly Cues[]): Question[] {
  const few = hasFew(task), pair = task.kind !== "classification";
  const cues = (text: string) => groups.flatMap((group) => cuesOf[group](text));
  const describe = (first: string, second: string): Cue[] => {
    const own = [["any", 1] as Cue, ...cues(first)];
    if (!pair) return own;
    return [
      ...prefixed("first", own),
      ...prefixed(...few ? [second, own] as const : ["second", cues(second)] as const),
      ...groups.includes("numbers") ? differences(first, second) : [],
      ...groups.includes("words") ? wordPairs(first, second) : [],
    ];
  };
  return textsOf(task, split).map(({ first, second, label }) => {
    if (task.kind === "choice") return { label, answers: second.map((choice) => describe(first, choice)) };
    const described = describe(first, second[0]!);
    if (isGraded(task)) return { label, answers: [described] };
    const answers = task.labels.map((_, k) => k === 0 ? [] : prefixed(`${k}`, described)); // Label 0 is the reference.
    return { label, answers };
  });
}

/** Questions as sparse rows, one per answer. */
interface Design {
  readonly ids: Uint32Array;
  readonly values: Float64Array;
  /** Answer a has the entries from `rows[a]` to `rows[a + 1]`. */
  readonly rows: Uint32Array;
  /** Question q has the answers from `questions[q]` to `questions[q + 1]`. */
  readonly questions: Uint32Array;
  readonly labels: Float64Array;
}

/** The index of each cue that is frequent enough in training, and the mean and standard deviation of numbers. */
type Scales = ReadonlyMap<string, { readonly id: number; readonly mean: number; readonly deviation: number }>;

const MIN_COUNT = 3;

/** The scales of training questions. */
export function scalesOf(questions: readonly Question[]): Scales {
  const sums = new Map<string, [count: number, sum: number, squares: number]>();
  for (const [name, value] of questions.flatMap(({ answers }) => answers.flat())) {
    const found = sums.get(name);
    if (!found) sums.set(name, [1, value, value * value]);
    else [found[0], found[1], found[2]] = [found[0] + 1, found[1] + value, found[2] + value * value];
  }
  const frequent = [...sums].filter(([, [count]]) => count >= MIN_COUNT);
  return new Map(frequent.map(([name, [count, sum, squares]], id) => {
    const mean = sum / count, variance = squares / count - mean * mean;
    const isConstant = variance <= 1e-9 * squares / count; // Such as the word cues, which are 1 or absent.
    return [name, isConstant ? { id, mean: 0, deviation: 1 } : { id, mean, deviation: Math.sqrt(variance) }];
  }));
}

/** Questions as numbers with mean 0 and standard deviation 1; unknown cues are left out. */
export function designOf(questions: readonly Question[], scales: Scales): Design {
  const ids: number[] = [], values: number[] = [], rows = [0], starts = [0];
  for (const { answers } of questions) {
    for (const cues of answers) {
      for (const [name, value] of cues) {
        const scale = scales.get(name);
        if (scale === undefined) continue;
        ids.push(scale.id);
        values.push((value - scale.mean) / scale.deviation);
      }
      rows.push(ids.length);
    }
    starts.push(rows.length - 1);
  }
  return {
    ids: Uint32Array.from(ids),
    values: Float64Array.from(values),
    rows: Uint32Array.from(rows),
    questions: Uint32Array.from(starts),
    labels: Float64Array.from(questions, ({ label }) => label),
  };
}

/** The score of each answer. */
function scoresOf({ ids, values, rows }: Design, weights: Float64Array): Float64Array {
  const scores = new Float64Array(rows.length - 1);
  for (let a = 0; a < scores.length; a++) {
    for (let i = rows[a]!; i < rows[a + 1]!; i++) scores[a]! += weights[ids[i]!]! * values[i]!;
  }
  return scores;
}

/** The mean loss and its gradient by score: cross-entropy of a softmax over the answers, or half the squared error. */
function lossOf({ questions, labels }: Design, scores: Float64Array, graded: boolean) {
  const slopes = new Float64Array(scores.length), n = labels.length;
  let loss = 0;
  for (let q = 0; q < n; q++) {
    const [from, to, label] = [questions[q]!, questions[q + 1]!, labels[q]!];
    if (graded) {
      slopes[from] = (scores[from]! - label) / n;
      loss += (scores[from]! - label) ** 2 / 2 / n;
      continue;
    }
    const top = scores.subarray(from, to).reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (let a = from; a < to; a++) sum += slopes[a] = Math.exp(scores[a]! - top);
    for (let a = from; a < to; a++) slopes[a] = (slopes[a]! / sum - (a === from + label ? 1 : 0)) / n;
    loss += (Math.log(sum) + top - scores[from + label]!) / n;
  }
  return { loss, slopes };
}

/** The mean loss, plus the penalty times half the sum of squared weights; and its gradient. */
function objective(design: Design, graded: boolean, penalty: number): Objective {
  const { ids, values, rows } = design;
  return (weights) => {
    const { loss, slopes } = lossOf(design, scoresOf(design, weights), graded);
    const gradient = weights.map((weight) => penalty * weight);
    for (let a = 0; a < slopes.length; a++) {
      for (let i = rows[a]!; i < rows[a + 1]!; i++) gradient[ids[i]!]! += slopes[a]! * values[i]!;
    }
    return { value: loss + penalty / 2 * dot(weights, weights), gradient };
  };
}

type Objective = (weights: Float64Array) => { readonly value: number; readonly gradient: Float64Array };

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Minimises a smooth convex function by L-BFGS (Nocedal 1980), with backtracking. */
export function minimise(
  of: Objective,
  start: Float64Array,
  iterations = 150,
  tolerance = 1e-4,
): Float64Array {
  let [weights, { value, gradient }] = [start, of(start)];
  const pairs: { step: Float64Array; change: Float64Array; curvature: number }[] = [];
  const first = Math.sqrt(dot(gradient, gradient));
  for (let n = 0; n < iterations && Math.sqrt(dot(gradient, gradient)) > tolerance * first; n++) {
    const direction = gradient.map((g) => -g), shares: number[] = [];
    const add = (factor: number, other: Float64Array) => other.forEach((x, i) => direction[i]! += factor * x);
    for (const [i, { step, change, curvature }] of pairs.entries()) {
      add(-(shares[i] = dot(step, direction) / curvature), change);
    }
    const [last] = pairs;
    if (last) {
      const scale = last.curvature / dot(last.change, last.change);
      direction.forEach((d, i) => direction[i] = scale * d);
    }
    for (const [i, { step, change, curvature }] of [...pairs.entries()].reverse()) {
      add(shares[i]! - dot(change, direction) / curvature, step);
    }
    const slope = dot(direction, gradient);
    let rate = last ? 1 : Math.min(1, 1 / first);
    let next = weights, found = { value: Infinity, gradient };
    for (; rate > 1e-10; rate /= 2) {
      next = weights.map((weight, i) => weight + rate * direction[i]!);
      found = of(next);
      if (found.value <= value + 1e-4 * rate * slope) break;
    }
    if (!(found.value < value)) break;
    const [step, change] = [
      next.map((x, i) => x - weights[i]!),
      found.gradient.map((g, i) => g - gradient[i]!),
    ];
    const curvature = dot(step, change);
    if (curvature > 0) pairs.splice(0, pairs.length, { step, change, curvature }, ...pairs.slice(0, 7));
    [weights, { value, gradient }] = [next, found];
  }
  return weights;
}

/** The weights of a regression: softmax, or ridge for grades. */
export function fit(
  design: Design,
  graded: boolean,
  penalty: number,
  start: Float64Array,
): Float64Array {
  return minimise(objective(design, graded, penalty), start);
}

/** Penalties to choose from. */
const PENALTIES = Array.from({ length: 9 }, (_, i) => 0.1 / 3 ** i);

/**
 * Predicts the labels, or grades, of a task's test examples by a regression on surface cues. It is trained on `train`; its
 * penalty and its set of cues are those with the lowest loss on `validation`.
 */
export function surface(
  task: Task,
  sets: readonly (readonly Cues[])[] = [["numbers"], ["words"], ["numbers", "words"]],
): number[] {
  const graded = isGraded(task);
  let least = Infinity, best: () => number[] = () => [];
  for (const groups of sets) {
    const train = questionsOf(task, "train", groups);
    const center = graded ? train.reduce((sum, { label }) => sum + label, 0) / train.length : 0;
    const scales = scalesOf(train);
    const design = (questions: readonly Question[]) =>
      designOf(questions.map(({ answers, label }) => ({ answers, label: label - center })), scales);
    const [training, validation] = [design(train), design(questionsOf(task, "validation", groups))];
    let weights: Float64Array = new Float64Array(scales.size), lowest = Infinity;
    for (const penalty of PENALTIES) {
      weights = fit(training, graded, penalty, weights);
      const { loss } = lossOf(validation, scoresOf(validation, weights), graded);
      if (loss > lowest) break; // Weaker penalties overfit even more.
      lowest = loss;
      if (loss >= least) continue;
      least = loss;
      const chosen = weights;
      best = () => {
        const test = design(questionsOf(task, "test", groups));
        const scores = scoresOf(test, chosen);
        if (graded) return Array.from(scores, (score) => score + center);
        return Array.from(test.labels, (_, q) => {
          const answers = scores.subarray(test.questions[q]!, test.questions[q + 1]!);
          return answers.indexOf(answers.reduce((a, b) => Math.max(a, b)));
        });
      };
    }
  }
  return best();
}
