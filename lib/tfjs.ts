/**
 * tfjs: its core, its backend "cpu", and the gradients and methods of tensors that package `@tensorflow/tfjs` registers.
 * That package also brings layers, a converter and WebGL, 240 MB that nothing here uses; it can be imported beside this
 * module, and then has the same tensors and backends.
 *
 * @module
 */
import { registerHooks } from "node:module";
import * as core from "npm:@tensorflow/tfjs-core@4.22.0";
import type {} from "npm:@tensorflow/tfjs-core@4.22.0/dist/public/chained_ops/register_all_chained_ops.js";
import "npm:@tensorflow/tfjs-backend-cpu@4.22.0";

export * from "npm:@tensorflow/tfjs-core@4.22.0";

// tfjs-core has both only as modules for bundlers, which import one another without the ending `.js`. They register in
// the engine of the whole process, so it is no matter that they are another copy of the core.
if (!core.getGradient("AddN")) {
  const hooks = registerHooks({
    resolve: (name, context, next) =>
      next(
        context.parentURL?.includes("/tfjs-core/") && /^\.{1,2}\/.*(?<!\.js)$/.test(name)
          ? `${name}.js`
          : name,
      ),
  });
  await import("npm:@tensorflow/tfjs-core@4.22.0/dist/register_all_gradients.js");
  await import("npm:@tensorflow/tfjs-core@4.22.0/dist/public/chained_ops/register_all_chained_ops.js");
  hooks.deregister();
}
