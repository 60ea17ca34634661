import { expect, test } from "vitest";
import { type ActivationState, EMPTY, type Sheet, type Stroke } from "../src/activation_state";
import { cutOf } from "../src/highlight";
import { createRanker, rank } from "../src/rankings";
import { statisticsOf } from "../src/sheet";
import { cellsSeeing, createPainted } from "../src/territory";
import { beforeCap } from "../src/tile_painter";

/** A repeatable number in 0..1. */
const chance = (i: number) => {
  const wave = 43758.5453 * Math.sin(12.9898 * (i + 1));
  return wave - Math.floor(wave);
};

const [ROWS, COLUMNS] = [5, 6];

function sheetOf(channels: number, pictures = 1, value = (i: number) => chance(i) - 0.4): Sheet {
  const axis = (from: number, step: number, count: number) =>
    Float32Array.from({ length: count }, (_, i) => from + i * step);
  const grid = {
    xs: axis(7, 8, COLUMNS),
    ys: axis(5, 10, ROWS),
    lefts: axis(0, 8, COLUMNS),
    rights: axis(14, 8, COLUMNS),
    tops: axis(0, 10, ROWS),
    bottoms: axis(10, 10, ROWS),
    x_edges: axis(3, 8, COLUMNS + 1),
    y_edges: axis(0, 10, ROWS + 1),
  };
  const cells = ROWS * COLUMNS;
  return {
    layer: "conv",
    values: Float32Array.from({ length: pictures * channels * cells }, (_, i) => value(i)),
    pictures,
    channels,
    rows: ROWS,
    columns: COLUMNS,
    merged: 1,
    cell_rows: [],
    cell_columns: [],
    units: "activation",
    preactivation: null,
    cap: null,
    grids: Array.from({ length: pictures }, () => grid),
    sees_all: false,
    measured: false,
    filters: "",
  };
}

const state = (change: Partial<ActivationState>): ActivationState => ({ ...EMPTY, layer: "conv", ...change });
const plane = ({ values }: Sheet, map: number) => [
  ...values.subarray(map * ROWS * COLUMNS, (map + 1) * ROWS * COLUMNS),
];
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function pearson(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [mean(a), mean(b)];
  const sum = (f: (i: number) => number) => a.reduce((total, _, i) => total + f(i), 0);
  const both = sum((i) => (a[i] - ma) * (b[i] - mb));
  const [va, vb] = [sum((i) => (a[i] - ma) ** 2), sum((i) => (b[i] - mb) ** 2)];
  return va > 0 && vb > 0 ? both / Math.sqrt(va * vb) : 0;
}

test("statistics are those of a literal loop; dead is the same value in every cell of every picture", () => {
  const sheet = sheetOf(3, 2, (i) => {
    const map = Math.floor(i / (ROWS * COLUMNS));
    return map % 3 === 1 ? 0.5 : map === 2 ? 7 : chance(i) - 0.4;
  });
  const { maximum, minimum, mean: means, active, dead } = statisticsOf(sheet);
  for (const map of [0, 3, 5]) {
    const values = plane(sheet, map);
    expect(maximum[map]).toBe(Math.max(...values));
    expect(minimum[map]).toBe(Math.min(...values));
    expect(means[map]).toBeCloseTo(mean(values), 6);
    expect(active[map]).toBeCloseTo(values.filter((value) => value > 0).length / values.length, 6);
  }
  // Channel 2 is constant in the first picture only.
  expect([...dead]).toEqual([0, 1, 0]);
});

test("likeness is Pearson's correlation with the pinned channel, and without one the maximum stands in", () => {
  const sheet = sheetOf(9);
  const ranking = rank(sheet, state({ sort: "likeness", channel: 4 }), null);
  for (let channel = 0; channel < 9; channel++) {
    expect(ranking.scores?.[channel]).toBeCloseTo(pearson(plane(sheet, channel), plane(sheet, 4)), 5);
  }
  expect(ranking.order[0]).toBe(4);
  const without = rank(sheet, state({ sort: "likeness" }), null);
  expect(without.by).toBe("maximum");
});

test("large values with a small spread keep their correlation", () => {
  const sheet = sheetOf(2, 1, (i) => 1000 + (i % 7) / 64);
  const { scores } = rank(sheet, state({ sort: "likeness", channel: 0 }), null);
  expect(scores?.[1]).toBeCloseTo(pearson(plane(sheet, 0), plane(sheet, 1)), 3);
});

test("equal scores keep the order of the channels, and what is not a number comes last", () => {
  const sheet = sheetOf(4, 1, (i) => (i < ROWS * COLUMNS ? Number.NaN : 1));
  expect([...rank(sheet, state({ sort: "maximum" }), null).order]).toEqual([1, 2, 3, 0]);
});

test("at the cap of a ReLU6 the value before it decides, then the mean, and the cap is said", () => {
  // Cell 0 is the largest; the others are the mean's.
  const rest = [0, 1, 2, 3, 1];
  const value = (i: number) => (i % (ROWS * COLUMNS) === 0 ? 6 : rest[Math.floor(i / (ROWS * COLUMNS))]);
  const sheet = { ...sheetOf(5, 1, value), preactivation: Float32Array.of(7, 11, 6, 11, 40), cap: 6 };
  const ranking = rank(sheet, state({ sort: "maximum" }), null);
  expect([...ranking.order]).toEqual([4, 3, 1, 0, 2]);
  expect([0, 2, 4].map((channel) => beforeCap(ranking, channel))).toEqual(["7.00", null, "40.0"]);
  const without = rank({ ...sheet, preactivation: null, cap: null }, state({ sort: "maximum" }), null);
  expect([...without.order]).toEqual([3, 2, 1, 4, 0]);
  expect(beforeCap(without, 4)).toBe(null);
  const share = rank(sheet, state({ sort: "active" }), null);
  expect([...share.order]).toEqual([3, 2, 1, 4, 0]);
  expect(beforeCap(share, 4)).toBe(null);
});

test("difference compares the means of the two pictures", () => {
  const sheet = sheetOf(5, 2);
  const { scores } = rank(sheet, state({ sort: "difference" }), null);
  for (let channel = 0; channel < 5; channel++) {
    const apart = Math.abs(mean(plane(sheet, channel)) - mean(plane(sheet, 5 + channel)));
    expect(scores?.[channel]).toBeCloseTo(apart, 6);
  }
});

test("contributions rank only for their layer and class", () => {
  const contributions = { layer: "conv", target: 3, values: Float32Array.of(0.1, -2, 0.7), units: "logit" };
  const known = rank(sheetOf(3), state({ sort: "contribution", target: 3, contributions }), null);
  expect([[...known.order], known.units]).toEqual([[2, 0, 1], "logit"]);
  expect(rank(sheetOf(3), state({ sort: "contribution", target: 4, contributions }), null).by).toBe(
    "maximum",
  );
});

/** The rule as it is written down: 8 by 8 points in every territory, in if within half a width of the line. */
function literalShares(sheet: Sheet, strokes: readonly Stroke[]): number[] {
  const { x_edges, y_edges } = sheet.grids[0];
  const inside = (x: number, y: number) =>
    strokes.some(({ points, width }) =>
      points.some(([bx, by], k) => {
        const [ax, ay] = points[Math.max(0, k - 1)];
        const [dx, dy] = [bx - ax, by - ay];
        const length = dx * dx + dy * dy;
        const t = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
        return Math.hypot(x - ax - t * dx, y - ay - t * dy) <= width / 2;
      }),
    );
  return Array.from({ length: ROWS * COLUMNS }, (_, cell) => {
    const [row, column] = [Math.floor(cell / COLUMNS), cell % COLUMNS];
    let hits = 0;
    for (let point = 0; point < 64; point++) {
      const along = (edges: Float32Array, at: number, i: number) =>
        edges[at] + ((i + 0.5) / 8) * (edges[at + 1] - edges[at]);
      if (inside(along(x_edges, column, point % 8), along(y_edges, row, point >> 3))) hits += 1;
    }
    return hits / 64;
  });
}

const STROKES: readonly Stroke[] = [
  {
    width: 9,
    points: [
      [12, 8],
      [30, 22],
      [28, 41],
    ],
  },
  { width: 14, points: [[45, 30]] },
];

test("shares of strokes are the literal ones, however the strokes have grown", () => {
  const sheet = sheetOf(1);
  const painted = createPainted(sheet);
  painted.sharesOf([{ width: 9, points: [[12, 8]] }]);
  painted.sharesOf([{ ...STROKES[0], points: STROKES[0].points.slice(0, 2) }]);
  expect([...(painted.sharesOf(STROKES) ?? [])]).toEqual(literalShares(sheet, STROKES));
  expect([...(painted.sharesOf(STROKES.slice(0, 1)) ?? [])]).toEqual(
    literalShares(sheet, STROKES.slice(0, 1)),
  );
  const other = [{ width: 9, points: [[40, 40] as const] }];
  expect([...(painted.sharesOf(other) ?? [])]).toEqual(literalShares(sheet, other));
  expect(painted.sharesOf([])).toBeNull();
});

test("a brush finer than the points means the cell that it touches; beside all cells it means none", () => {
  const painted = createPainted(sheetOf(1));
  const shares = painted.sharesOf([{ width: 0.01, points: [[3 + 8 * 2 + 0.1, 10 * 3 + 0.1]] }]);
  expect(shares?.[3 * COLUMNS + 2]).toBe(1 / 64);
  expect(shares?.reduce((sum, each) => sum + each, 0)).toBe(1 / 64);
  expect(painted.sharesOf([{ width: 0.01, points: [[200, 3]] }])).toBeNull();
});

test("a region ranks by correlation with its shares, anew only when something changes", () => {
  const sheet = sheetOf(7);
  const ranking = createRanker();
  const first = ranking(sheet, state({ sort: "region", region: STROKES }));
  const shares = literalShares(sheet, STROKES);
  for (let channel = 0; channel < 7; channel++) {
    expect(first.scores?.[channel]).toBeCloseTo(pearson(plane(sheet, channel), shares), 5);
  }
  expect(ranking(sheet, state({ sort: "region", region: structuredClone(STROKES), channel: 3 }))).toBe(first);
  expect(ranking(sheet, state({ sort: "region", region: [] })).by).toBe("maximum");
});

test("the cells that see a pixel are those whose field holds it", () => {
  const [grid] = sheetOf(1).grids;
  for (const [x, y] of [
    [0, 0],
    [13.9, 9.9],
    [14, 10],
    [31, 25],
    [53.9, 49.9],
  ]) {
    const range = cellsSeeing(grid, x, y);
    for (let cell = 0; cell < ROWS * COLUMNS; cell++) {
      const [row, column] = [Math.floor(cell / COLUMNS), cell % COLUMNS];
      const sees =
        grid.lefts[column] <= x && x < grid.rights[column] && grid.tops[row] <= y && y < grid.bottoms[row];
      const within =
        range !== null &&
        range.top <= row &&
        row < range.bottom &&
        range.left <= column &&
        column < range.right;
      expect(within).toBe(sees);
    }
  }
  expect(cellsSeeing(grid, 54, 3)).toBeNull();
});

test("quantiles are linear between values", () => {
  const sheet = sheetOf(1, 1, (i) => (7 * i) % 30);
  expect(cutOf(sheet, 0, 0.5)).toBeCloseTo(14.5, 6);
  expect(cutOf(sheet, 0, 1)).toBe(29);
  expect(
    cutOf(
      sheetOf(1, 1, (i) => (i < 25 ? i : Number.NaN)),
      0,
      0.5,
    ),
  ).toBe(12);
  // One for both pictures, so that the brighter one is highlighted more.
  expect(
    cutOf(
      sheetOf(2, 2, (i) => i),
      1,
      0.5,
    ),
  ).toBeCloseTo(74.5, 6);
});
