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
const kernels = { gemm: "Matrix multiplication", fused: "The passes between matrix multiplications" };

/** A compiled kernel. */
interface Compiled {
  /** Its bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its functions, as a declaration of TypeScript that the compiler makes. */
  readonly declarations: string;
}

/**
 * Compiles a kernel from its source beside this file.
 *
 * @throws {Error} If it does not compile, or would write data of its own into the memory that it is given.
 */
async function compile(
  name: string,
  relaxed: boolean,
): Promise<Compiled> {
  const file = `${name}.as.ts`;
  const sources = new Map<string, string>();
  for (const path of [file, "simd.as.ts"]) {
    sources.set(path, await Deno.readTextFile(new URL(path, import.meta.url)));
  }
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  const texts = new Map<string, string>();
  // A first page that is always there halves the checks of an address where engines make them in code.
  const options =
    "--importMemory --initialMemory 1 --maximumMemory 65536 --runtime stub -O3 --noAssert --bindings raw --enable simd"
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
    writeFile: (path, contents) => {
      if (typeof contents === "string") texts.set(path, contents);
      else wasm = Uint8Array.from(contents);
    },
    listFiles: () => [],
  });
  if (error || !wasm) throw new Error(`Cannot compile ${file}: ${stderr}`, { cause: error });
  const [text, declarations] = ["out.wat", "out.d.ts"].map((path) => texts.get(path)!) as [string, string];
  if (/\((data|start)\b/.test(text)) throw new Error(`Cannot use ${file} as it has data of its own`);
  return { bytes: wasm, declarations };
}

/** Types of WebAssembly, as the kernels' sources name them. */
const types = { bool: "boolean", i32: "number", u32: "number", f32: "number", usize: "number" };

/** The longest line, as in deno.json. */
const WIDTH = 110;

/** The functions of a kernel as methods of an interface, in `deno fmt`'s format. */
function methodsOf(declarations: string): string[] {
  const declared = declarations.matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*export function (\w+)/g);
  return Array.from(declared, ([, comment, name]) => {
    const parameters = Array.from(
      comment!.matchAll(/@param (\w+) `(\w+)`/g),
      ([, x, type]) => `${x}: ${type}`,
    );
    const result = /@returns `(\w+)`/.exec(comment!)?.[1] ?? "void";
    const line = `  ${name}(${parameters.join(", ")}): ${result};`;
    if (line.length <= WIDTH) return line;
    return `  ${name}(\n${parameters.map((each) => `    ${each},\n`).join("")}  ): ${result};`;
  });
}

/** The text of `wasm.ts`. */
async function generate(): Promise<string> {
  const lines = [
    "// Made by `deno task kernels` from gemm.as.ts, fused.as.ts and simd.as.ts; edit those.",
    ...Object.entries(types).map(([name, type]) => `type ${name} = ${type};`),
  ];
  for (const [kernel, what] of Object.entries(kernels)) {
    const compiled = { simd: await compile(kernel, false), relaxed: await compile(kernel, true) };
    lines.push("", `/** The functions of {@linkcode ${kernel}}: \`usize\` is an address in bytes. */`);
    lines.push(`export interface ${kernel[0]!.toUpperCase()}${kernel.slice(1)}Kernels {`);
    lines.push(...methodsOf(compiled.simd.declarations), "}", "");
    lines.push(`/** ${what}, with plain SIMD and with fused multiply-add (relaxed SIMD): wasm in base64. */`);
    lines.push(`export const ${kernel} = {`);
    for (const [form, { bytes }] of Object.entries(compiled)) {
      lines.push(`  // ${bytes.length} bytes`, `  ${form}:`, `    "${bytes.toBase64()}",`);
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
