/**
 * Compiles the kernels: `deno task kernels` writes `wasm.ts`, with `--check` only compares it.
 *
 * The compiler is 100 MB that nobody needs who does not change a kernel, so it stays out of deno.json and its lock.
 *
 * @module
 */
import asc from "npm:assemblyscript@0.28.20/asc";

const generated = new URL("./wasm.ts", import.meta.url);

/** The modules, and what they do. */
const kernels = { gemm: "The matrix product", fused: "The passes between the products" };

/**
 * The bytes of a kernel, compiled from its source beside this file.
 *
 * @throws {Error} If it does not compile, or would write data of its own into the memory that it is given.
 */
async function compile(
  name: keyof typeof kernels,
  relaxed: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = `${name}.as.ts`;
  const sources = new Map<string, string>();
  for (const path of [file, "simd.as.ts"]) {
    sources.set(path, await Deno.readTextFile(new URL(path, import.meta.url)));
  }
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  let text = "";
  // A first page that is always there halves the checks of an address where engines make them in code.
  const options =
    "--importMemory --initialMemory 1 --maximumMemory 65536 --runtime stub -O3 --noAssert --enable simd"
      .split(" ");
  if (relaxed) options.push("--enable", "relaxed-simd");
  const { error, stderr } = await asc.main([
    file,
    ...options,
    "--outFile",
    "out.wasm",
    "--textFile",
    "out.wat",
  ], {
    readFile: (path) => sources.get(path) ?? null,
    writeFile: (_, contents) => {
      if (typeof contents === "string") text = contents;
      else wasm = Uint8Array.from(contents);
    },
    listFiles: () => [],
  });
  if (error || !wasm) throw new Error(`Cannot compile ${file}: ${stderr}`, { cause: error });
  if (/\((data|start)\b/.test(text)) throw new Error(`Cannot use ${file} as it has data of its own`);
  return wasm;
}

/** The text of `wasm.ts`. */
async function generate(): Promise<string> {
  const lines = ["// Made by `deno task kernels` from gemm.as.ts, fused.as.ts and simd.as.ts; edit those."];
  for (const [kernel, what] of Object.entries(kernels)) {
    lines.push(`/** ${what}, with plain SIMD and with fused multiply-add (relaxed SIMD): wasm in base64. */`);
    lines.push(`export const ${kernel} = {`);
    for (const [name, relaxed] of [["simd", false], ["relaxed", true]] as const) {
      const bytes = await compile(kernel as keyof typeof kernels, relaxed);
      lines.push(`  // ${bytes.length} bytes`, `  ${name}:`, `    "${bytes.toBase64()}",`);
    }
    lines.push("};");
  }
  return lines.join("\n") + "\n";
}

if (import.meta.main) {
  const text = await generate();
  if (!Deno.args.includes("--check")) await Deno.writeTextFile(generated, text);
  else if (await Deno.readTextFile(generated) !== text) {
    console.error("wasm.ts is not what its sources compile to: run deno task kernels");
    Deno.exit(1);
  }
}
