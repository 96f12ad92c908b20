/// <reference lib="dom" />
import type { Tokenizer } from "../../text/mod.ts";
import { shown } from "../predict.ts";

/** An element with its attributes and content. Texts are text, whatever they hold. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

/** A control with its label before it. */
export function labelled(label: string, control: HTMLElement): HTMLLabelElement {
  return element("label", {}, element("span", {}, label), control);
}

/** Controls with a heading of their own. */
export function group(name: string, ...controls: (Node | string)[]): HTMLFieldSetElement {
  return element("fieldset", {}, element("legend", {}, name), ...controls);
}

/** A field for a text of some lines. */
export function textArea(text: string, rows: number): HTMLTextAreaElement {
  const area = element("textarea", { rows: String(rows), spellcheck: "false" });
  area.value = text;
  return area;
}

/** A list of which one is chosen; its value is the number of the choice. */
export function select(names: readonly string[], chosen = 0): HTMLSelectElement {
  const options = names.map((name, i) => element("option", { value: String(i) }, name));
  options[chosen]!.selected = true;
  return element("select", {}, ...options);
}

/** A field for a number. */
export interface NumberField {
  readonly field: HTMLInputElement;
  /** Its number, or the nearest one in its range; of no number the first one. */
  value(): number;
}

export function numberField(initial: number, from: number, to: number, step: number): NumberField {
  const [value, min, max, by] = [initial, from, to, step].map(String) as [string, string, string, string];
  const field = element("input", { type: "number", value, min, max, step: by });
  return {
    field,
    value() {
      const given = Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : initial;
      const inRange = Math.min(to, Math.max(from, step === 1 ? Math.round(given) : given));
      field.value = String(inRange);
      return inRange;
    },
  };
}

/** A token; those of one word touch, and special ones are dark. */
export function tokenNode<Name extends "button" | "span">(
  name: Name,
  { pieces, decode }: Tokenizer,
  id: number,
): HTMLElementTagNameMap[Name] {
  const piece = pieces[id];
  if (piece === undefined) return element(name, { class: "live-special" }, decode([id]));
  return element(name, piece.endsWith("</w>") ? {} : { class: "live-inner" }, shown(piece));
}

/** Rows of names with a probability each, as numbers and bars. */
export function probabilityTable(
  caption: string,
  rows: readonly { readonly name: string; readonly probability: number }[],
): HTMLTableElement {
  const cells = rows.map(({ name, probability }) => {
    const percent = element(
      "data",
      { value: String(probability) },
      `${(100 * probability).toFixed(1)}\u00a0%`,
    );
    const bar = element("div", { class: "live-bar", style: `width: ${(100 * probability).toFixed(2)}%` });
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", { class: "right" }, percent),
      element("td", { class: "live-bars" }, bar),
    );
  });
  return element("table", {}, element("caption", {}, caption), element("tbody", {}, ...cells));
}

const { port1, port2 } = new MessageChannel();

/** Lets the page draw and hear its reader, without the 4 ms that a timer costs. */
export function painted(): Promise<void> {
  return new Promise((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(0);
  });
}

/** Does something at most once a frame, with what is there then. */
export function perFrame(action: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      action();
    });
  };
}

/** Time in ms without a change after which a screen reader is told: in between, its user would hear each letter. */
const PAUSE = 800;

/** Tells a screen reader what is otherwise seen, of several texts in a row the last. */
export function announcer(): { readonly node: HTMLElement; announce(text: string): void } {
  const node = element("p", { class: "live-unseen", role: "status" });
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    node,
    announce(text) {
      clearTimeout(timer);
      timer = setTimeout(() => node.textContent = text, PAUSE);
    },
  };
}
