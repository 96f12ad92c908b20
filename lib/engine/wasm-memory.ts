/**
 * The memory of tfjs' wasm backend, as our kernels see it: addresses in bytes. It may grow at any allocation;
 * addresses stay valid then, views of it do not.
 *
 * @module
 */
import * as tf from "../tfjs.ts";
import type { BackendWasm } from "npm:@tensorflow/tfjs-backend-wasm@4.22.0";
import { InputError } from "../errors.ts";

/** The wasm backend with the part that is private in its types. */
export type WasmBackend = BackendWasm & {
  wasm: {
    asm: { memory: WebAssembly.Memory };
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
};

/** A kernel's bytes in base64, in both forms of SIMD. */
export type Kernel = Readonly<Record<Simd, string>>;

/** SIMD whose bits are the same on every machine, or with what the machine has for x·y + z. */
export type Simd = "simd" | "relaxed";

/** Whether this JavaScript engine runs a form of a kernel. */
export function isSupported(kernel: Kernel, form: Simd): boolean {
  return WebAssembly.validate(decode(kernel[form]));
}

/** What a kernel exports, bound to a memory. */
export function instantiate<Exports>(kernel: Kernel, form: Simd, memory: WebAssembly.Memory): Exports {
  const bytes = decode(kernel[form]);
  if (isShared(memory)) bytes[limitsOf(bytes)!] = SHARED;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports as Exports;
}

/** Base64 in a module loads from a file, over https and in a worker alike, and needs no permission. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Whether threads can work on a memory. */
export function isShared(memory: WebAssembly.Memory): boolean {
  return "SharedArrayBuffer" in globalThis &&
    (memory.buffer as ArrayBuffer | SharedArrayBuffer) instanceof SharedArrayBuffer;
}

/** The byte before a memory's limits in a module: it has both limits; it has both, and is shared. */
const [LIMITED, SHARED] = [1, 3];

/** The last call of {@linkcode startShared}. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Starts tfjs' wasm backend with a memory that threads can share: it has a limit, as a shared one must, and nothing
 * else in a module distinguishes the two kinds. Where it has none, nothing is changed.
 */
export function startShared(start: () => Promise<boolean>): Promise<boolean> {
  const done = last.then(() => withShared(start)); // In turn, so that each restores what it found.
  last = done.catch(() => {});
  return done;
}

async function withShared(start: () => Promise<boolean>): Promise<boolean> {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = ((source: BufferSource | WebAssembly.Module, imports?: WebAssembly.Imports) => {
    if (source instanceof WebAssembly.Module) return instantiate(source, imports);
    const bytes = ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice()
      : new Uint8Array(source).slice();
    const at = limitsOf(bytes);
    if (at === undefined || bytes[at] !== LIMITED) return instantiate(source, imports);
    bytes[at] = SHARED;
    // A shared memory reserves all the addresses that it may ever have; some machines do not have so many.
    return instantiate(bytes, imports).catch(() => instantiate(source, imports));
  }) as typeof instantiate;
  try {
    return await start();
  } finally {
    WebAssembly.instantiate = instantiate;
  }
}

/** Offset of that byte, be the memory the module's own or, as in our kernels, all that it imports. */
function limitsOf(bytes: Uint8Array): number | undefined {
  const [imports, memories] = [2, 5]; // The sections' numbers.
  for (let at = 8; at < bytes.length;) {
    const section = bytes[at++];
    let size = 0, shift = 0, byte = 128;
    for (; byte >= 128; shift += 7) size |= ((byte = bytes[at++]!) & 127) << shift;
    if (section === memories) return at + 1;
    if (section === imports && bytes[at] === 1) {
      const name = at + 2 + bytes[at + 1]!, kind = name + 1 + bytes[name]!;
      if (bytes[kind] === 2) return kind + 1;
    }
    at += size;
  }
  return undefined;
}

/** Where a tensor lies. */
export function addressOf(backend: WasmBackend, { dataId }: tf.TensorInfo): number {
  return backend.getMemoryOffset(dataId) >>> 0;
}

/**
 * A tensor that holds anything.
 *
 * @throws {InputError} If memory ends.
 */
export function outputOn(backend: WasmBackend, shape: number[]): tf.TensorInfo {
  const info = backend.makeOutput(shape, "float32");
  if (addressOf(backend, info) === 0 && tf.util.sizeFromShape(shape) > 0) {
    backend.disposeData(info.dataId, true);
    throw new InputError(
      `Cannot make a tensor of shape [${shape}] as backend "wasm" ends at 4 GiB: a smaller batch or model fits`,
    );
  }
  return info;
}

/**
 * Bytes of memory that begin where a line of the cache does.
 *
 * @throws {InputError} If memory ends.
 */
export function allocate({ wasm }: WasmBackend, bytes: number): { block: number; start: number } {
  const block = bytes < 2 ** 32 - LINE ? wasm._malloc(bytes + LINE) >>> 0 : 0;
  if (block === 0) {
    throw new InputError(
      `Cannot allocate ${bytes} bytes as backend "wasm" ends at 4 GiB: a smaller batch or model fits`,
    );
  }
  return { block, start: Math.ceil(block / LINE) * LINE };
}

const LINE = 64;

/** Scratch for one operation at a time: addresses are valid until it is taken again. */
export class Scratch {
  #backend: WasmBackend;
  #size = 0;
  #block = 0;
  #start = 0;

  /** Allocates nothing yet. */
  constructor(backend: WasmBackend) {
    this.#backend = backend;
  }

  /** Addresses of so many bytes each. */
  take<Sizes extends number[]>(...sizes: Sizes): { [Each in keyof Sizes]: number } {
    const ends: number[] = [];
    let total = 0;
    for (const size of sizes) ends.push(total += Math.ceil((size + 16) / LINE) * LINE);
    if (total > this.#size) {
      if (this.#block) this.#backend.wasm._free(this.#block);
      [this.#size, this.#block] = [0, 0];
      const { block, start } = allocate(this.#backend, total);
      [this.#size, this.#block, this.#start] = [total, block, start];
    }
    return sizes.map((_, i) => this.#start + (ends[i - 1] ?? 0)) as { [Each in keyof Sizes]: number };
  }
}
