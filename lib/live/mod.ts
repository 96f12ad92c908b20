/**
 * Live cells: notebook cells whose model computes in the rendered page.
 *
 * @module
 */
export {
  type Live,
  live,
  type LiveOptions,
  type LiveOutput,
  liveOutput,
  liveText,
  type NamedModel,
} from "./live.ts";
export type { LiveContent, LiveModel } from "./cell.ts";
export type { LiveExample } from "./predict.ts";
