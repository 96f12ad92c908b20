/// <reference lib="dom" />
import { messageOf } from "../../errors.ts";
import { inputs, type Kind } from "../../text/mod.ts";
import {
  announcer,
  element,
  group,
  labelled,
  perFrame,
  probabilityTable,
  select,
  textArea,
  tokenNode,
} from "./dom.ts";
import { MOST } from "../cell.ts";
import { answer, kindOf, type LiveExample, sequencesOf } from "../predict.ts";
import type { LoadedModel } from "./reading.ts";

/** The kinds of task by their names in the paper's Figure 1. */
const KINDS: Readonly<Record<Kind, string>> = {
  classification: "classification",
  entailment: "entailment",
  similarity: "similarity",
  choice: "multiple choice",
};

/** The texts of an example as they are typed. */
type Typed = Record<string, string | string[]>;

/** The paper's Figure 1: the texts of an example, the sequences they become, and what a fine-tuned model answers. */
export function startTasks(cell: HTMLElement, models: readonly LoadedModel[], fields: LiveExample): void {
  const names = Object.keys(KINDS) as Kind[];
  const kinds = select(Object.values(KINDS), names.indexOf(kindOf(fields)));
  const typed = new Map([[kindOf(fields), structuredClone(fields) as unknown as Typed]]);
  const form = element("div"), note = element("p", { role: "status" });
  const { node: spoken, announce } = announcer();
  const results = models.map(({ name }) =>
    element("div", { class: "live-column", role: "group", "aria-label": name })
  );

  function refresh(): void {
    const kind = names[Number(kinds.value)]!, example = typed.get(kind) as unknown as LiveExample;
    note.textContent = "";
    for (const [i, { lm, name }] of models.entries()) {
      const place = results[i]!;
      place.replaceChildren(element("h3", {}, name));
      try {
        const { sequences, cut } = sequencesOf(lm, example, kind);
        place.append(...sequences.map((ids) => tokensOf(lm, ids)));
        if (cut > 0) note.textContent = truncated(lm.config.context, cut);
        place.append(...answersOf(models[i]!, example, kind));
      } catch (error) {
        note.textContent = messageOf(error);
      }
    }
    announce(results.map((place) => place.querySelector("table")?.innerText ?? "").join(" "));
  }
  function draw(): void {
    const kind = names[Number(kinds.value)]!;
    const example = typed.get(kind) ?? emptyExample(kind);
    typed.set(kind, example);
    const areas = Object.entries(inputs[kind].fields).flatMap(([field, type]) => {
      if (type === "text") {
        return [fieldOf(field, example[field] as string, (text) => example[field] = text)];
      }
      const list = example[field] as string[];
      return [
        ...list.map((text, i) => fieldOf(`choice ${i + 1}`, text, (changed) => list[i] = changed)),
        element(
          "p",
          {},
          buttonOf("Add a choice", list.length < MOST.choices, () => list.push("")),
          " ",
          buttonOf("Remove the last choice", list.length > 2, () => list.pop()),
        ),
      ];
    });
    form.replaceChildren(...areas);
    refresh();
  }
  function fieldOf(name: string, text: string, change: (text: string) => void): HTMLElement {
    const area = textArea(text, 2);
    area.addEventListener("input", () => change(area.value));
    area.addEventListener("input", perFrame(refresh));
    return labelled(name, area);
  }
  function buttonOf(name: string, isEnabled: boolean, press: () => void): HTMLButtonElement {
    const button = element("button", { type: "button" }, name);
    button.disabled = !isEnabled;
    button.addEventListener("click", () => {
      press();
      draw();
      [...form.querySelectorAll("textarea")].at(-1)!.focus();
    });
    return button;
  }
  kinds.addEventListener("change", draw);
  cell.replaceChildren(
    group("Task", labelled("kind", kinds)),
    form,
    note,
    spoken,
    element("div", { class: "live-columns" }, ...results),
  );
  draw();
}

function emptyExample(kind: Kind): Typed {
  const fields = Object.entries(inputs[kind].fields);
  return Object.fromEntries(fields.map(([name, type]) => [name, type === "text" ? "" : ["", ""]]));
}

function truncated(context: number, cut: number): string {
  return `The model reads ${context} tokens: ${
    cut === 1 ? "a text is" : `${cut} texts are`
  } cut, as in OpenAI's code.`;
}

/** A sequence as its tokens; the special ones are dark. */
function tokensOf({ tokenizer }: LoadedModel["lm"], ids: Int32Array): HTMLElement {
  const tokens = Array.from(ids, (id) => tokenNode("span", tokenizer, id));
  const name = `A sequence of ${ids.length} tokens`;
  return element("p", { class: "live-tokens", role: "group", "aria-label": name }, ...tokens);
}

/** A fine-tuned model's probabilities, or why there are none. */
function answersOf({ lm }: LoadedModel, example: LiveExample, kind: Kind): HTMLElement[] {
  const { task } = lm;
  if (!task) return [element("p", {}, "The model is not fine-tuned: it has no answer.")];
  if (task.kind !== kind) {
    const own = `The model is fine-tuned on ${task.name}, a task of kind ${
      KINDS[task.kind]
    }: here it has no answer.`;
    return [element("p", {}, own)];
  }
  const labels = "choices" in example
    ? example.choices.map((text, i) => text || `choice ${i + 1}`)
    : task.labels;
  const rows = answer(lm, example).map((probability, i) => ({ name: labels[i]!, probability }));
  return [probabilityTable(`Probabilities, fine-tuned on ${task.name}`, rows)];
}
