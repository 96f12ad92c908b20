/**
 * The settings of this folder's options, for other folders. They are not in `mod.ts`: their types are inferred, and
 * those of a published module must be written out.
 *
 * @module
 */
export { finetuneSettings } from "./finetune.ts";
export * from "./options.ts";
export { pretrainSettings } from "./pretrain.ts";
export { pretrainedSetting } from "./pretrained.ts";
