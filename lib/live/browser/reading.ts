/// <reference lib="dom" />
import { messageOf } from "../../errors.ts";
import { generate, type LanguageModel, largest } from "../../model/mod.ts";
import { nextProbabilities, read, type Reading, shown } from "../predict.ts";
import { announcer, element, group, labelled, numberField, painted, probabilityTable } from "./dom.ts";
import { perFrame, select, textArea, tokenNode } from "./dom.ts";

/** A model and what the page calls it. */
export interface LoadedModel {
  readonly name: string;
  readonly lm: LanguageModel;
}

/** How many next tokens are listed, and how many tokens that a token attends to are named. */
const LISTED = 8, NAMED = 3;

/** Time in ms between two states of a continuation that are shown: to draw each token would take a third of the time. */
const FRAME = 50;

/** How many tokens a continuation has. */
const CONTINUED = 60;

const CONTINUE = "Continue the text";

const HINT =
  "Choose a token, by mouse or arrow keys: which tokens does it attend to, and what comes after it?";

/** A text that models read side by side: tokens, the most probable next ones, attention, and continuations. */
export function startReading(cell: HTMLElement, models: readonly LoadedModel[], text: string): void {
  const columns = models.map(columnOf);
  const area = textArea(text, 3);
  const note = element("p", { role: "status" });
  const attentive = models.filter(({ lm }) => lm.parameters.h.length > 0);
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}`);
  const most = (key: "layers" | "heads") => Math.max(1, ...attentive.map(({ lm }) => lm.config[key]));
  const blocks = select(upTo(most("layers"))), heads = select(upTo(most("heads")));
  const temperature = numberField(0.8, 0, 2, 0.1), topK = numberField(40, 1, 10000, 1);
  const seed = numberField(1, 0, 2 ** 32 - 1, 1);
  const button = element("button", { type: "button" }, CONTINUE);
  let running: AbortController | undefined;

  const refresh = () => {
    const isEmpty = models.every(({ lm }) => lm.tokenizer.encode(area.value).length === 0);
    note.textContent = isEmpty ? "Type a text: a model needs at least one token." : "";
    columns.forEach(({ show }) => show(area.value, Number(blocks.value), Number(heads.value)));
    button.disabled = isEmpty && !running;
  };
  const continueText = async () => {
    if (running) return running.abort();
    const { signal } = running = new AbortController();
    button.textContent = "Stop";
    columns.forEach(({ write }) => write(""));
    const prompt = area.value;
    const options = {
      tokens: CONTINUED,
      temperature: temperature.value(),
      topK: topK.value(),
      seed: seed.value(),
    };
    try {
      for (const [i, { lm }] of models.entries()) {
        if (signal.aborted) break;
        const { write, finish } = columns[i]!;
        let written = lm.tokenizer.decode(lm.tokenizer.encode(prompt)), shownAt = -Infinity;
        for await (const more of generate(lm, prompt, { ...options, signal })) {
          written += more;
          if (performance.now() - shownAt < FRAME) continue;
          write(written);
          await painted();
          shownAt = performance.now();
        }
        write(written);
        finish();
      }
    } catch (error) {
      note.textContent = messageOf(error);
    }
    running = undefined;
    button.textContent = CONTINUE;
    button.disabled = area.value.trim() === "";
  };
  area.addEventListener("input", perFrame(refresh));
  for (const list of [blocks, heads]) list.addEventListener("change", refresh);
  button.addEventListener("click", continueText);

  cell.replaceChildren(
    labelled("Text", area),
    note,
    ...attentive.length > 0
      ? [
        group("Attention", labelled("block", blocks), labelled("head", heads)),
        element("p", { class: "live-hint" }, HINT),
      ]
      : [],
    element("div", { class: "live-columns" }, ...columns.map(({ node }) => node)),
    group(
      "Continuation",
      labelled("temperature", temperature.field),
      labelled("among the most probable", topK.field),
      labelled("seed", seed.field),
      button,
    ),
  );
  refresh();
}

/** What one model makes of the text. */
function columnOf({ lm, name }: LoadedModel) {
  const count = element("p", { class: "live-hint" });
  const row = element("div", { class: "live-tokens", role: "group", "aria-label": `Tokens, ${name}` });
  const looks = element("p"), next = element("div"), output = element("p", { class: "live-output" });
  const { node: spoken, announce } = announcer();
  const node = element(
    "div",
    { class: "live-column", role: "group", "aria-label": name },
    element("h3", {}, name),
    ...[count, row, looks, next, output, spoken],
  );
  const { context } = lm.config;
  const textOf = (id: number) => shown(lm.tokenizer.pieces[id]!);
  let reading: Reading | undefined, buttons: HTMLButtonElement[] = [], text = "";
  let at = -1, block = 0, head = 0;

  /** Shades each token by the attention that the one at a position pays to it, the most attended fully. */
  function attendFrom(from: number): void {
    looks.textContent = "";
    if (!reading || from < 0) return;
    const { ids, attention } = reading, T = ids.length;
    if (!attention || (head + 1) * T * T > attention.length) {
      const isLstm = lm.parameters.h.length === 0;
      looks.textContent = isLstm ? "An LSTM has no attention." : "This model has no such block or head.";
      return;
    }
    const weights = attention.subarray((head * T + from) * T, (head * T + from) * T + T);
    const top = Math.max(...weights);
    buttons.forEach((button, i) => {
      button.value = String(weights[i]);
      button.style.setProperty("--weight", i > from ? "0" : (weights[i]! / top).toFixed(3));
      button.classList.toggle("live-masked", i > from);
    });
    const order = Array.from({ length: from + 1 }, (_, i) => i).sort((a, b) => weights[b]! - weights[a]!);
    const named = order.slice(0, NAMED).map((i) =>
      `“${textOf(ids[i]!)}” ${(100 * weights[i]!).toFixed(0)}\u00a0%`
    );
    looks.textContent = `Block ${block + 1}, head ${head + 1}: “${textOf(ids[from]!)}” attends most to ${
      named.join(", ")
    }.`;
  }
  function choose(position: number): void {
    at = position;
    buttons.forEach((button, i) => {
      button.tabIndex = i === at ? 0 : -1; // One stop of the tab key: arrows lead to the others.
      button.setAttribute("aria-pressed", String(i === at));
    });
    attendFrom(at);
    if (!reading || at < 0) return next.replaceChildren();
    const probabilities = nextProbabilities(lm, reading, at);
    const rows = Array.from(largest(probabilities, LISTED), (id) => ({
      name: textOf(id),
      probability: probabilities[id]!,
    }));
    const caption = `Most probable after “${textOf(reading.ids[at]!)}”`;
    next.replaceChildren(probabilityTable(caption, rows));
    const [first] = rows;
    announce(
      `${caption}: “${first!.name}”, ${(100 * first!.probability).toFixed(0)} %. ${looks.textContent}`,
    );
  }
  const positionOf = ({ target }: Event) => buttons.indexOf(target as HTMLButtonElement);
  row.addEventListener("click", (event) => {
    if (positionOf(event) >= 0) choose(positionOf(event));
  });
  row.addEventListener("mouseover", (event) => attendFrom(positionOf(event) < 0 ? at : positionOf(event)));
  row.addEventListener("mouseleave", () => attendFrom(at));
  row.addEventListener("keydown", (event) => {
    const to = keyTarget(event, at, buttons.length);
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
    buttons[to]!.focus();
  });
  return {
    node,
    /** Reads a text, and shows a head's attention; of another text it chooses the last token. */
    show(asked: string, toBlock: number, toHead: number) {
      const all = [...lm.tokenizer.encode(asked)], ids = all.slice(-context);
      const isNew = asked !== text || !reading;
      if (isNew || toBlock !== block) reading = ids.length > 0 ? read(lm, ids, toBlock) : undefined;
      [text, block, head] = [asked, toBlock, toHead];
      if (!isNew) return attendFrom(at);
      count.textContent = all.length > context
        ? `The last ${context} of ${all.length} tokens: the model reads no more. A continuation starts from the last ` +
          `${context >> 1}.`
        : `${all.length} of at most ${context} tokens.`;
      buttons = ids.map((id) => {
        const button = tokenNode("button", lm.tokenizer, id);
        button.type = "button";
        return button;
      });
      row.replaceChildren(...buttons);
      choose(ids.length - 1);
    },
    /** Shows a continuation so far. */
    write(text: string) {
      output.textContent = text;
    },
    /** Says the whole continuation to a screen reader, which would stumble over its parts. */
    finish() {
      announce(output.textContent!);
    },
  };
}

/** Which of a row's buttons a key leads to; undefined if to none, or if it is the browser's. */
function keyTarget(event: KeyboardEvent, at: number, count: number): number | undefined {
  if (event.altKey || event.ctrlKey || event.metaKey) return undefined;
  const targets: Record<string, number> = {
    ...{ ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1 },
    ...{ Home: 0, End: count - 1 },
  };
  if (!Object.hasOwn(targets, event.key)) return undefined;
  return Math.min(count - 1, Math.max(0, targets[event.key]!));
}
