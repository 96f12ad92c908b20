/**
 * A corpus and a task that are small enough for a study of a second.
 *
 * @module
 */
import type { Corpus, Task } from "../../lib/data/mod.ts";
import { presets } from "../../lib/model/mod.ts";
import { smoke, studies, type Study, type StudySettings } from "../../lib/study/mod.ts";
import { toy } from "../toy.ts";

/** What the texts are made of. */
export const words = "sun rain wind snow frost cloud storm calm heat mist".split(" ");

/** Running text. */
export const text = Array.from({ length: 400 }, (_, i) => words[(i * 7 + (i >> 3)) % 10]).join(" ");

/** To pre-train on. */
export const corpus: Corpus = {
  name: "weather",
  train: text,
  heldout: text.slice(0, 600),
  dropped: 0,
  sources: [],
  licence: "MIT",
  about: "weather",
};

/** A task with these splits. */
export function sky(train: Task["train"], validation: Task["validation"], test: Task["test"]): Task {
  return {
    ...{ name: "sky", kind: "classification", labels: ["cold", "warm"] },
    ...toy,
    ...{ train, validation, test },
  } as Task;
}

const { smoke: _, ...tiny } = smoke(studies.ablate);

/** A study of it, less the task. */
export const weather: StudySettings = {
  ...tiny,
  preset: { ...presets.smoke, layers: 1, width: 8, context: 12 },
  corpus,
  merges: 20,
  pretrain: { ...tiny.pretrain, updates: 4, batch: 2 },
};

/** What a study's runs found, without how long they took. */
export function untimed({ pretrained, finetuned }: Study): unknown[] {
  return [...pretrained, ...finetuned].map(({ trained, ...row }) => {
    const { seconds: _, ...budget } = trained!;
    return { ...row, trained: budget };
  });
}
