/**
 * What a person looks at: figures, their PNG without a browser, tables, progress. It knows numbers, not models.
 *
 * Loading it has one effect elsewhere: arquero's tables show themselves ({@linkcode showTables}).
 *
 * @module
 */
import { showTables } from "./tables.ts";

export { type Bar, type BarGroup, bars } from "./bars.ts";
export { curve, type CurveOptions, type Line } from "./curve.ts";
export { type Figure, png } from "./figure.ts";
export { type Effect, forest } from "./forest.ts";
export { heatmap, type HeatmapOptions } from "./heatmap.ts";
export { duration, type Face, progress, type Step } from "./progress.ts";
export { show } from "./show.ts";
export { strip, type StripGroup } from "./strip.ts";
export { type ArmStyle, armStyle, type Mean, type Words } from "./style.ts";
export { showTables } from "./tables.ts";
export { type StudyStep, type Update, watch, type Watched } from "./watch.ts";

showTables();
