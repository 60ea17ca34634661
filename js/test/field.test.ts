import { expect, test } from "vitest";
import { wireMap } from "../demo/wire";
import { autoColormap, colourise, endsOf, scaleOf, shareOf } from "../src/colormap";
import { areasWithoutValue, cellAt, valueAt } from "../src/field";
import { READERS } from "../src/heatmap_state";
import type { HeatMap } from "../src/protocol";
import { ProtocolError } from "../src/readers";

function mapOf(values: number[], xs: number[], ys: number[]): HeatMap {
  return READERS.maps.read({ it: wireMap(values, xs, ys) }, "_maps").it;
}

/** Centres as of a strided network: nothing like those of equal tiles. */
const uneven = mapOf([1, 2, 3, 4, 5, 6], [0, 32, 70], [5, 25]);

test("values are exact at the true centres", () => {
  [0, 32, 70].forEach((x, column) => {
    [5, 25].forEach((y, row) => {
      expect(valueAt(uneven, x, y)).toBeCloseTo(1 + column + 3 * row, 2);
    });
  });
});

test("values are linear between centres and constant beyond them", () => {
  expect(valueAt(uneven, 16, 5)).toBeCloseTo(1.5, 2);
  expect(valueAt(uneven, 51, 15)).toBeCloseTo(4, 2);
  expect(valueAt(uneven, -100, 5)).toBeCloseTo(1, 2);
  expect(valueAt(uneven, 500, 500)).toBeCloseTo(6, 2);
});

test("a map of one cell is the same everywhere", () => {
  const single = mapOf([3], [10], [10]);
  expect(valueAt(single, 0, 99)).toBe(3);
  expect(cellAt(single, 0, 99)).toEqual({ row: 0, column: 0 });
});

test("the cell under a point is the one with the nearest centre", () => {
  expect(cellAt(uneven, 15, 14)).toEqual({ row: 0, column: 0 });
  expect(cellAt(uneven, 52, 16)).toEqual({ row: 1, column: 2 });
});

const none = Number.NaN;

test("a cell that was computed has its own part of the picture, one that was not leaves its part without a value", () => {
  const map = mapOf([1, 2, none, 4, none, none], [0, 32, 70], [5, 25]);
  // Between two cells that were computed the value is linear, towards another one it stays what it is.
  expect(valueAt(map, 16, 5)).toBeCloseTo(1.5, 2);
  expect(valueAt(map, 50, 5)).toBeCloseTo(2, 2);
  expect(valueAt(map, 0, 14)).toBeCloseTo(2.35, 2);
  expect(valueAt(map, -100, 99)).toBeCloseTo(4, 2);
  expect(valueAt(map, 32, 14)).toBeCloseTo((0.55 * 2) / 0.55, 2);
  for (const [x, y] of [
    [52, 5],
    [99, -9],
    [17, 16],
    [32, 25],
    [70, 25],
  ])
    expect(valueAt(map, x, y)).toBeNaN();
});

test("where all cells were computed, the value is the same as without gaps elsewhere", () => {
  const values = [1, -2, 5, 7, 0.5, 3, none, none, none];
  const [begun, whole] = [values, values.slice(0, 6)].map((each, i) =>
    mapOf(each, [0, 32, 70], i === 0 ? [5, 25, 99] : [5, 25]),
  );
  for (const [x, y] of [
    [3, 8],
    [20, 20],
    [66, 24],
    [90, 0],
  ])
    expect(valueAt(begun, x, y)).toBeCloseTo(valueAt(whole, x, y), 1);
});

test("the parts without a value reach half-way to the neighbours, and beyond the picture", () => {
  const [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const map = mapOf([1, 2, none, 4, none, none], [0, 32, 70], [5, 25]);
  expect(areasWithoutValue(map)).toEqual([
    [51, low, high, 15],
    [16, 15, high, high],
  ]);
  expect(areasWithoutValue(uneven)).toEqual([]);
});

test("the scale is that of what was computed", () => {
  const map = mapOf([none, -4, 2, none], [0, 1], [0, 1]);
  expect(scaleOf(map, "both").maximum).toBe(4);
  expect(scaleOf(map, "positive").maximum).toBe(2);
  expect(scaleOf(mapOf([none, none], [0, 1], [0]), "both").maximum).toBe(0);
});

test("each sign has its own scale", () => {
  const map = mapOf([-4, 0, 1, 2], [0, 1], [0, 1]);
  expect(scaleOf(map, "positive").maximum).toBe(2);
  expect(scaleOf(map, "negative").maximum).toBe(4);
  expect(scaleOf(map, "absolute").maximum).toBe(4);
  expect(endsOf(scaleOf(map, "negative"))).toEqual([0, -4]);
  expect(endsOf(scaleOf(map, "both"))).toEqual([-4, 4]);
  expect(shareOf(scaleOf(map, "positive"), -4)).toBe(0);
  expect(shareOf(scaleOf(map, "negative"), -4)).toBe(1);
  expect(shareOf(scaleOf(map, "both"), -2)).toBe(-0.5);
  expect([autoColormap("positive"), autoColormap("both")]).toEqual(["inferno", "RdBu_r"]);
});

test("colours follow the share; below the threshold and without a number nothing is drawn", () => {
  const colours = Uint32Array.from({ length: 256 }, (_, i) => i + 1);
  const paint = (sign: "positive" | "negative" | "absolute" | "both", threshold: number) => {
    const out = new Uint32Array(5);
    colourise(Float32Array.of(-1, -0.5, 0, 1, Number.NaN), { sign, maximum: 1 }, threshold, colours, out);
    return [...out];
  };
  expect(paint("positive", 0)).toEqual([1, 1, 1, 256, 0]);
  expect(paint("negative", 0.6)).toEqual([256, 0, 0, 0, 0]);
  expect(paint("absolute", 0.5)).toEqual([256, 129, 0, 256, 0]);
  expect(paint("both", 0.5)).toEqual([1, 65, 0, 256, 0]);
});

test("a map that breaks the contract is refused with its name and value", () => {
  const good = wireMap([1, 2], [0, 1], [0]);
  const refuse = (change: object) => () => READERS.maps.read({ cam: { ...good, ...change } }, "_maps");
  expect(refuse({ shape: [2, 2] })).toThrow("_maps.cam.data is 4 bytes, not 8 bytes.");
  expect(refuse({ xs: [1, 0] })).toThrow("_maps.cam.xs is [1,0], not 2 ascending numbers.");
  expect(refuse({ scale: Number.NaN })).toThrow(ProtocolError);
});
