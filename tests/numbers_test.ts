import { percent, rounded, withInterval } from "../lib/numbers.ts";
import { assertEquals } from "./assert.ts";

Deno.test("a number shows the digits that its interval supports", () => {
  assertEquals(rounded(71.28391, 1.7), "71.3");
  assertEquals(rounded(71.28391, 17), "71");
  assertEquals(rounded(1.98765, 0.0123), "1.988");
  assertEquals(rounded(71.28391, NaN), "71.28");
  assertEquals([rounded(-0.04, 14), rounded(-0.6, 14), rounded(-0.04, 0.01)], ["0", "−1", "−0.040"]);
  assertEquals(withInterval(-0.4, -1.2, 0.4), "−0.40 [−1.20, 0.40]");
  assertEquals(withInterval(50, 0, 100), "50 [0, 100]");
});

Deno.test("a share is shown in percent", () => {
  assertEquals([0, 0.1234, 1].map(percent), ["0.0 %", "12.3 %", "100.0 %"]);
});
