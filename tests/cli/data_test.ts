import { listTasks } from "../../lib/data/mod.ts";
import { downloads } from "../../lib/data/downloads.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, outputOf, startTask } from "../programs.ts";
import { contents, zip } from "../data/archives.ts";

const start = (args: string[], env?: Record<string, string>) => startTask("data", args, env && { env });
const run = (args: string[], env?: Record<string, string>) => endOf(start(args, env));

const top = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(top, { recursive: true }));
const cache = `${top}/cache`;
await Deno.mkdir(`${top}/mine/copa`, { recursive: true });
await Deno.writeFile(`${top}/mine/cloze.zip`, zip({ name: "cloze/val.csv", text: "1,2" }));
await Deno.writeFile(
  `${top}/mine/hostile.zip`,
  zip({ name: "val.csv", text: "1" }, { name: "../../out.csv", text: "2" }),
);
await Deno.writeFile(`${top}/mine/SST-2.zip`, zip({ name: "SST-2/dev.tsv", text: "sentence\tlabel\n" }));
await Deno.writeTextFile(`${top}/mine/copa/copa-dev.xml`, "<copa-corpus/>");

Deno.test("data tells all names, sizes and licences, and which are there", async () => {
  await Deno.mkdir(`${top}/some/sick`, { recursive: true });
  const { code, out, err } = await run(["--list", "--folder", `${top}/some`]);
  assertEquals([code, err], [0, ""]);
  const rows = out.split("\n").slice(1);
  assertEquals(rows.map((row) => row.split(" ")[0]), downloads.map(({ name }) => name));
  for (const [i, { name }] of downloads.entries()) {
    assert(rows[i]!.endsWith(listTasks().find(({ archive }) => archive === name)!.licence), rows[i]);
  }
  assert(
    /^mnli +312\.8 +no /m.test(out) && /^sick +0\.22 +yes /m.test(out) && /^mrpc +1\.5 /m.test(out),
    out,
  );
});

const refused: [sentence: RegExp, ...args: string[]][] = [
  [/^Cannot download data sets as none is named: --list shows all names$/],
  [/^Cannot download data sets with name "imagenet" as it must be one of sst2, cola/, "imagenet"],
  [
    /^Cannot download story-cloze as its licence forbids redistribution: provide with --from the files/,
    "story-cloze",
  ],
  [/^Cannot use .*SST-2\.zip as .*: expected 7439277 bytes, found \d+$/, "sst2", "--from", `${top}/mine`],
  [
    /^Cannot copy mrpc from .*mine as there is no msr_paraphrase_train\.txt and/,
    "mrpc",
    "--from",
    `${top}/mine`,
  ],
  [/^Cannot read .*nowhere: /, "sst2", "--from", `${top}/nowhere`],
  [
    /^Cannot unpack .*hostile\.zip as "\.\.\/\.\.\/out\.csv" in it is not a plain relative path/,
    "story-cloze",
    "--from",
    `${top}/mine/hostile.zip`,
  ],
  [
    /^Cannot create .* as .*cloze\.zip is a file and not a folder: /,
    "cola",
    "--folder",
    `${top}/mine/cloze.zip`,
  ],
];
for (const [sentence, ...args] of refused) {
  Deno.test(`data ${args.join(" ").replaceAll(top, "…")} is refused with exit code 2 and no stack`, async () => {
    const before = Object.keys(contents(top)).filter((name) => name !== "cache/");
    const { code, out, err } = await run(args.includes("--folder") ? args : ["--folder", cache, ...args]);
    assertEquals([code, out], [2, ""], err);
    assert(sentence.test(err) && !/\n/.test(err), err);
    assertEquals(
      Object.keys(contents(top)).filter((name) => name !== "cache/"),
      before,
      "nothing is left behind",
    );
  });
}

Deno.test("data reads no pipe and no device: it says so at once", async () => {
  const pipe = `${top}/pipes/SST-2.zip`;
  await Deno.mkdir(`${top}/pipes`);
  const paths = ["/dev/zero", "/dev/null", "/dev/stdin"];
  if (await outputOf("mkfifo", pipe) !== undefined) paths.push(pipe, `${top}/pipes`);
  for (const path of paths) {
    for (const name of ["sst2", "story-cloze", "copa"]) {
      const { code, out, err } = await run([name, "--from", path, "--folder", cache]);
      assertEquals([code, out], [2, ""], err);
      assert(
        /^Cannot (read|copy) \P{Cc}*( as (it is not a file|there is no \P{Cc}*)|Requires all access \P{Cc}*)$/u
          .test(err),
        err,
      );
    }
  }
  await Deno.remove(`${top}/pipes`, { recursive: true });
});

Deno.test("data takes one's own copy, says under which terms and that it is unchecked, and keeps what is there", async () => {
  const folder = `${top}/taken`;
  const cloze = ["story-cloze", "--from", `${top}/mine/cloze.zip`, "--folder", folder];
  const { code, out, err } = await run(cloze);
  assertEquals([code, err], [0, ""]);
  assert(
    /^story-cloze: .*taken\/story-cloze, not verified as no checksum is known\n {2}licence: .*on request.*\n {2}cite: Mostafazadeh/
      .test(out),
    out,
  );
  await Deno.writeTextFile(`${folder}/story-cloze/cloze/val.csv`, "edited");
  const again = await run(cloze);
  assertEquals([again.code, again.out], [0, ""]);
  assert(/taken\/story-cloze exists already: remove it to download it again$/.test(again.err), again.err);
  assertEquals(contents(folder)["story-cloze/cloze/val.csv"], "edited");
  assertEquals((await run(["copa", "--from", `${top}/mine/copa`, "--folder", folder])).code, 0);
  assertEquals(contents(`${folder}/copa`), { "copa-dev.xml": "<copa-corpus/>" });
});

// scitail's address is not encrypted, so that a proxy on this machine can stand in for its host.
const scitail = downloads.find(({ name }) => name === "scitail")!.files[0]!;

/** Runs with a proxy that answers in the host's place. */
async function proxied(
  answer: (request: Request) => Response,
  test: (env: Record<string, string>) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const proxy = `http://127.0.0.1:${server.addr.port}`;
  try {
    await test({ HTTP_PROXY: proxy, http_proxy: proxy, NO_PROXY: "", no_proxy: "" });
  } finally {
    await server.shutdown();
  }
}

Deno.test("interrupted, data ends cleanly; called again, it asks for the rest, and refuses what is wrong", async () => {
  const folder = `${top}/interrupted`;
  const asked: [url: string, range: string | null][] = [];
  await proxied(({ url, headers }) => {
    asked.push([url, headers.get("range")]);
    const from = Number(headers.get("range")?.match(/\d+/)?.[0] ?? 0);
    const range = { "content-range": `bytes ${from}-${scitail.bytes - 1}/${scitail.bytes}` };
    if (from > 0) return new Response(new Uint8Array(scitail.bytes - from), { status: 206, headers: range });
    return new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1_000_000)) }), // And then silence.
    );
  }, async (env) => {
    const child = start(["scitail", "--folder", folder], env);
    let size = 0;
    for (let i = 0; i < 200 && size < 1_000_000; i++) {
      await new Promise((done) => setTimeout(done, 50));
      size = await Deno.stat(`${folder}/scitail.download/SciTailV1.1.zip.part`).then(
        ({ size }) => size,
        () => 0,
      );
    }
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.output();
    const err = new TextDecoder().decode(stderr);
    assertEquals([code, stdout.length], [130, 0], err);
    assert(
      /^Stopping; press Ctrl-C again/m.test(err) && /^Stopped before the end: the same command/m.test(err),
      err,
    );
    assertEquals(size, 1_000_000);
    assertEquals(Object.keys(contents(folder)), [
      "scitail.download/",
      "scitail.download/SciTailV1.1.zip.part",
    ]);

    const again = await run(["scitail", "--folder", folder], env);
    assertEquals([again.code, again.out], [2, ""], again.err);
    assert(
      new RegExp(`^Cannot use http:.* expected SHA-256 ${scitail.sha256}, found `, "m").test(again.err),
      again.err,
    );
    assertEquals(asked, [[scitail.url, null], [scitail.url, "bytes=1000000-"]]);
    assertEquals(contents(folder), {});
  });
});

Deno.test("data follows no redirection to a host that its task does not name", async () => {
  const location = "http://elsewhere.example/SciTailV1.1.zip";
  await proxied(() => new Response(null, { status: 302, headers: { location } }), async (env) => {
    const { code, err } = await run(["scitail", "--folder", `${top}/redirected`], env);
    assertEquals(code, 2, err);
    assert(/^Cannot download http:.*Requires net access to "elsewhere\.example/m.test(err), err);
  });
});
