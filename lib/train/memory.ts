import * as tf from "../tfjs.ts";
import { InputError } from "../errors.ts";
import {
  architectureOf,
  type Config,
  leaves,
  type Model,
  positionRule,
  shapes,
  totalSize,
} from "../model/mod.ts";

/** Size of the WebAssembly heap, minus what tfjs itself uses. */
const HEAP_LIMIT = 2 ** 32 - 2 ** 24;
/** Heap size relative to its tensors, due to fragmentation: an upper bound of measurements in `tests/train/memory_test.ts`. */
const FRAGMENTATION = 1.08;

/**
 * Bytes of the WebAssembly heap for an update of N sequences of T tokens, without parameters and moments.
 *
 * @param trained Number of trainable parameters.
 */
export function updateBytes(config: Config, trained: number, N: number, T: number): number {
  const { layers, width: d, vocabulary: V, variant } = config;
  const { activations, embeddings, workspace } = architectureOf(config).memory(config, N, T);
  const rotated = positionRule(config).rotations ? 3 * N * T * d : 0; // Rotated queries, keys and values, per block.
  // The backward pass needs either its workspace or a chunk of logits at a time.
  const numbers = trained + activations + layers * rotated + embeddings +
    Math.max(workspace + rotated, 256 * V, 2 ** 21);
  // The gradients of output and input embeddings before they are added; `paper` also copies the embeddings for dropout.
  // 0.5 more, as fragmentation is larger for tensors of this size.
  const tables = (variant === "paper" ? 4 : 2.5) * V * d;
  return 4 * (numbers + tables) * FRAGMENTATION;
}

/**
 * Checks that an update fits into the WebAssembly heap, before the moments are allocated. Other backends have no such
 * limit.
 *
 * @param batch Batch size in examples.
 * @param sequences Sequences per example.
 * @param T Length of the longest sequence.
 * @throws {InputError} With an estimate and the largest batch that fits.
 */
export function checkMemory(
  { config, parameters }: Model,
  batch: number,
  sequences: number,
  T: number,
): void {
  const trained = leaves(parameters).reduce(
    (sum, [, { trainable, size }]) => sum + (trainable ? size : 0),
    0,
  );
  checkHeap(config, trained, tf.memory().numBytes, batch, sequences, T);
}

/**
 * As {@linkcode checkMemory}, of a model that is not there yet, and is the only one.
 *
 * @param config Its configuration.
 */
export function checkModelMemory(config: Config, batch: number, sequences: number, T: number): void {
  const all = [...shapes(config).values()];
  const bytes = 4 * totalSize(all);
  checkHeap(config, totalSize(all.filter(({ fixed }) => !fixed)), bytes, batch, sequences, T);
}

/** @param held Bytes that are held, without moments. */
function checkHeap(
  config: Config,
  trained: number,
  held: number,
  batch: number,
  sequences: number,
  T: number,
): void {
  if (tf.getBackend() !== "wasm") return;
  const allocated = held + 2 * 4 * trained;
  const estimate = (batch: number) => allocated + updateBytes(config, trained, batch * sequences, T);
  if (estimate(batch) <= HEAP_LIMIT) return;
  let [fitting, tooLarge] = [0, batch]; // Binary search: `fitting` fits, `tooLarge` does not.
  while (tooLarge - fitting > 1) {
    const middle = Math.floor((fitting + tooLarge) / 2);
    if (estimate(middle) <= HEAP_LIMIT) fitting = middle;
    else tooLarge = middle;
  }
  throw new InputError(
    `Cannot train on batches of ${batch} with ${
      sequences * batch
    } sequences of ${T} tokens as an update needs about ` +
      `${(estimate(batch) / 2 ** 30).toFixed(1)} GiB and backend "wasm" has at most 4 GiB: ${
        fitting > 0 ? `a batch of ${fitting} fits` : "a smaller model or context may fit"
      }`,
  );
}
