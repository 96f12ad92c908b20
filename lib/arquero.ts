/**
 * arquero, also for `import "arquero"` in notebooks. It asks for any `@uwdata/flechette` 2, of which 2.7.0 depends on a
 * package that does not exist: the import before it keeps 2.6.0.
 *
 * @module
 */
import "npm:@uwdata/flechette@2.6.0";

export * from "npm:arquero@8.0.3";
