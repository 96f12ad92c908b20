import { createHash } from "node:crypto";
import { download, downloadWithin, verify } from "../../lib/data/download.ts";
import type { Pinned } from "../../lib/data/downloads.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { outputOf } from "../programs.ts";

const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);
const sha256 = createHash("sha256").update(bytes).digest("hex");

/** A request's Range header, and how many bytes of body went out for it. */
interface Seen {
  range: string | null;
  path: string;
  sent: number;
}

/** Serves with `handle` on this machine, and tells what was asked for. */
async function served(
  handle: (request: Request, seen: Seen) => Response,
  test: (pinned: Pinned, path: string, asked: Seen[]) => Promise<void>,
): Promise<void> {
  const asked: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const seen = { range: request.headers.get("range"), path: new URL(request.url).pathname, sent: 0 };
    asked.push(seen);
    return handle(request, seen);
  });
  const folder = await Deno.makeTempDir();
  try {
    const url = `http://127.0.0.1:${server.addr.port}/a.zip`;
    await test({ url, bytes: bytes.length, sha256 }, `${folder}/a.zip`, asked);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
}

/** A server that knows ranges, as static ones do. */
function ranges({ headers }: Request, seen: Seen, content = bytes): Response {
  const from = Number(headers.get("range")?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
  if (from >= content.length) {
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${content.length}` } });
  }
  const body = content.slice(from);
  seen.sent = body.length;
  const range = `bytes ${from}-${content.length - 1}/${content.length}`;
  return from > 0
    ? new Response(body, { status: 206, headers: { "content-range": range } })
    : new Response(body);
}

/** A body that tells no length. */
function stream(chunks: Iterable<Uint8Array<ArrayBuffer>>): ReadableStream {
  const iterator = chunks[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

const names = (path: string) =>
  [...Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))].map(({ name }) => name).sort();

Deno.test("a file is downloaded whole, its progress told, and not fetched again", async () => {
  await served(ranges, async (pinned, path, asked) => {
    const told: number[] = [];
    await download(pinned, path, { onProgress: (n) => told.push(n) });
    assertEquals(await Deno.readFile(path), bytes);
    assertEquals(names(path), ["a.zip"]);
    assertEquals([told[0], told.at(-1)], [0, bytes.length]);
    assert(told.every((n, i) => i === 0 || n > told[i - 1]!));
    await download(pinned, path);
    assertEquals(asked.map(({ range }) => range), [null]);
  });
});

Deno.test("a broken download keeps what came, and the next call asks for the rest only", async () => {
  let broken = false;
  await served((request, seen) => {
    if (broken) return ranges(request, seen);
    broken = true;
    // A length that is not kept: the connection breaks.
    const headers = { "content-length": `${bytes.length}` };
    return new Response(stream([bytes.slice(0, 1000), bytes.slice(1000, 120_000)]), { headers });
  }, async (pinned, path, asked) => {
    await assertRefused(
      () => download(pinned, path),
      /^Cannot download http:.*a\.zip: .*: 120000 of 300000 bytes were downloaded, and the same command resumes$/,
    );
    assertEquals(names(path), ["a.zip.part"]);
    await download(pinned, path);
    assertEquals(asked.map(({ range, sent }) => [range, sent]), [[null, 0], ["bytes=120000-", 180_000]]);
    assertEquals(await Deno.readFile(path), bytes);
    assertEquals(names(path), ["a.zip"]);
  });
});

Deno.test("a server that closes early and says nothing is found out", async () => {
  await served(() => new Response(stream([bytes.slice(0, 5000)])), async (pinned, path) => {
    await assertRefused(
      () => download(pinned, path),
      /the connection ended early: 5000 of 300000 bytes were downloaded/,
    );
    assertEquals(names(path), ["a.zip.part"]);
  });
});

Deno.test("a server without ranges sends all of it again, and what was there is replaced", async () => {
  await served(() => new Response(bytes), async (pinned, path, asked) => {
    await Deno.writeFile(`${path}.part`, new Uint8Array(70_000).fill(9));
    await download(pinned, path);
    assertEquals(asked.map(({ range }) => range), ["bytes=70000-"]);
    assertEquals(await Deno.readFile(path), bytes);
  });
});

Deno.test("a server that has no such range is asked for the whole", async () => {
  await served(
    (request, seen) =>
      request.headers.has("range") ? new Response(null, { status: 416 }) : ranges(request, seen),
    async (pinned, path, asked) => {
      await Deno.writeFile(`${path}.part`, bytes.slice(0, 70_000));
      await download(pinned, path);
      assertEquals(asked.map(({ range }) => range), ["bytes=70000-", null]);
      assertEquals(await Deno.readFile(path), bytes);
    },
  );
});

Deno.test("a part that is already longer than the file is thrown away, one that is whole is only checked", async () => {
  await served(ranges, async (pinned, path, asked) => {
    await Deno.writeFile(`${path}.part`, new Uint8Array(bytes.length + 1));
    await download(pinned, path);
    assertEquals(asked.map(({ range }) => range), [null]);
    assertEquals(await Deno.readFile(path), bytes);
    await Deno.rename(path, `${path}.part`);
    await download(pinned, path);
    assertEquals(asked.length, 1);
  });
});

Deno.test("another part than was asked for is refused, and what is there stays", async () => {
  const headers = { "content-range": `bytes 0-${bytes.length - 1}/${bytes.length}` };
  await served(() => new Response(bytes, { status: 206, headers }), async (pinned, path) => {
    await Deno.writeFile(`${path}.part`, bytes.slice(0, 70_000));
    await assertRefused(
      () => download(pinned, path),
      /another range than requested: 70000 of 300000 bytes/,
    );
    assertEquals((await Deno.stat(`${path}.part`)).size, 70_000);
  });
});

for (
  const [what, start, range] of [["a whole", 0, null], ["a resumed", 70_000, "bytes=70000-"]] as const
) {
  Deno.test(`${what} file of another announced size is refused before it comes`, async () => {
    const shorter = bytes.slice(0, 200_000);
    await served((request, seen) => ranges(request, seen, shorter), async (pinned, path, asked) => {
      if (start > 0) await Deno.writeFile(`${path}.part`, bytes.slice(0, start));
      await assertRefused(
        () => download(pinned, path),
        /^Cannot download .* as the server has another .* known one: expected 300000 bytes, found 200000$/,
      );
      assertEquals(asked.map(({ range }) => range), [range]);
      assertEquals(names(path), start > 0 ? ["a.zip.part"] : []);
    });
  });
}

Deno.test("a stream that goes on beyond the size is cut off and refused", async () => {
  let sent = 0;
  function* endless() {
    for (;; sent += 100_000) yield new Uint8Array(100_000);
  }
  await served(() => new Response(stream(endless())), async (pinned, path) => {
    await assertRefused(
      () => download(pinned, path),
      /^Cannot use http:.*a\.zip as it is not the known file: expected 300000 bytes, found more$/,
    );
    assertEquals(names(path), []);
  });
  assert(sent < 50_000_000, `${sent} bytes were sent`);
});

Deno.test("a file of the right size and the wrong content is refused and removed", async () => {
  const other = bytes.slice();
  other[7]! ^= 1;
  const found = createHash("sha256").update(other).digest("hex");
  await served((request, seen) => ranges(request, seen, other), async (pinned, path) => {
    await assertRefused(
      () => download(pinned, path),
      new RegExp(`^Cannot use http:.* expected SHA-256 ${sha256}, found ${found}$`),
    );
    assertEquals(names(path), []);
  });
});

Deno.test("what a server calls encoded is kept as it was sent", async () => {
  const gzip = new Blob([bytes.slice(0, 9999)]).stream().pipeThrough(new CompressionStream("gzip"));
  const sent = new Uint8Array(await new Response(gzip).arrayBuffer());
  await served(
    () => new Response(sent, { headers: { "content-encoding": "gzip" } }),
    async ({ url }, path) => {
      const hash = createHash("sha256").update(sent).digest("hex");
      await download({ url, bytes: sent.length, sha256: hash }, path);
      assertEquals(await Deno.readFile(path), sent);
    },
  );
});

Deno.test("a redirection is followed, with the range", async () => {
  await served((request, seen) => {
    if (seen.path === "/a.zip") return new Response(null, { status: 302, headers: { location: "/b.zip" } });
    return ranges(request, seen);
  }, async (pinned, path, asked) => {
    await Deno.writeFile(`${path}.part`, bytes.slice(0, 70_000));
    await download(pinned, path);
    assertEquals(asked.at(-1), { path: "/b.zip", range: "bytes=70000-", sent: 230_000 });
    assertEquals(await Deno.readFile(path), bytes);
  });
});

Deno.test("a missing file and a server that is not there are one sentence", async () => {
  await served(() => new Response("no", { status: 404 }), async (pinned, path) => {
    await assertRefused(
      () => download(pinned, path),
      /^Cannot download .*: the server says 404 Not Found: 0 of/,
    );
    assertEquals(names(path), []);
    const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = closed.addr;
    closed.close();
    await assertRefused(
      () => download({ ...pinned, url: `http://127.0.0.1:${port}/a.zip` }, path),
      /^Cannot download .*Connect/,
    );
    assertEquals(names(path), []);
  });
});

Deno.test("aborted, a download ends with the signal's reason, and the next call goes on", async () => {
  let first = true;
  await served((request, seen) => {
    if (!first) return ranges(request, seen);
    first = false;
    return new Response(
      new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 50_000)) }), // And then silence.
    );
  }, async (pinned, path, asked) => {
    const controller = new AbortController();
    const onProgress = (n: number) => n >= 50_000 && controller.abort();
    const error = await download(pinned, path, { signal: controller.signal, onProgress }).catch((error) =>
      error
    );
    assertEquals(error, controller.signal.reason);
    assertEquals(names(path), ["a.zip.part"]);
    await download(pinned, path);
    assertEquals(asked.map(({ range }) => range), [null, "bytes=50000-"]);
    assertEquals(await Deno.readFile(path), bytes);
  });
});

const short = { response: 0.3, bytes: 0.3 };

Deno.test("a server that stalls is left, what came stays, and the next call goes on", async () => {
  for (const came of [0, 40_000]) {
    let first = true;
    await served((request, seen) => {
      if (!first) return ranges(request, seen);
      first = false;
      return new Response(
        new ReadableStream({ start: (controller) => came > 0 && controller.enqueue(bytes.slice(0, came)) }),
      );
    }, async (pinned, path) => {
      await assertRefused(
        () => downloadWithin(short, pinned, path, {}),
        new RegExp(
          "^Cannot download http:.*a\\.zip: the server sends nothing for 0\\.3 seconds: " +
            `${came} of 300000 bytes were downloaded, and the same command resumes$`,
        ),
      );
      assertEquals(names(path), came > 0 ? ["a.zip.part"] : []);
      await download(pinned, path);
      assertEquals(await Deno.readFile(path), bytes);
    });
  }
});

Deno.test("a server that is slow, but sends, is waited for", async () => {
  const parts = [0, 1, 2, 3, 4, 5].map((i) => bytes.slice(50_000 * i, 50_000 * (i + 1)));
  const slowly = new ReadableStream({
    async pull(controller) {
      await new Promise((resume) => setTimeout(resume, 100));
      if (parts.length === 0) controller.close();
      else controller.enqueue(parts.shift()!);
    },
  });
  await served(() => new Response(slowly), async (pinned, path) => {
    await downloadWithin({ response: 0.4, bytes: 0.4 }, pinned, path, {});
    assertEquals(await Deno.readFile(path), bytes);
  });
});

/** A server that says to each connection what `say` does, and takes what it is asked. */
async function speaking(
  say: (connection: Deno.TcpConn) => Promise<void>,
  test: (pinned: Pinned, path: string) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.TcpConn[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      open.push(connection);
      await connection.read(new Uint8Array(9999));
      await say(connection).catch(() => {}); // It was left.
    }
  })();
  const folder = await Deno.makeTempDir();
  try {
    await test(
      { url: `http://127.0.0.1:${listener.addr.port}/a.zip`, bytes: bytes.length, sha256 },
      `${folder}/a.zip`,
    );
  } finally {
    listener.close();
    for (const connection of open) connection.close();
    await serving;
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a server that does not answer, or whose headers have no end, is left", async () => {
  const silent = /: the server does not answer for 0\.3 seconds: 0 of 300000 bytes were downloaded/;
  const encode = (text: string) => new TextEncoder().encode(text);
  await speaking(() => Promise.resolve(), async (pinned, path) => {
    await assertRefused(() => downloadWithin(short, pinned, path, {}), silent);
    assertEquals(names(path), []);
  });
  await speaking(async (connection) => {
    await connection.write(encode("HTTP/1.1 200 OK\r\n"));
    for (let i = 0; i < 100; i++) {
      await connection.write(encode(`x-${i}: y\r\n`));
      await new Promise((resume) => setTimeout(resume, 20));
    }
  }, async (pinned, path) => {
    await assertRefused(() => downloadWithin(short, pinned, path, {}), silent);
    assertEquals(names(path), []);
  });
  await speaking(async (connection) => {
    await connection.write(encode("HTTP/1.1 200 OK\r\n"));
    for (let i = 0; i < 3000; i++) await connection.write(encode(`x-${i}: ${"y".repeat(999)}\r\n`));
  }, async (pinned, path) => {
    await assertRefused(() => download(pinned, path), /^Cannot download http:.{1,160}: 0 of 300000 bytes/);
  });
  await speaking(async (connection) => {
    await connection.write(encode(`HTTP/1.1 500 ${"No ".repeat(500)}\x1b[31m\r\ncontent-length: 0\r\n\r\n`));
  }, async (pinned, path) => {
    await assertRefused(
      () => download(pinned, path),
      /^Cannot download http:\P{Cc}{1,160}: 0 of 300000 bytes/u,
    );
  });
});

Deno.test("redirections without end, and to where the network may not be used, are one sentence", async () => {
  const to = (location: string) => () => new Response(null, { status: 302, headers: { location } });
  const left =
    /^Cannot download http:\P{Cc}{1,180}: 0 of 300000 bytes were downloaded, and the same command resumes$/u;
  for (
    const location of [
      "/a.zip",
      "http://elsewhere.example/",
      `http://${"long.".repeat(500)}example/`,
      "data:,x",
    ]
  ) {
    await served(to(location), async (pinned, path) => {
      await assertRefused(() => download(pinned, path), left);
      assertEquals(names(path), []);
    });
  }
  let count = 0;
  await speaking(async (connection) => {
    await new Promise((resume) => setTimeout(resume, 50));
    await connection.write(
      new TextEncoder().encode(`HTTP/1.1 302 Found\r\nlocation: /${count++}\r\nconnection: close\r\n\r\n`),
    );
    connection.closeWrite();
  }, async (pinned, path) => {
    await assertRefused(() => downloadWithin(short, pinned, path, {}), left);
  });
});

Deno.test("what is not a regular file is neither taken for a part, nor written through, nor read", async () => {
  await served(ranges, async (pinned, path, asked) => {
    const victim = `${path}.victim`, part = `${path}.part`;
    const refused = /^Cannot resume .*a\.zip\.part as it is not a regular file: remove it$/;
    await Deno.writeTextFile(victim, "mine");
    await Deno.symlink(victim, part);
    await assertRefused(() => download(pinned, path), refused);
    await Deno.remove(victim);
    await assertRefused(() => download(pinned, path), refused);
    assertEquals(names(path), ["a.zip.part"]);
    await Deno.remove(part);
    await Deno.mkdir(part);
    await assertRefused(() => download(pinned, path), refused);
    await Deno.remove(part);
    if (await outputOf("mkfifo", part) === undefined) return;
    await assertRefused(() => download(pinned, path), refused);
    await Deno.rename(part, path);
    await assertRefused(() => download(pinned, path), /^Cannot read .*a\.zip as it is not a file$/);
    await assertRefused(() => verify(pinned, "/dev/zero"), /^Cannot read \/dev\/zero as it is not a file$/);
    assertEquals(asked, []);
  });
});

Deno.test("a place that cannot be written to is one sentence", async () => {
  await served(ranges, async (pinned, path) => {
    await assertRefused(() => download(pinned, `${path}/there/is/none`), /^Cannot write .*none: /);
  });
});

Deno.test("a file is compared with its pin, and stays whatever comes of it", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "abc");
  // FIPS 180-2, appendix B.1.
  const right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  await verify({ url: "", bytes: 3, sha256: right }, path);
  await assertRefused(() => verify({ url: "", bytes: 4, sha256: right }, path), /expected 4 bytes, found 3$/);
  await assertRefused(
    () => verify({ url: "", bytes: 3, sha256 }, path),
    new RegExp(`^Cannot use ${path} as .* expected SHA-256 ${sha256}, found ${right}$`),
  );
  assertEquals(await Deno.readTextFile(path), "abc");
  await Deno.remove(path);
  await assertRefused(() => verify({ url: "", bytes: 3, sha256 }, path), /^Cannot read /);
});
