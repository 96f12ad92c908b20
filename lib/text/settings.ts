/**
 * The settings of this folder's options, for other folders. They are not in `mod.ts`: their types are inferred, and
 * those of a published module must be written out.
 *
 * @module
 */
export { bpeSettings, tokenizerSetting } from "./bpe.ts";
