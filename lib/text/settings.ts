/**
 * The settings of this folder's options, for other folders. They are not in `mod.ts`, as a published module needs
 * explicit types.
 *
 * @module
 */
export { bpeSettings, tokenizerSetting } from "./bpe.ts";
