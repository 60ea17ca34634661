/** Which cells of a sheet belong to a place of the picture: under a stroke, at a pixel, and those that can see it. */
import type { CellGrid, Sheet, Stroke } from "./activation_state";

/** Points a side at which a territory is asked whether it is painted: the kernel asks at the same ones. */
const POINTS = 8;

export interface Painted {
  /** How much of each cell's territory the strokes cover, row after row; null while they cover nothing. */
  sharesOf(strokes: readonly Stroke[]): Float32Array | null;
}

type Point = Stroke["points"][number];

const samePoint = (a: Point | undefined, b: Point | undefined) => a?.[0] === b?.[0] && a?.[1] === b?.[1];

/** Whether a stroke is an earlier one, drawn on. */
const continues = (now: Stroke | undefined, before: Stroke) =>
  now?.width === before.width && before.points.every((point, i) => samePoint(point, now.points[i]));

/** First and last index of the ascending edges' intervals that meet from..to; none where last < first. */
function span(edges: Float32Array, from: number, to: number): readonly [first: number, last: number] {
  let first = 0;
  let last = edges.length - 2;
  while (first <= last && edges[first + 1] < from) first++;
  while (last >= first && edges[last] > to) last--;
  return [first, last];
}

/** Index of the last of some ascending numbers that is not above a limit; -1 where all are. */
export function lastUpTo(numbers: ArrayLike<number>, limit: number): number {
  let last = -1;
  while (last + 1 < numbers.length && numbers[last + 1] <= limit) last++;
  return last;
}

/** The interval that holds a position; null where none does. */
function holding(edges: Float32Array, at: number): number | null {
  const cell = lastUpTo(edges, at);
  return cell >= 0 && cell < edges.length - 1 ? cell : null;
}

/** Counts painted points by cell as strokes grow: only the newest piece of a stroke is looked at. */
export function createPainted({ grids: [grid], rows, columns }: Sheet): Painted {
  const { x_edges: across, y_edges: down } = grid;
  /** One byte for each row of points in a cell, one bit for each point. */
  const bits = new Uint8Array(rows * columns * POINTS);
  let done: readonly Stroke[] = [];
  let shares: Float32Array | null = null;

  const point = (edges: Float32Array, cell: number, i: number) =>
    edges[cell] + ((i + 0.5) / POINTS) * (edges[cell + 1] - edges[cell]);

  /** Marks the points within `radius` of the piece of line from a to b. */
  const mark = ([ax, ay]: Point, [bx, by]: Point, radius: number) => {
    const [left, right] = span(across, Math.min(ax, bx) - radius, Math.max(ax, bx) + radius);
    const [top, bottom] = span(down, Math.min(ay, by) - radius, Math.max(ay, by) + radius);
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    for (let row = top; row <= bottom; row++) {
      for (let j = 0; j < POINTS; j++) {
        const y = point(down, row, j);
        for (let column = left; column <= right; column++) {
          let byte = 0;
          for (let i = 0; i < POINTS; i++) {
            const x = point(across, column, i);
            const along = length > 0 ? ((x - ax) * dx + (y - ay) * dy) / length : 0;
            const t = along < 0 ? 0 : along > 1 ? 1 : along;
            const [ex, ey] = [x - ax - t * dx, y - ay - t * dy];
            if (ex * ex + ey * ey <= radius * radius) byte |= 1 << i;
          }
          bits[(row * columns + column) * POINTS + j] |= byte;
        }
      }
    }
  };

  const count = (strokes: readonly Stroke[]): Float32Array | null => {
    const result = new Float32Array(rows * columns);
    let some = false;
    bits.forEach((byte, i) => {
      for (let rest = byte; rest; rest &= rest - 1) result[i >> 3] += 1 / (POINTS * POINTS);
      some ||= byte !== 0;
    });
    if (some) return result;
    // A brush finer than the points still means the cell that it touches.
    const [x, y] = strokes[0].points[0];
    const [row, column] = [holding(down, y), holding(across, x)];
    if (row === null || column === null) return null;
    result[row * columns + column] = 1 / (POINTS * POINTS);
    return result;
  };

  return {
    sharesOf(all) {
      const strokes = all.filter(({ points }) => points.length > 0);
      if (
        strokes.length === done.length &&
        done.every((stroke, i) => continues(strokes[i], stroke)) &&
        done.every((stroke, i) => stroke.points.length === strokes[i].points.length)
      )
        return shares;
      const grown = done.length <= strokes.length && done.every((stroke, i) => continues(strokes[i], stroke));
      if (!grown) {
        bits.fill(0);
        done = [];
      }
      strokes.forEach(({ points, width }, i) => {
        const from = done[i]?.points.length ?? 0;
        for (let k = from; k < points.length; k++) mark(points[Math.max(0, k - 1)], points[k], width / 2);
      });
      done = strokes;
      shares = strokes.length > 0 ? count(strokes) : null;
      return shares;
    },
  };
}

/** Rows and columns of cells, the last ones not included. */
export interface CellRange {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function reaching(starts: Float32Array, ends: Float32Array, at: number): readonly [number, number] {
  let first = 0;
  while (first < ends.length && ends[first] <= at) first++;
  let after = first;
  while (after < starts.length && starts[after] <= at) after++;
  return [first, after];
}

/** The cell whose place is nearest to a point of the picture, as a range of one; null outside the seen part. */
export function cellAt(grid: CellGrid, x: number, y: number): CellRange | null {
  const [row, column] = [holding(grid.y_edges, y), holding(grid.x_edges, x)];
  if (row === null || column === null) return null;
  return { top: row, bottom: row + 1, left: column, right: column + 1 };
}

/** The cells whose receptive field holds a point of the picture: those that can see it; null where none does. */
export function cellsSeeing(grid: CellGrid, x: number, y: number): CellRange | null {
  const [left, right] = reaching(grid.lefts, grid.rights, x);
  const [top, bottom] = reaching(grid.tops, grid.bottoms, y);
  return left < right && top < bottom ? { top, bottom, left, right } : null;
}

/** Whether a range is the whole map. */
export function isEvery({ rows, columns }: Sheet, { top, bottom, left, right }: CellRange): boolean {
  return top === 0 && left === 0 && bottom === rows && right === columns;
}
