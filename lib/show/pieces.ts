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

/** Fills of words, in turn, and of special tokens. */
const fills = { words: ["#E3EDF5", "#F6E8DC"], special: "#333333" };

/** Most pieces of a sequence that are drawn: of a longer one the middle is left out. */
const MOST = 60;

/**
 * Sequences of tokens, each piece a box: pieces of one word touch and share a colour, special tokens are dark (the paper's
 * Figure 1). A sequence of more than 60 tokens is drawn without its middle.
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
  const boxes: Box[] = [], labels: Label[] = [];
  let y = 8;
  for (const { name, pieces } of rows) {
    labels.push({ x: 20, y: y + LINE / 2 - 4, text: name, size: TEXT });
    let x = LEFT;
    for (const [i, word] of wordsOf(shortened(pieces)).entries()) {
      const whole = word.reduce((sum, piece) => sum + widthOf(piece) + 1, 0);
      if (x + whole > WIDTH - RIGHT && whole <= WIDTH - RIGHT - LEFT) [x, y] = [LEFT, y + LINE];
      for (const piece of word) {
        const isSpecial = SPECIAL.test(piece), text = textOf(piece), width = widthOf(piece);
        if (x + width > WIDTH - RIGHT) [x, y] = [LEFT, y + LINE];
        const fill = isSpecial ? fills.special : text === "…" ? "white" : fills.words[i % 2]!;
        boxes.push({ x, y, width, height: LINE - 8, fill });
        labels.push({
          ...{ x: x + width / 2, y: y + LINE / 2 - 4, text, anchor: "center", size: TEXT },
          ...isSpecial && { color: "white" },
        });
        x += width + 1;
      }
      x += 5;
    }
    y += LINE + 12;
  }
  return drawing(title, y, { boxes, labels }, {
    header: ["sequence", "tokens", "pieces"],
    rows: rows.map(({ name, pieces }) => [name, String(pieces.length), shortened(pieces).join(" ")]),
  });
}

const SPECIAL = /^<(?!\/w>).+>$/;
const textOf = (piece: string) => piece.replace(/<\/w>$/, "");
const widthOf = (piece: string) => textWidth([textOf(piece)]) * TEXT / SIZE + 10;

/** Pieces by word: special tokens are words of their own. */
function wordsOf(pieces: readonly string[]): string[][] {
  const words: string[][] = [];
  let isOpen = false;
  for (const piece of pieces) {
    const isWhole = SPECIAL.test(piece) || piece === "…";
    if (isOpen && !isWhole) words.at(-1)!.push(piece);
    else words.push([piece]);
    isOpen = !isWhole && !piece.endsWith("</w>");
  }
  return words;
}

function shortened(pieces: readonly string[]): readonly string[] {
  if (pieces.length <= MOST) return pieces;
  return [...pieces.slice(0, MOST - 20), "…", ...pieces.slice(-19)];
}
