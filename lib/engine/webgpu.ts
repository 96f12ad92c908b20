import * as tf from "../tfjs.ts";
import type { WebGPUBackend } from "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
import { InputError } from "../errors.ts";
import { importOnDemand } from "../origin.ts";
import type { MatmulInfo } from "./gemm.ts";
import { checkParity } from "./parity.ts";

/** The device's adapter, if there is one. OpenGL is left to those who ask for it: to compile for it takes minutes. */
export async function findAdapter(): Promise<GPUAdapter | null> {
  const variable = "DENO_WEBGPU_BACKEND";
  const { state } = await Deno.permissions.query({ name: "env", variable });
  if (state === "granted" && !Deno.env.has(variable)) Deno.env.set(variable, "vulkan,metal,dx12");
  return await navigator.gpu.requestAdapter();
}

/**
 * Starts tfjs' backend "webgpu" and makes it the current one. Its package is downloaded and loaded here
 * alone, so that others do not pay for it.
 *
 * @throws {InputError} If there is no device, or it computes wrongly.
 */
export async function startWebgpu(): Promise<MatmulInfo> {
  if (!("gpu" in navigator)) {
    throw new InputError(
      'Cannot use backend "webgpu" as this Deno offers no WebGPU: a newer one does, or --unstable-webgpu',
    );
  }
  if (!await findAdapter()) {
    throw new InputError(
      `Cannot use backend "webgpu" as there is no device: it takes a GPU with a driver for Vulkan, Metal or ` +
        "Direct3D 12, or Debian's mesa-vulkan-drivers, which is one in software",
    );
  }
  await importOnDemand('import "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";');
  tf.env().set("WEBGPU_CPU_FORWARD", false); // Else a value's bits depend on whether it was read before.
  tf.env().set("WEBGPU_MATMUL_PROGRAM_TYPE", 3); // The one of them that adds in the same order each time.
  if (!await tf.setBackend("webgpu")) throw new InputError(`Cannot start backend "webgpu" on this device`);
  const backend = tf.backend() as WebGPUBackend;
  if (!guarded.has(backend)) {
    guard(backend);
    uploadThroughQueue(backend);
  }
  await checkParity();
  const { description, device, vendor, architecture, isFallbackAdapter } = backend.device.adapterInfo;
  const matmul = [description || device, architecture, `vendor ${vendor}`].filter(Boolean).join(", ");
  const faster = 'this device is software: backend "wasm" is faster';
  return { matmul, ...(isFallbackAdapter && { faster }) };
}

/**
 * Has the device's queue copy a tensor's values. Stock tfjs writes them into a mapped buffer, which Deno reads when
 * it maps it: on an NVIDIA H200 that took 78 % of an update. A buffer that is handed out is in no recorded command.
 */
function uploadThroughQueue(backend: WebGPUBackend): void {
  const { tensorMap, bufferManager, queue } = backend;
  const stock = backend.uploadToGPU.bind(backend);
  backend.uploadToGPU = (id) => {
    const data = tensorMap.get(id);
    if (data.resource || !data.values) return stock(id);
    const numbers = data.values as ArrayLike<number>;
    const words = data.dtype === "float32" ? new Float32Array(numbers) : new Int32Array(numbers);
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const buffer = bufferManager.acquireBuffer(words.byteLength, STORAGE | COPY_SRC | COPY_DST);
    queue.writeBuffer(buffer, 0, words);
    data.values = null!; // As stock tfjs has it.
    data.resource = buffer;
  };
}

const guarded = new WeakSet<WebGPUBackend>();
const filters = ["validation", "out-of-memory", "internal"] as const;

/**
 * Makes a read fail where the device refused something before it, a buffer above its limit for one: by itself it
 * gives what stood in the buffer. What cannot be read at once in Deno says so, too.
 */
function guard(backend: WebGPUBackend): void {
  guarded.add(backend);
  const { device, tensorMap } = backend;
  const watch = () => filters.forEach((filter) => device.pushErrorScope(filter));
  watch();
  const read = backend.read.bind(backend);
  backend.read = async (id) => {
    const [outcome] = await Promise.allSettled([read(id)]);
    const scopes = filters.map(() => device.popErrorScope());
    watch();
    const refused = (await Promise.all(scopes)).find((error) => error !== null);
    if (refused) {
      const why = refused.message.replace(/\s+/g, " ").replace(/\.? ?$/, "");
      throw new InputError(
        `Cannot compute on backend "webgpu" as its device refused: ${why}; a smaller batch or another backend may do`,
      );
    }
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  };
  const readSync = backend.readSync.bind(backend);
  backend.readSync = (id) => {
    if (tensorMap.get(id).values) return readSync(id);
    throw new InputError('Cannot read a tensor at once on backend "webgpu": await its data()');
  };
}
