/** What was used of late: so much of it is kept, the rest is let go. */

export interface Recent<K, V> {
  /** What is known under a key, which is used anew by that. */
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  clear(): void;
}

/** Keeps values up to a weight in all, and at least the latest; `drop` hears of what is let go. */
export function createRecent<K, V>(
  most: number,
  weigh: (value: V) => number = () => 1,
  drop: (value: V) => void = () => undefined,
): Recent<K, V> {
  /** A map lists its keys in the order in which they were set: the oldest first. */
  const known = new Map<K, V>();
  let weight = 0;

  const forget = (key: K) => {
    const value = known.get(key);
    if (value === undefined) return;
    known.delete(key);
    weight -= weigh(value);
    drop(value);
  };

  return {
    get(key) {
      const value = known.get(key);
      if (value === undefined) return undefined;
      known.delete(key);
      known.set(key, value);
      return value;
    },
    set(key, value) {
      if (known.get(key) === value) return;
      forget(key);
      known.set(key, value);
      weight += weigh(value);
      for (const oldest of known.keys()) {
        if (weight <= most || oldest === key) break;
        forget(oldest);
      }
    },
    clear() {
      for (const key of [...known.keys()]) forget(key);
    },
  };
}
