/**
 * arquero's tables. It asks for any `@uwdata/flechette` 2, of which 2.7.0 depends on a package that does not exist: the
 * import before it keeps 2.6.0 where no lock file does.
 *
 * @module
 */
import "npm:@uwdata/flechette@2.6.0";

export { ColumnTable, from, table } from "npm:arquero@8.0.3";
