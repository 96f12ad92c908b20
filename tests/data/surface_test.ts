import { strictEqual } from "node:assert/strict";
import type { Task, TaskOf } from "../../lib/data/mod.ts";
import type { Example, Kind } from "../../lib/text/mod.ts";
import { assert } from "../assert.ts";
import { pearson } from "./baselines.ts";
import { designOf, fit, minimise, type Question, scalesOf, surface } from "./surface.ts";

/** A deterministic generator of whole numbers below a limit. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => (state = state * 48271 % 2147483647) % below;
}

const VOCABULARY = "tide lamp stone river cloud field glass wheel north paper grain smoke".split(" ");

/** A text of random words. */
const textOf = (draw: (below: number) => number, length: number) =>
  Array.from({ length }, () => VOCABULARY[draw(VOCABULARY.length)]!).join(" ");

/** A toy task with 600, 200 and 400 examples. */
function toy<K extends Kind>(
  kind: K,
  labels: readonly string[],
  example: (draw: (below: number) => number) => Example<K>,
): Task {
  const draw = generator(7);
  const split = (length: number) => Array.from({ length }, () => example(draw));
  const whole: TaskOf<K> = {
    ...{ name: "toy", kind, labels, train: split(600), validation: split(200), test: split(400) },
    measures: [labels.length > 2 ? "pearson" : "accuracy"],
    ...{ source: "a test", licence: "CC0", about: "A toy" },
  };
  return whole as unknown as Task;
}

/** The accuracy of the surface cues. */
function accuracy(task: Task): number {
  const predictions = surface(task);
  strictEqual(predictions.length, task.test.length);
  return task.test.filter(({ label }, i) => label === predictions[i]).length / task.test.length;
}

Deno.test("the minimum of a function is found where it is by hand", () => {
  const minimum = minimise(
    ([x = 0, y = 0]) => ({
      value: (x - 1) ** 2 + 10 * (y + 2) ** 2 + (x - 1) ** 4,
      gradient: Float64Array.of(2 * (x - 1) + 4 * (x - 1) ** 3, 20 * (y + 2)),
    }),
    new Float64Array(2),
  );
  assert(Math.abs(minimum[0]! - 1) < 1e-3 && Math.abs(minimum[1]! + 2) < 1e-3, `${minimum}`);
});

/** The weight of a cue that each of four questions has. */
function weightOf(questions: readonly Question[], graded: boolean, penalty: number): number {
  return fit(designOf(questions, scalesOf(questions)), graded, penalty, new Float64Array(1))[0]!;
}

Deno.test("a cue that is right three times of four has the logarithm of 3 as its weight, without a penalty", () => {
  const questions = [1, 1, 0, 1].map((label) => ({ answers: [[], [["cue", 1] as const]], label }));
  assert(Math.abs(weightOf(questions, false, 0) - Math.log(3)) < 1e-3);
});

Deno.test("a penalty of 1 halves the weight of a grade's cue", () => {
  const questions = [1, 2, 3, 4].map((label) => ({ answers: [[["cue", 1] as const]], label }));
  assert(Math.abs(weightOf(questions, true, 0) - 2.5) < 1e-3);
  assert(Math.abs(weightOf(questions, true, 1) - 1.25) < 1e-3);
});

Deno.test("surface cues predict a label that is the length of a text", () => {
  const short = toy("classification", ["short", "long"], (draw) => {
    const length = 4 + draw(10);
    return { text: textOf(draw, length), label: length < 9 ? 0 : 1 };
  });
  assert(accuracy(short) > 0.97);
});

Deno.test("surface cues predict a label that is the first word together with the hypothesis", () => {
  const crossed = toy("entailment", ["no", "yes"], (draw) => {
    const [first, kind] = [draw(6), draw(3)];
    return {
      premise: `${VOCABULARY[first]} ${textOf(draw, 5)}`,
      hypothesis: `a kind of ${["tool", "plant", "place"][kind]}`,
      label: (first >> kind) & 1,
    };
  });
  assert(accuracy(crossed) > 0.97);
});

Deno.test("surface cues predict which named choice is right by the last word", () => {
  const named = toy("choice", ["first", "second"], (draw) => {
    const last = draw(2), turned = draw(2);
    const choices = turned ? ["a plant", "a tool"] : ["a tool", "a plant"];
    return { context: `${textOf(draw, 5)} ${VOCABULARY[last]}`, choices, label: last ^ turned };
  });
  assert(accuracy(named) > 0.97);
});

Deno.test("surface cues predict which choice is right by its punctuation", () => {
  const marked = toy("choice", ["first", "second"], (draw) => {
    const label = draw(2);
    const choices = [0, 1].map((k) => textOf(draw, 6) + (k === label ? "!" : "?"));
    return { context: textOf(draw, 4), choices, label };
  });
  assert(accuracy(marked) > 0.97);
});

Deno.test("surface cues predict a grade that is the overlap of two texts", () => {
  const graded = toy("similarity", ["0", "1", "2", "3"], (draw) => {
    const [first, other] = [textOf(draw, 6).split(" "), textOf(draw, 6).split(" ")];
    const second = first.map((word, i) => draw(2) ? word : other[i]!);
    const both = new Set(first).intersection(new Set(second)).size;
    return { first: first.join(" "), second: second.join(" "), label: both / 2 };
  });
  const [predictions, grades] = [surface(graded), graded.test.map(({ label }) => label)];
  assert(pearson(predictions, grades) > 0.97);
  assert(predictions.every((grade, i) => Math.abs(grade - grades[i]!) < 0.5));
});

Deno.test("surface cues are near chance where they say nothing", () => {
  const random = toy("similarity", ["different", "the same"], (draw) => ({
    first: textOf(draw, 4 + draw(8)),
    second: textOf(draw, 4 + draw(8)),
    label: draw(2),
  }));
  assert(Math.abs(accuracy(random) - 0.5) < 0.08);
});
