/**
 * Writes the tables and reports of data/studies again by today's statistics, from their runs, which stay as they are.
 *
 *     deno run --allow-read --allow-env --allow-write=data/studies tests/study/republish.ts
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { digest } from "../../lib/digest.ts";
import { openStudy } from "../../lib/study/mod.ts";
import { studyJson } from "../../lib/study/study.ts";

const folder = fileURLToPath(new URL("../../data/studies", import.meta.url));
for (const { name, isDirectory } of Deno.readDirSync(folder)) {
  if (!isDirectory) continue;
  const study = await openStudy(`${folder}/${name}`), path = `${folder}/${name}/study.json`;
  const { sha256: _, ...file } = JSON.parse(await Deno.readTextFile(path));
  const now = JSON.parse(
    JSON.stringify({ ...file, result: { ...studyJson(study), runs: file.result.runs } }),
  );
  await Deno.writeTextFile(path, `${JSON.stringify({ ...now, sha256: digest(now) }, null, 2)}\n`);
  await Deno.writeTextFile(`${folder}/${name}/report.md`, study.report);
}
