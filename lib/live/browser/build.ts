/**
 * Makes `bundle.js`, what a live cell runs in a page, of `app.ts`.
 *
 *     deno task live
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Bundles the app into a file. */
export async function build(target: string): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    // What hashes files is not called in a page.
    await Deno.writeTextFile(`${folder}/none.ts`, "export const createHash = undefined;\n");
    await Deno.writeTextFile(
      `${folder}/map.json`,
      JSON.stringify({ imports: { "node:crypto": "./none.ts" } }),
    );
    const { success, stderr } = await new Deno.Command("deno", { // As its task may run no other.
      args: [
        ...[
          "bundle",
          "--quiet",
          "--no-config",
          "--import-map",
          `${folder}/map.json`,
          "--platform",
          "browser",
        ],
        ...["--format", "iife", "--minify", "--output", target],
        fileURLToPath(new URL("./app.ts", import.meta.url)),
      ],
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await build(fileURLToPath(new URL("./bundle.js", import.meta.url)));
