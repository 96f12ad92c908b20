import { gzipSync } from "node:zlib";
import { sha256 } from "./digest.ts";

/**
 * Compressed data in a page, in an element of a type that the browser does not parse, so that it costs nothing before
 * it is needed. {@linkcode INFLATE} finds it by its name: no text of a page can have such an attribute.
 */
export function block(name: string, bytes: Uint8Array | string): string {
  const base64 = gzipSync(bytes, { level: 9 }).toBase64();
  return `<script type="application/octet-stream;base64" data-block="${name}">${base64}</script>`;
}

/** What a page's content security policy says to allow a script. */
export const allowed = (code: string): string => `'sha256-${Uint8Array.fromHex(sha256(code)).toBase64()}'`;

/**
 * Beginning of a page's script: `run(name)` runs the code in a block as a script element, whose digest the page's policy
 * allows. Ids of the page's headings are no global variables for that code, which might ask for one of their name.
 */
export const INFLATE = `
async function inflate(name) {
  const base64 = document.querySelector('script[data-block="' + name + '"]').textContent;
  let bytes = Uint8Array.fromBase64?.(base64);
  if (!bytes) { // As in browsers of 2024.
    const letters = atob(base64);
    bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i); // A callback for each takes a second.
  }
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}
async function run(name) {
  const script = document.createElement("script");
  script.textContent = await (await inflate(name)).text();
  for (const { id } of document.querySelectorAll("[id]")) {
    if (!(globalThis[id] instanceof Element || globalThis[id] instanceof HTMLCollection)) continue;
    Object.defineProperty(globalThis, id, { value: undefined, writable: true, configurable: true });
  }
  document.body.append(script);
}
`;
