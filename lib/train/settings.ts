/**
 * The settings of this folder's options, for other folders. They are not in `mod.ts`, as a published module needs
 * explicit types and theirs are inferred.
 *
 * @module
 */
export { finetuneSettings } from "./finetune.ts";
export * from "./options.ts";
export { pretrainSettings } from "./pretrain.ts";
export { pretrainedSetting } from "./pretrained.ts";
