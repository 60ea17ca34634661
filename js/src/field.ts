/**
 * From values at cell centres to values at any point: bilinear between centres (or the nearest cell, where the map
 * is made of blocks), the edge value beyond them. A cell without a value is left out: around it, half-way to each
 * neighbour, there is none.
 */
import type { Box, HeatMap } from "./protocol";

/** For each position: the cell before it, and how far it is on the way to the next cell (0..1). */
export interface AxisSamples {
  readonly index: Int32Array;
  readonly fraction: Float32Array;
}

/** Samples one axis at `count` positions `start + k * step`. */
export function sampleAxis(centres: Float32Array, start: number, step: number, count: number): AxisSamples {
  const index = new Int32Array(count);
  const fraction = new Float32Array(count);
  const last = centres.length - 1;
  let cell = 0;
  for (let k = 0; k < count; k++) {
    const position = start + k * step;
    while (cell < last - 1 && position >= centres[cell + 1]) cell++;
    index[k] = cell;
    if (last === 0) continue;
    const along = (position - centres[cell]) / (centres[cell + 1] - centres[cell]);
    fraction[k] = Math.min(1, Math.max(0, along));
  }
  return { index, fraction };
}

/** What of a map its values are read by. */
type Values = Pick<HeatMap, "values" | "rows" | "columns" | "blocks">;

const gaps = new WeakMap<Float32Array, boolean>();

/** Whether some cells have no value. */
function hasGaps(values: Float32Array): boolean {
  let found = gaps.get(values);
  if (found === undefined) {
    found = values.some(Number.isNaN);
    gaps.set(values, found);
  }
  return found;
}

/** As `resample`, for a map of which some cells have no value: these are left out of the sums. */
function resampleAround(
  { values, columns, rows }: Values,
  across: AxisSamples,
  down: AxisSamples,
  out: Float32Array,
): void {
  const width = across.index.length;
  const sums = new Float32Array(columns + 1);
  const weights = new Float32Array(columns + 1);
  const present = new Uint8Array(columns + 1);
  for (let j = 0; j < down.index.length; j++) {
    const top = down.index[j] * columns;
    const bottom = Math.min(down.index[j] + 1, rows - 1) * columns;
    const v = down.fraction[j];
    for (let c = 0; c <= columns; c++) {
      const column = Math.min(c, columns - 1);
      const [above, below] = [values[top + column], values[bottom + column]];
      const [up, low] = [Number.isNaN(above) ? 0 : 1 - v, Number.isNaN(below) ? 0 : v];
      weights[c] = up + low;
      sums[c] = (up && up * above) + (low && low * below);
      present[c] = Number.isNaN(v < 0.5 ? above : below) ? 0 : 1;
    }
    const base = j * width;
    for (let i = 0; i < width; i++) {
      const left = across.index[i];
      const u = across.fraction[i];
      const sum = sums[left] + u * (sums[left + 1] - sums[left]);
      const weight = weights[left] + u * (weights[left + 1] - weights[left]);
      out[base + i] = present[u < 0.5 ? left : left + 1] ? sum / weight : Number.NaN;
    }
  }
}

/** The values on the grid of two sampled axes, row after row, into `out`. */
export function resample(map: Values, across: AxisSamples, down: AxisSamples, out: Float32Array): void {
  const { values, columns, rows } = map;
  const width = across.index.length;
  if (map.blocks) {
    const column = across.index.map((cell, i) => cell + Math.round(across.fraction[i]));
    for (let j = 0; j < down.index.length; j++) {
      const row = (down.index[j] + Math.round(down.fraction[j])) * columns;
      for (let i = 0; i < width; i++) out[j * width + i] = values[row + column[i]];
    }
    return;
  }
  if (hasGaps(values)) {
    resampleAround(map, across, down, out);
    return;
  }
  const line = new Float32Array(columns + 1);
  for (let j = 0; j < down.index.length; j++) {
    const top = down.index[j] * columns;
    const bottom = Math.min(down.index[j] + 1, rows - 1) * columns;
    const v = down.fraction[j];
    for (let c = 0; c < columns; c++) line[c] = values[top + c] + v * (values[bottom + c] - values[top + c]);
    line[columns] = line[columns - 1];
    const base = j * width;
    for (let i = 0; i < width; i++) {
      const left = line[across.index[i]];
      out[base + i] = left + across.fraction[i] * (line[across.index[i] + 1] - left);
    }
  }
}

/** The value at one point of the picture; not a number where there is none. */
export function valueAt(map: HeatMap, x: number, y: number): number {
  const out = new Float32Array(1);
  resample(map, sampleAxis(map.xs, x, 1, 1), sampleAxis(map.ys, y, 1, 1), out);
  return out[0];
}

function nearest(centres: Float32Array, position: number): number {
  let best = 0;
  for (let i = 1; i < centres.length; i++) {
    if (Math.abs(centres[i] - position) < Math.abs(centres[best] - position)) best = i;
  }
  return best;
}

/** The edges between the cells' parts of an axis: half-way between the centres, and without end beyond them. */
function edgesOf(centres: Float32Array): number[] {
  const between = Array.from({ length: centres.length - 1 }, (_, i) => (centres[i] + centres[i + 1]) / 2);
  return [Number.NEGATIVE_INFINITY, ...between, Number.POSITIVE_INFINITY];
}

const areas = new WeakMap<HeatMap, readonly Box[]>();

/** The parts of the picture around cells without a value, cells side by side as one; they may reach beyond it. */
export function areasWithoutValue(map: HeatMap): readonly Box[] {
  let boxes = areas.get(map);
  if (!boxes) {
    const found: Box[] = [];
    const { values, rows, columns } = map;
    const [xs, ys] = [edgesOf(map.xs), edgesOf(map.ys)];
    for (let row = 0; row < rows && hasGaps(values); row++) {
      for (let column = 0; column < columns; column++) {
        const first = column;
        while (column < columns && Number.isNaN(values[row * columns + column])) column++;
        if (column > first) found.push([xs[first], ys[row], xs[column], ys[row + 1]]);
      }
    }
    boxes = found;
    areas.set(map, boxes);
  }
  return boxes;
}

/** The cell whose centre is nearest to a point. */
export function cellAt(map: HeatMap, x: number, y: number): { row: number; column: number } {
  return { row: nearest(map.ys, y), column: nearest(map.xs, x) };
}
