/** A priority queue: what comes before all else is popped first. */
export interface Heap<T> {
  /** Adds an item, in logarithmic time. */
  push(item: T): void;
  /** Takes out the first item, or gives `undefined` if there is none. */
  pop(): T | undefined;
}

/**
 * An empty binary heap.
 *
 * @param before Whether `a` comes before `b`: a strict order.
 *
 * @example
 * ```ts
 * import { heap } from "./heap.ts";
 *
 * const queue = heap<number>((a, b) => a > b);
 * for (const n of [3, 9, 4]) queue.push(n);
 * console.log(queue.pop(), queue.pop()); // 9 4
 * ```
 */
export function heap<T>(before: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];
  const at = (i: number): T => items[i] as T;
  return {
    push(item) {
      let i = items.push(item) - 1;
      while (i > 0) {
        const parent = (i - 1) >> 1;
        if (!before(item, at(parent))) break;
        items[i] = at(parent);
        i = parent;
      }
      items[i] = item;
    },
    pop() {
      const first = items[0], last = items.pop();
      if (last === undefined || items.length === 0) return first;
      let i = 0;
      for (let child = 1; child < items.length; child = 2 * i + 1) {
        if (child + 1 < items.length && before(at(child + 1), at(child))) child++;
        if (!before(at(child), last)) break;
        items[i] = at(child);
        i = child;
      }
      items[i] = last;
      return first;
    },
  };
}
