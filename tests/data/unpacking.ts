/**
 * Unpacks an archive in a process of its own, and tells in JSON what came of it, and how much memory it took:
 * `deno run -A tests/data/unpacking.ts <archive> <folder>`.
 *
 * @module
 */
import { unpack } from "../../lib/data/unpack.ts";

const [archive, folder] = Deno.args;
let rss = Deno.memoryUsage().rss;
const first = rss;
const sample = () => rss = Math.max(rss, Deno.memoryUsage().rss);
setInterval(sample, 20);
const error = await unpack(archive!, folder!).then(() => undefined, (error: unknown) => error);
sample();
const peak = await Deno.readTextFile("/proc/self/status").then(
  (text) => Number(text.match(/^VmHWM:\s*(\d+)/m)![1]) * 1024,
  () => rss,
);
const { name, message } = error instanceof Error ? error : { name: "", message: "" };
console.log(JSON.stringify({ name, message, first, peak }));
Deno.exit();
