/** The map that a hand paints: for every pixel of the network's input the mean of what hiding it has cost. */

import { covers } from "./occluder";
import { dropIn, type OcclusionState, type Visit } from "./occlusion_state";
import type { Box, HeatMap } from "./protocol";
import { sameValues } from "./same";

/** A finer input is counted in larger cells. */
const MOST_CELLS = 320;

export interface Visited {
  /** Brings the map up to date with the visits; null while there is none. */
  mapOf(state: OcclusionState, visits: readonly Visit[]): HeatMap | null;
}

interface Grid {
  readonly seen: Box;
  readonly columns: number;
  readonly rows: number;
  readonly sums: Float64Array;
  readonly counts: Uint32Array;
}

function cellsAlong(length: number, grain: number): number {
  return Math.max(1, Math.min(MOST_CELLS, Math.round(length / grain)));
}

function emptyGrid({ seen, grain }: OcclusionState): Grid {
  const columns = cellsAlong(seen[2] - seen[0], grain[0]);
  const rows = cellsAlong(seen[3] - seen[1], grain[1]);
  const cells = columns * rows;
  return { seen, columns, rows, sums: new Float64Array(cells), counts: new Uint32Array(cells) };
}

function centres(from: number, to: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => from + ((i + 0.5) * (to - from)) / count);
}

/** Adds a drop to every cell whose centre the occluder covers. */
function paint(grid: Grid, { box }: Visit, shape: OcclusionState["shape"], drop: number): void {
  const { seen, columns, rows, sums, counts } = grid;
  const width = (seen[2] - seen[0]) / columns;
  const height = (seen[3] - seen[1]) / rows;
  const first = (edge: number, origin: number, cell: number) =>
    Math.max(0, Math.floor((edge - origin) / cell));
  const last = (edge: number, origin: number, cell: number, most: number) =>
    Math.min(most, Math.ceil((edge - origin) / cell));
  for (let row = first(box[1], seen[1], height); row < last(box[3], seen[1], height, rows); row++) {
    for (
      let column = first(box[0], seen[0], width);
      column < last(box[2], seen[0], width, columns);
      column++
    ) {
      if (!covers(box, shape, seen[0] + (column + 0.5) * width, seen[1] + (row + 0.5) * height)) continue;
      const cell = row * columns + column;
      sums[cell] += drop;
      counts[cell] += 1;
    }
  }
}

export function createVisited(): Visited {
  let grid: Grid | null = null;
  let known: readonly unknown[] = [];
  let painted = 0;
  let map: HeatMap | null = null;

  return {
    mapOf(state, visits) {
      const { clean, seen, grain, shape } = state;
      if (!clean || visits.length === 0) return null;
      const needs = [visits, clean.score, clean.units, shape, ...seen, ...grain];
      if (!grid || !sameValues(needs, known)) {
        grid = emptyGrid(state);
        known = needs;
        painted = 0;
        map = null;
      }
      if (map && painted === visits.length) return map;
      for (; painted < visits.length; painted++) {
        paint(grid, visits[painted], shape, clean.score - visits[painted].score);
      }
      const { columns, rows, sums, counts } = grid;
      const values = new Float32Array(sums.length);
      // Nothing divided by nothing is not a number: not visited.
      for (let i = 0; i < values.length; i++) values[i] = sums[i] / counts[i];
      map = {
        values,
        rows,
        columns,
        xs: centres(seen[0], seen[2], columns),
        ys: centres(seen[1], seen[3], rows),
        blocks: true,
        units: dropIn(clean.units),
        layer: null,
        score: "",
        box: null,
        partial: false,
        caption:
          "Painted by hand: what hiding each pixel has cost, the mean over the places that covered it.",
      };
      return map;
    },
  };
}
