import { expect, test } from "vitest";
import { createRecent } from "../src/recent";

test("what was used last is kept, and what is let go is heard of", () => {
  const gone: number[] = [];
  const recent = createRecent<string, number>(
    10,
    (value) => value,
    (value) => gone.push(value),
  );
  recent.set("a", 4);
  recent.set("b", 5);
  recent.get("a");
  recent.set("c", 3);
  expect([recent.get("a"), recent.get("b"), recent.get("c"), gone]).toEqual([4, undefined, 3, [5]]);
  recent.set("d", 50);
  expect([recent.get("d"), gone]).toEqual([50, [5, 4, 3]]);
  recent.set("d", 1);
  recent.clear();
  expect(gone).toEqual([5, 4, 3, 50, 1]);
});
