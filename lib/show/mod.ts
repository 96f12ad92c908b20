/**
 * Figures, PNGs and SVGs without a browser, tables and progress bars. It depends on numbers, not on models.
 *
 * Importing it has one side effect: notebooks display arquero's tables ({@linkcode showTables}).
 *
 * @module
 */
import { showTables } from "./tables.ts";

export { type Bar, type BarGroup, bars } from "./bars.ts";
export { blockDiagram, type DiagramSizes } from "./block.ts";
export { curve, type CurveOptions, type Series } from "./curve.ts";
export { bundle, type Figure, png, svg } from "./figure.ts";
export { type Effect, forest } from "./forest.ts";
export { heatmap, type HeatmapOptions, type HeatmapPanel, heatmaps } from "./heatmap.ts";
export { pieces, type TokenRow } from "./pieces.ts";
export { duration, progress, type ProgressDisplay, type ProgressEvent } from "./progress.ts";
export { show } from "./show.ts";
export { strip, type StripGroup } from "./strip.ts";
export {
  type Arm,
  type ArmLevels,
  type ArmStyle,
  armStyle,
  armStyles,
  type AxisLabels,
  type PointEstimate,
} from "./style.ts";
export { showTables } from "./tables.ts";
export { type StudyStep, type TrainingStep, watch, type Watched, type WatchOptions } from "./watch.ts";

showTables();
