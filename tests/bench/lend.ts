import type * as tf from "../../lib/tfjs.ts";

/** The part of tfjs' wasm backend that a kernel needs. */
interface Backend {
  readonly wasm: { readonly asm: { readonly memory: WebAssembly.Memory } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  getMemoryOffset(id: object): number;
}

/** Lends tfjs' wasm backend the kernel without which `gather` has no gradient there. */
export function lendSegmentSum({ registerKernel }: Pick<typeof tf, "registerKernel">): void {
  registerKernel({
    kernelName: "UnsortedSegmentSum",
    backendName: "wasm",
    kernelFunc({ inputs, attrs, backend: any }) {
      const backend = any as Backend;
      const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
      const inner = x.shape.slice(segmentIds.shape.length);
      const count = segmentIds.shape.reduce((a, b) => a * b, 1), n = inner.reduce((a, b) => a * b, 1);
      const rows = attrs!["numSegments"] as number;
      const out = backend.makeOutput([rows, ...inner], "float32");
      const at = (info: tf.TensorInfo) => backend.getMemoryOffset(info.dataId);
      const { buffer } = backend.wasm.asm.memory;
      const sums = new Float32Array(buffer, at(out), rows * n).fill(0);
      const ids = new Int32Array(buffer, at(segmentIds), count);
      const values = new Float32Array(buffer, at(x), count * n);
      for (let i = 0; i < count; i++) {
        for (let j = 0, to = ids[i]! * n; j < n; j++) sums[to + j]! += values[i * n + j]!;
      }
      return out;
    },
  });
}
