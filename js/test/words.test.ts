import { expect, test } from "vitest";
import { percent, significant, wholePercent } from "../src/format";
import { layoutFor } from "../src/layout";
import { searchIndex, searchNames } from "../src/search";

test("numbers have three significant digits at every magnitude", () => {
  const known: [number, string][] = [
    [0, "0"],
    [9.3145, "9.31"],
    [0.012345, "0.0123"],
    [-12.3, "−12.3"],
    [1234.5, "1230"],
    [0.0000123, "1.23×10⁻⁵"],
    [-1.5e12, "−1.50×10¹²"],
    [Number.NaN, "not a number"],
  ];
  for (const [value, words] of known) expect(significant(value)).toBe(words);
});

test("probabilities are never rounded to a false 0 or 100", () => {
  const words = [0, 0.0004, 0.734, 0.9999, 1].map(percent);
  expect(words).toEqual(["0.0 %", "< 0.1 %", "73.4 %", "> 99.9 %", "100.0 %"]);
  expect(wholePercent(-0.125)).toBe("−12 %");
});

test("search wants every word, and ranks whole names before beginnings before middles", () => {
  const names = ["tabby cat", "cat", "bobcat", "catamaran", "Egyptian cat"];
  expect(searchNames(names, "CAT", 50)).toEqual({ indices: [1, 3, 0, 4, 2], total: 5 });
  expect(searchNames(names, "  cat   egy ", 50).indices).toEqual([4]);
  expect(searchNames(names, "cat", 2)).toEqual({ indices: [1, 3], total: 5 });
  expect(searchNames(names, "2", 50).indices).toEqual([2]);
  expect(searchNames(names, "dog", 50)).toEqual({ indices: [], total: 0 });
});

test("without names a class is found by its number", () => {
  expect(searchIndex("class 17").indices).toEqual([17]);
  expect(searchIndex("17").indices).toEqual([17]);
  expect(searchIndex("seventeen").indices).toEqual([]);
});

test("the picture never grows beyond its height, nor its column beyond the cell", () => {
  for (const width of [120, 360, 500, 720, 1200, 2400]) {
    for (const picture of [
      { width: 600, height: 400 },
      { width: 300, height: 900 },
      { width: 8, height: 8 },
      { width: 5000, height: 300 },
    ]) {
      const single = layoutFor(width, picture, 0);
      expect(single.column).toBeLessThanOrEqual(width);
      expect(single.pane.height).toBeLessThanOrEqual(560);
      const many = layoutFor(width, picture, 4);
      expect(many.perRow * many.pane.width + 12 * (many.perRow - 1)).toBeLessThanOrEqual(many.column);
    }
  }
});
