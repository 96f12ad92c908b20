/** One update of a model in a process of its own: prints the bytes that its heap grew by, and those foretold. */
import * as tf from "../../lib/tfjs.ts";
import type { WasmBackend } from "../../lib/engine/wasm-memory.ts";
import { backend } from "../../lib/engine/mod.ts";
import { type Config, init, leaves } from "../../lib/model/mod.ts";
import { adamState, masked, objective, pretrainDefaults, train } from "../../lib/train/mod.ts";
import { updateBytes } from "../../lib/train/memory.ts";

const [config, N, T] = JSON.parse(Deno.args[0]!) as [Config, number, number];
await backend("wasm", { threads: 2 });
const { memory } = (tf.backend() as WasmBackend).wasm.asm;
const parameters = init(config, 1);
const variables = leaves(parameters).map(([, leaf]) => leaf);
const state = adamState(variables);
const there = tf.memory().numBytes;
const ids = Int32Array.from({ length: N * T }, (_, i) => i * 7919 % config.vocabulary);
const lengths = new Int32Array(N).fill(T);
const drop = { rate: config.dropout, seed: 1, update: 0 };
const batch = config.architecture === "bert"
  ? masked({ ids, lengths }, config.vocabulary, 1, 0)
  : { ids, lengths };
const losses = () => objective({ config, parameters }, batch, 0, drop);
for await (const _ of train({ variables, state, adam: { ...pretrainDefaults, updates: 2 }, losses }));
const trained = variables.reduce((sum, { size }) => sum + size, 0);
console.log(JSON.stringify([memory.buffer.byteLength, there + updateBytes(config, trained, N, T)]));
