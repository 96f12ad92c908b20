import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "../assert.ts";
import { bombs, lay } from "./bombs.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Most bytes that a process may have in memory at once, all in all: Deno itself takes 60 MB. */
const MOST = 300e6;

for (const bomb of bombs) {
  Deno.test(`${bomb.name} is refused in one sentence, takes little memory, and leaves nothing`, async () => {
    const top = await Deno.makeTempDir();
    await lay(bomb, `${top}/archive`);
    const { stdout, stderr, signal } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${root}tests/data/unpacking.ts`, `${top}/archive`, `${top}/data`],
      cwd: root,
      signal: AbortSignal.timeout(120_000),
    }).output();
    assertEquals(signal, null, new TextDecoder().decode(stderr));
    const { name, message, peak } = JSON.parse(new TextDecoder().decode(stdout));
    assert(
      name === "InputError" && /^Cannot unpack \P{Cc}{1,270}[^.]$/u.test(message),
      `${name}: ${message}`,
    );
    assert(peak < MOST, `${(peak / 1e6).toFixed(0)} MB: ${message}`);
    assertEquals([...Deno.readDirSync(top)].map(({ name }) => name), ["archive"]);
    await Deno.remove(top, { recursive: true });
  });
}
