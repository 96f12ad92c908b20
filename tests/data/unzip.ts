/**
 * The files of a small zip archive that a test has at hand: deflated or stored, no encryption, no zip64.
 *
 * @returns The content of each file by its path
 */
export async function unzip(archive: Uint8Array): Promise<Map<string, Uint8Array>> {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const files = new Map<string, Uint8Array>();
  let end = archive.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end--;
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const [method, size] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true)];
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    const path = new TextDecoder().decode(archive.subarray(at + 46, at + 46 + name));
    const header = view.getUint32(at + 42, true);
    const from = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
    const packed = new Blob([archive.slice(from, from + size)]).stream();
    const stream = method === 0 ? packed : packed.pipeThrough(new DecompressionStream("deflate-raw"));
    if (!path.endsWith("/")) files.set(path, new Uint8Array(await new Response(stream).arrayBuffer()));
    at += 46 + name + extra + comment;
  }
  return files;
}
