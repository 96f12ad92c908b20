/**
 * A corpus that is small enough for a command of a second.
 *
 * @module
 */

/** Running text of few words. */
export const text = Array.from(
  { length: 3000 },
  (_, i) => ["sun", "rain", "and", "wind", "."][(i * i + (i >> 4)) % 5],
).join(" ").replaceAll(". ", ".\n");

/** Writes the text into a folder; the options of a small model that is pre-trained on it. */
export async function smallModel(folder: string): Promise<string[]> {
  await Deno.writeTextFile(`${folder}/weather.txt`, text);
  return ["--corpus", `${folder}/weather.txt`, "--preset", "smoke", "--context", "16", "--merges", "10"];
}
