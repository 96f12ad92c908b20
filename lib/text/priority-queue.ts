/** A priority queue: the first item in the order is popped first. */
export interface PriorityQueue<T> {
  /** Adds an item, in logarithmic time. */
  push(item: T): void;
  /** Removes and returns the first item; `undefined` if the queue is empty. */
  pop(): T | undefined;
}

/**
 * Creates an empty priority queue, a binary heap.
 *
 * @param before Whether `a` comes before `b`, in a strict order.
 *
 * @example
 * ```ts
 * import { priorityQueue } from "./priority-queue.ts";
 *
 * const queue = priorityQueue<number>((a, b) => a > b);
 * for (const n of [3, 9, 4]) queue.push(n);
 * console.log(queue.pop(), queue.pop()); // 9 4
 * ```
 */
export function priorityQueue<T>(before: (a: T, b: T) => boolean): PriorityQueue<T> {
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
