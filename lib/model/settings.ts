/**
 * The settings of this folder's options, for other folders. They are not in `mod.ts`, as a published module needs
 * explicit types and theirs are inferred.
 *
 * @module
 */
export { presetSettings, seedSetting } from "./config.ts";
export { generateSettings } from "./generate.ts";
