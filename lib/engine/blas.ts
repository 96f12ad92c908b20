/**
 * Matrix multiplication by the machine's own BLAS, through FFI, in the memory of tfjs' wasm backend: two to four times
 * as fast as the best that WebAssembly's vectors of four floats allow.
 *
 * @module
 */
import { InputError, quoted } from "../errors.ts";
import { deno } from "../host.ts";

/**
 * `batch` times C = op(A)·op(B), or with `add` C += that, row-major, float32: M × K times K × N. Addresses and
 * the distances from one multiplication's operands to the next one's are bytes; leading dimensions count elements.
 */
export type BatchGemm = (
  batch: number,
  aNext: number,
  bNext: number,
  cNext: number,
  transA: boolean,
  transB: boolean,
  M: number,
  N: number,
  K: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  c: number,
  ldc: number,
  add: boolean,
) => void;

/** A BLAS that has been found, opened and checked. */
export interface Blas {
  /** What to call it: `OpenBLAS (SkylakeX kernels)`. */
  readonly name: string;
  /** Of an OpenBLAS, the kernels that it chose, and the instructions that the processor has, where it knows them. */
  readonly core?: { readonly name: string; readonly supported: Instructions };
  /** Where it was found; `openBlas` opens it again, in another thread. */
  readonly path: string;
  /** Multiplication in a memory. */
  bind(memory: WebAssembly.Memory): BatchGemm;
}

/**
 * Opens the first BLAS that this machine has and that multiplies correctly: what `GPT1_BLAS` names (an absolute path,
 * or a name such as `libopenblas.so.0` that the system finds; `none` stops the search), Accelerate, OpenBLAS, MKL, BLIS,
 * the OpenBLAS inside numpy's wheel.
 *
 * A library is code, so none is loaded that anybody else could have put there: not by a relative path, not from a
 * file or folder that all users may write to, such as `/tmp`, and none by its name alone where the system would look in
 * such a place, as an empty, relative or writable entry of `LD_LIBRARY_PATH` makes it do.
 *
 * Asks for no permission: without `--allow-ffi` there is none, without `--allow-env` and `--allow-read` it
 * looks only where the system does, and sees no variable that makes the system look elsewhere.
 *
 * @returns The library, or undefined if there is none.
 * @throws {InputError} If `GPT1_BLAS` names something that cannot be used.
 *
 * @example
 * ```ts
 * import { findBlas } from "./blas.ts";
 *
 * const blas = await findBlas();
 * console.log(blas?.name ?? "no BLAS here, or no permission to call it");
 * ```
 */
export async function findBlas(): Promise<Blas | undefined> {
  const chosen = await env("GPT1_BLAS");
  // The memory's address takes the whole of --allow-ffi; permission for one library is not enough.
  if (chosen === "none" || !await granted({ name: "ffi" })) return undefined;
  if (chosen) {
    const blas = await openSafe(chosen);
    if (typeof blas === "object") return blas;
    throw new InputError(`Cannot use GPT1_BLAS=${quoted(chosen)} as ${blas}`);
  }
  for await (const path of candidates()) {
    if (!await granted({ name: "ffi", path })) continue; // Denied by --deny-ffi.
    const blas = path === ACCELERATE ? openBlas(path) : await openSafe(path);
    if (typeof blas === "object") return blas;
  }
  return undefined;
}

/** Part of macOS, which keeps it in no file of its own. */
const ACCELERATE = "/System/Library/Frameworks/Accelerate.framework/Accelerate";

const windows = deno?.build.os === "windows";

/** Opens a library where nobody else could have put it; a string says why it cannot be used. */
async function openSafe(path: string): Promise<Blas | string> {
  const fault = /[/\\]/.test(path) ? await pathFault(path) : await nameFault(path);
  return fault ?? openBlas(path);
}

function isAbsolute(path: string): boolean {
  return windows ? /^([a-z]:[/\\]|\\\\)/i.test(path) : path.startsWith("/");
}

/** Links that are followed, at the most: as many as the system follows. */
const LINKS = 40;

/** What is wrong with the location of a library: with the file, each folder above it, and what links lead to. */
async function pathFault(path: string): Promise<string | undefined> {
  if (!isAbsolute(path)) return "its path must be absolute";
  if (!await granted({ name: "read" })) return "its location cannot be checked without --allow-read";
  if (windows) return undefined; // Which has no such mode of a file.
  const left = path.split("/").reverse();
  for (let at = "", links = 0; left.length > 0;) {
    const name = left.pop()!;
    if (name === "" && at !== "" || name === ".") continue;
    const next = name === ".." ? at.replace(/\/[^/]*$/, "") : name === "" ? "" : `${at}/${name}`;
    try {
      const { isSymlink, mode } = Deno.lstatSync(next || "/");
      if (isSymlink) {
        if (++links > LINKS) return "its links go round in a circle";
        const to = Deno.readLinkSync(next);
        if (to.startsWith("/")) at = "";
        left.push(...to.split("/").filter((name) => name !== "").reverse());
        continue;
      }
      if (mode! & 0o002) return `all users may write to ${quoted(next || "/")}`;
    } catch {
      return "it is not there";
    }
    at = next;
  }
  return undefined;
}

/** What is wrong with a library's name: the system would look for it where it should not. */
async function nameFault(name: string): Promise<string | undefined> {
  if (!/^[\w+][\w.+-]*$/.test(name)) return "it must be an absolute path, or a library's name";
  const variables = windows
    ? ["PATH"]
    : Deno.build.os === "darwin"
    ? ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"]
    : ["LD_LIBRARY_PATH"];
  for (const variable of variables) {
    const folders = await env(variable);
    if (!folders) continue; // An empty one is as good as none.
    for (const folder of folders.split(windows ? ";" : /[:;]/)) {
      if (windows && folder === "") continue; // It is passed over there, and means this folder elsewhere.
      const fault = isAbsolute(folder) ? await pathFault(folder) : "a relative one";
      if (fault === undefined || fault === "it is not there") continue;
      return `the system would look for it in ${quoted(folder)} of ${variable}: name its absolute path`;
    }
  }
  if (Deno.build.os === "linux") return undefined; // The others look in this folder, too.
  if (!await granted({ name: "read" })) return "this folder cannot be checked without --allow-read";
  return await Deno.stat(`./${name}`).then(() => "a file of its name is in this folder", () => undefined);
}

/** Whether a permission is there already; asking for one would stop a notebook. */
async function granted(permission: Deno.PermissionDescriptor): Promise<boolean> {
  return (await Deno.permissions.query(permission)).state === "granted";
}

/** An environment variable, if we may read it and it is set. */
async function env(variable: string): Promise<string | undefined> {
  return await granted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
}

/** Paths and system names that may be a BLAS, the fastest first. */
async function* candidates(): AsyncGenerator<string> {
  const { os } = Deno.build;
  if (os === "darwin") yield ACCELERATE;
  const names = windows
    ? ["libopenblas.dll", "openblas.dll", "mkl_rt.2.dll"]
    : os === "darwin"
    ? ["libopenblas.0.dylib", "libmkl_rt.2.dylib", "libblis.4.dylib"]
    : ["libopenblas.so.0", "libmkl_rt.so.2", "libmkl_rt.so", "libblis.so.4"];
  const [conda, venv, path, home] = await Promise.all(
    ["CONDA_PREFIX", "VIRTUAL_ENV", "PATH", "HOME"].map(env),
  );
  for (const name of names) {
    yield name;
    if (conda) yield `${conda}${windows ? "/Library/bin" : "/lib"}/${name}`;
  }
  // numpy's wheel, in any Python that can be started from here.
  const bins = path?.split(windows ? ";" : ":").map((bin) => bin.replace(/[/\\]bin$/, "")) ?? [];
  for (const prefix of new Set([venv, conda, ...bins, home && `${home}/.local`])) {
    if (!prefix || !isAbsolute(prefix)) continue;
    for (const python of windows ? [`${prefix}/Lib`] : await list(`${prefix}/lib`, /^python3/)) {
      for (const packages of ["site-packages", "dist-packages"]) {
        yield* await list(`${python}/${packages}/numpy.libs`, /^libscipy_openblas/);
      }
    }
  }
}

/** The entries of a folder whose names match, as paths; none if we may not look. */
async function list(folder: string, name: RegExp): Promise<string[]> {
  if (!await granted({ name: "read", path: folder })) return [];
  try {
    const entries = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    return entries.filter((entry) => name.test(entry)).sort().map((entry) => `${folder}/${entry}`);
  } catch {
    return [];
  }
}

/** The parameters of `cblas_sgemm`; addresses go as numbers, which are exact to 2⁵³. */
const sgemm = <T extends "i32" | "i64">(name: string, int: T) => ({
  name,
  // deno-fmt-ignore
  parameters: ["i32", "i32", "i32", int, int, int, "f32", "usize", int, "usize", int, "f32", "usize", int],
  result: "void",
  optional: true,
} as const);

const setter = <T extends "i32" | "i64">(name: string, int: T) =>
  ({ name, parameters: [int], result: "void", optional: true }) as const;

/** The name of the kernels that OpenBLAS chose, and whether the processor could run others. */
const coreName = (name: string) => ({ name, parameters: [], result: "pointer", optional: true }) as const;
const support = (name: string) => ({ name, parameters: [], result: "i32", optional: true }) as const;

const fortran = { name: "sgemm_", result: "void", optional: true } as const;

const symbols = {
  plain: sgemm("cblas_sgemm", "i32"),
  scipy: sgemm("scipy_cblas_sgemm", "i32"),
  scipy64: sgemm("scipy_cblas_sgemm64_", "i64"),
  // Fortran's, with addresses throughout: MKL has only this where it is part of PyTorch.
  fortran: { ...fortran, parameters: Array<"usize">(13).fill("usize") },
  openblasThreads: setter("openblas_set_num_threads", "i32"),
  scipyThreads: setter("scipy_openblas_set_num_threads", "i32"),
  scipyThreads64: setter("scipy_openblas_set_num_threads64_", "i32"),
  mklThreads: setter("MKL_Set_Num_Threads_Local", "i32"),
  blisThreads: setter("bli_thread_set_num_threads", "i64"),
  openblasCore: coreName("openblas_get_corename"),
  scipyCore: coreName("scipy_openblas_get_corename"),
  scipyCore64: coreName("scipy_openblas_get_corename64_"),
  avx: support("support_avx"),
  avx2: support("support_avx2"),
  avx512: support("support_avx512"),
};

/** Instructions of x64 that kernels are written for, the slowest first. */
const instructions = ["SSE", "AVX", "AVX2", "AVX-512"] as const;

type Instructions = typeof instructions[number];

/** OpenBLAS' kernels for x64 by their instructions, in lower case. */
const cores: Readonly<Record<Instructions, string>> = {
  SSE: "katmai coppermine northwood banias prescott atom core2 penryn dunnington nehalem " +
    "athlon opteron opteron_sse3 barcelona bobcat nano",
  AVX: "sandybridge bulldozer piledriver steamroller",
  AVX2: "haswell zen excavator",
  "AVX-512": "skylakex cooperlake sapphirerapids",
};

function instructionsOf(core: string): Instructions | undefined {
  return instructions.find((each) => cores[each].split(" ").includes(core.toLowerCase()));
}

/**
 * What holds a library back: `OPENBLAS_CORETYPE`, which some machines set for the sake of old builds, halves OpenBLAS on
 * a processor that could do more. Without permission to read the variable there is nothing to say.
 */
export async function obstacleToBlas({ core }: Blas): Promise<string | undefined> {
  const variable = "OPENBLAS_CORETYPE", chosen = core && await env(variable);
  const used = core && instructionsOf(core.name);
  if (!chosen || !used || !instructionsOf(chosen)) return undefined; // OpenBLAS passes over names that it does not know.
  if (instructions.indexOf(used) >= instructions.indexOf(core.supported)) return undefined;
  return `${variable}=${chosen} holds OpenBLAS to ${used} kernels on a processor with ${core.supported}: unset it`;
}

/** Either width of integer takes numbers. */
type Call = (...args: number[]) => void;

/** `cblas_sgemm` by Fortran's `sgemm_`, for which rows are columns. */
function rowMajor(sgemm: Call): Call {
  const ints = new Int32Array(9), factors = new Float32Array(ints.buffer, 24, 2);
  new Uint8Array(ints.buffer, 32).set(new TextEncoder().encode("NT"));
  const at = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(ints)));
  return (_, opA, opB, M, N, K, alpha, a, lda, b, ldb, beta, c, ldc) => {
    ints.set([N!, M!, K!, ldb!, lda!, ldc!]), factors.set([alpha!, beta!]);
    const formA = at + 32 + opA! - PLAIN, formB = at + 32 + opB! - PLAIN;
    sgemm(formB, formA, at, at + 4, at + 8, at + 24, b!, at + 12, a!, at + 16, at + 28, c!, at + 20);
  };
}

/** Of CBLAS: row-major order, an operand as it is, and transposed. */
const [ROWS, PLAIN, TRANSPOSED] = [101, 111, 112];

/** Opens one library, for one thread at a time; a string says why it cannot be used. */
export function openBlas(path: string): Blas | string {
  let library: Deno.DynamicLibrary<typeof symbols>;
  try {
    library = Deno.dlopen(path, symbols);
  } catch (error) {
    return `it does not open: ${quoted((error as Error).message.split(": ").slice(-2).join(": "))}`;
  }
  const s = library.symbols;
  const multiply =
    (s.plain ?? s.scipy ?? s.scipy64 ?? (s.fortran && rowMajor(s.fortran as unknown as Call))) as Call | null;
  const setThreads = (s.openblasThreads ?? s.scipyThreads ?? s.scipyThreads64 ?? s.mklThreads ??
    s.blisThreads) as Call | null;
  if (!multiply) {
    library.close();
    return "it has neither cblas_sgemm nor sgemm_";
  }
  setThreads?.(1); // We divide work ourselves, and not matrix multiplication alone.

  const bind = (memory: WebAssembly.Memory): BatchGemm => {
    let buffer: ArrayBuffer | undefined, base = 0;
    return (batch, aNext, bNext, cNext, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, add) => {
      if (buffer !== memory.buffer) { // A memory that grows may move.
        buffer = memory.buffer as ArrayBuffer;
        base = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer))));
      }
      a += base, b += base, c += base;
      const [opA, opB] = [transA ? TRANSPOSED : PLAIN, transB ? TRANSPOSED : PLAIN];
      for (let i = 0; i < batch; i++, a += aNext, b += bNext, c += cNext) {
        multiply(ROWS, opA, opB, M, N, K, 1, a, lda, b, ldb, add ? 1 : 0, c, ldc);
      }
    };
  };
  if (!multiplies(bind)) {
    library.close();
    return "it multiplies wrongly";
  }
  const name = s.mklThreads
    ? "MKL"
    : s.blisThreads
    ? "BLIS"
    : setThreads
    ? "OpenBLAS"
    : path.split(/[/\\]/).at(-1)!;
  const core = coreOf(s);
  return { name: core ? `${name} (${core.name} kernels)` : name, path, bind, ...(core && { core }) };
}

/** What an OpenBLAS says of its kernels and of the processor. */
function coreOf(s: Deno.DynamicLibrary<typeof symbols>["symbols"]): Blas["core"] {
  const pointer = (s.openblasCore ?? s.scipyCore ?? s.scipyCore64)?.();
  if (!pointer) return undefined;
  const name = Deno.UnsafePointerView.getCString(pointer);
  if (!/^\w{1,30}$/.test(name)) return undefined;
  return { name, supported: s.avx512?.() ? "AVX-512" : s.avx2?.() ? "AVX2" : s.avx?.() ? "AVX" : "SSE" };
}

/** Whether a library multiplies correctly, on odd shapes in all four forms. */
function multiplies(bind: (memory: WebAssembly.Memory) => BatchGemm): boolean {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const gemm = bind(memory);
  const floats = new Float32Array(memory.buffer);
  for (let i = 0; i < floats.length; i++) floats[i] = (i * 37 % 101) / 64 - 0.75; // Sums of these are exact.
  for (const [M, N, K] of [[1, 1, 1], [5, 7, 3], [17, 33, 19]] as const) {
    for (const form of [0, 1, 2, 3]) {
      const [transA, transB] = [form > 1, form % 2 === 1];
      const [a, b, c] = [0, 2048, 4096];
      gemm(
        1,
        0,
        0,
        0,
        transA,
        transB,
        M,
        N,
        K,
        4 * a,
        transA ? M : K,
        4 * b,
        transB ? K : N,
        4 * c,
        N,
        false,
      );
      for (let i = 0; i < M; i++) {
        for (let j = 0; j < N; j++) {
          let sum = 0;
          for (let k = 0; k < K; k++) {
            sum += floats[a + (transA ? k * M + i : i * K + k)]! *
              floats[b + (transB ? j * K + k : k * N + j)]!;
          }
          if (floats[c + i * N + j] !== sum) return false;
        }
      }
    }
  }
  return true;
}
