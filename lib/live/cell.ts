import { isRecord } from "../foreign.ts";
import { inputs, type Kind } from "../text/inputs.ts";
import type { LiveExample } from "./predict.ts";

/** Media type of a live cell's output. */
export const LIVE = "application/vnd.gpt1.live+json";

/** Folder beside a notebook in which its live cells keep their models. */
export const FOLDER = "live";

/** A model of a live cell: an included one, or the one in `live/SHA256.safetensors` beside the notebook. */
export interface LiveModel {
  /** What the page calls it. */
  readonly name: string;
  /** An included model's file without its suffix, such as `mini-learned`. */
  readonly included?: string;
  /** SHA-256 of its file. */
  readonly sha256?: string;
}

/** What a live cell shows. */
export interface LiveContent {
  /** The text to begin with. */
  readonly text: string;
  /** The example of a task, instead of a text. */
  readonly example?: LiveExample;
}

/** A live cell's output. */
export interface LiveCell extends LiveContent {
  /** The models, side by side. */
  readonly models: readonly LiveModel[];
}

/** A live cell in a page: the models are blocks of its data. */
export interface LiveSpot extends LiveContent {
  readonly models: readonly { readonly name: string; readonly block: string }[];
}

/** Maximum length of a text and of a name, in characters, and number of choices. */
export const MOST = { text: 5000, name: 80, choices: 5 };

/** Maximum size of a model, and of all models of a page, in bytes. */
export const MAX_BYTES = { model: 40e6, page: 100e6 };

/**
 * Reads a live cell's output, which is not trusted.
 *
 * @returns Undefined if it is none.
 *
 * @example
 * ```ts
 * import { parseLive } from "./cell.ts";
 *
 * console.log(parseLive({ models: [{ name: "mini", included: "mini-learned" }], text: "to be" })?.text); // "to be"
 * console.log(parseLive({ models: [] })); // undefined
 * ```
 */
export function parseLive(value: unknown): LiveCell | undefined {
  if (!isRecord(value)) return undefined;
  const { models, text, example } = value;
  if (!Array.isArray(models) || models.length < 1 || models.length > 2 || !isText(text)) return undefined;
  const found = models.map(parseModel).filter((model) => model !== undefined);
  if (found.length < models.length) return undefined;
  if (example === undefined) return { models: found, text };
  const fields = parseFields(example);
  return fields && { models: found, text, example: fields };
}

const isText = (value: unknown): value is string => typeof value === "string" && value.length <= MOST.text;

function parseModel(value: unknown): LiveModel | undefined {
  if (!isRecord(value)) return undefined;
  const { name, included, sha256 } = value;
  if (typeof name !== "string" || name.length > MOST.name) return undefined;
  if (typeof included === "string" && /^[a-z\d-]{1,40}$/.test(included)) return { name, included };
  return typeof sha256 === "string" && /^[\da-f]{64}$/.test(sha256) ? { name, sha256 } : undefined;
}

function parseFields(value: unknown): LiveExample | undefined {
  if (!isRecord(value)) return undefined;
  const fits = (type: "text" | "texts", field: unknown) =>
    type === "text" ? isText(field) : Array.isArray(field) && field.length >= 2 &&
      field.length <= MOST.choices && field.every(isText);
  const kind = (Object.keys(inputs) as Kind[]).find((kind) =>
    Object.entries(inputs[kind].fields).every(([name, type]) =>
      Object.hasOwn(value, name) && fits(type, value[name])
    )
  );
  if (kind === undefined) return undefined;
  return Object.fromEntries(
    Object.keys(inputs[kind].fields).map((name) => [name, value[name]]),
  ) as unknown as LiveExample;
}
