import { settle } from "../settings.ts";
import { type Box, drawing, type Label } from "./drawing.ts";
import { InputError, quoted } from "../errors.ts";
import { checkList, checkNamed, type Figure } from "./figure.ts";
import { labelSettings, SIZE, textWidth, WIDTH } from "./style.ts";

/** A sequence of tokens with its name. */
export interface TokenRow {
  /** What the sequence is, such as the kind of its task. */
  readonly name: string;
  /** The pieces of its tokens; `</w>` ends a word, and pieces in angle brackets are special tokens. */
  readonly pieces: readonly string[];
}

const LINE = 38, TEXT = 17, LEFT = 190, RIGHT = 20;

/** Fills of texts, by their place in a sequence, and of special tokens. */
const fills = { texts: ["#E3EDF5", "#F6E8DC"], special: "#333333" };

/** Most pieces of a sequence that are drawn: of a longer one the middle is left out. */
const MOST = 60;

/**
 * Sequences of tokens, each piece a box: pieces of one word touch, the texts between special tokens have colours, and
 * special tokens are dark (the paper's Figure 1). A text that stands in two sequences has one colour. A sequence of more
 * than 60 tokens is drawn without its middle.
 *
 * @param rows The sequences
 * @param options The title
 * @returns The figure
 *
 * @example
 * ```ts
 * import { pieces } from "./mod.ts";
 *
 * const sequence = ["<start>", "a</w>", "spear</w>", "<delim>", "a</w>", "to", "ol</w>", "<extract>"];
 * const figure = pieces([{ name: "multiple choice", pieces: sequence }], { title: "What the model is given" });
 * console.log(String(figure));
 * ```
 */
export function pieces(rows: readonly TokenRow[], options: { readonly title: string }): Figure {
  const { title } = settle("draw pieces", { title: labelSettings.title }, options);
  checkNamed("rows", rows);
  for (const { name, pieces } of rows) {
    checkList(`pieces of "${name}"`, pieces);
    const at = pieces.findIndex((piece) => typeof piece !== "string");
    if (at < 0) continue;
    throw new InputError(
      `Cannot draw the pieces of "${name}" as each must be a text: number ${at + 1} of ${pieces.length} is ${
        quoted(pieces[at])
      }`,
    );
  }
  const fillOf = new Map<string, string>();
  const shown = rows.map(({ pieces }) => shortened(filled(pieces, fillOf)));
  const boxes: Box[] = [], labels: Label[] = [];
  let y = 8;
  for (const [i, { name }] of rows.entries()) {
    labels.push({ x: 20, y: y + LINE / 2 - 4, text: name, size: TEXT });
    let x = LEFT;
    for (const word of wordsOf(shown[i]!)) {
      const whole = word.reduce((sum, { piece }) => sum + widthOf(piece) + 1, 0);
      if (x + whole > WIDTH - RIGHT && whole <= WIDTH - RIGHT - LEFT) [x, y] = [LEFT, y + LINE];
      for (const { piece, fill } of word) {
        const text = textOf(piece), width = widthOf(piece);
        if (x + width > WIDTH - RIGHT) [x, y] = [LEFT, y + LINE];
        boxes.push({ x, y, width, height: LINE - 8, fill });
        labels.push({
          ...{ x: x + width / 2, y: y + LINE / 2 - 4, text, anchor: "center", size: TEXT },
          ...fill === fills.special && { color: "white" },
        });
        x += width + 1;
      }
      x += 5;
    }
    y += LINE + 12;
  }
  return drawing(title, y, { boxes, labels }, {
    header: ["sequence", "tokens", "pieces"],
    rows: rows.map(({ name, pieces }, i) => [
      ...[name, String(pieces.length)],
      shown[i]!.map(({ piece }) => piece).join(" "),
    ]),
  });
}

const SPECIAL = /^<(?!\/w>).+>$/;
const textOf = (piece: string) => piece.replace(/<\/w>$/, "");
const widthOf = (piece: string) => textWidth([textOf(piece)]) * TEXT / SIZE + 10;

/** A piece and the colour of its box. */
interface Filled {
  readonly piece: string;
  readonly fill: string;
}

/** Pieces with their colours; a text that `known` does not have gets one by its place in the sequence. */
function filled(pieces: readonly string[], known: Map<string, string>): Filled[] {
  let texts = 0, fill = "";
  return pieces.map((piece, i) => {
    if (SPECIAL.test(piece)) return { piece, fill: fills.special };
    if (i === 0 || SPECIAL.test(pieces[i - 1]!)) {
      const end = pieces.findIndex((piece, at) => at > i && SPECIAL.test(piece));
      const text = pieces.slice(i, end < 0 ? undefined : end).join(" ");
      fill = known.get(text) ?? fills.texts[texts % fills.texts.length]!;
      known.set(text, fill);
      texts++;
    }
    return { piece, fill };
  });
}

/** Pieces by word: special tokens are words of their own. */
function wordsOf(pieces: readonly Filled[]): Filled[][] {
  const words: Filled[][] = [];
  let isOpen = false;
  for (const each of pieces) {
    const isWhole = SPECIAL.test(each.piece) || each === GAP;
    if (isOpen && !isWhole) words.at(-1)!.push(each);
    else words.push([each]);
    isOpen = !isWhole && !each.piece.endsWith("</w>");
  }
  return words;
}

/** What stands for the middle of a long sequence. */
const GAP: Filled = { piece: "…", fill: "white" };

function shortened(pieces: readonly Filled[]): readonly Filled[] {
  if (pieces.length <= MOST) return pieces;
  return [...pieces.slice(0, MOST - 20), GAP, ...pieces.slice(-19)];
}
