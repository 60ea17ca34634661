/** The activations of a layer, read channel by channel: planes, statistics, scales, and maps for the photograph. */
import type { ActivationState, Cell, Sheet } from "./activation_state";
import { type Scale, scaleBetween } from "./colormap";
import type { HeatMap, Sign } from "./protocol";
import { lastUpTo } from "./territory";

/** One number for each map: picture after picture, channel after channel. */
export interface Statistics {
  readonly maximum: Float32Array;
  readonly minimum: Float32Array;
  /** Exact enough that differences from it may be summed. */
  readonly mean: Float64Array;
  /** Share of the cells above zero. */
  readonly active: Float32Array;
  /** Sum of the squared distances from the mean. */
  readonly spread: Float64Array;
  /** By channel: 1 where every cell of every picture has the same value. */
  readonly dead: Uint8Array;
  readonly deadCount: number;
}

export const cellsOf = ({ rows, columns }: Sheet): number => rows * columns;

/** The map of one channel, row after row: a window into the sheet's values. */
export function planeOf(sheet: Sheet, picture: number, channel: number): Float32Array {
  const cells = cellsOf(sheet);
  const start = (picture * sheet.channels + channel) * cells;
  return sheet.values.subarray(start, start + cells);
}

function measure(sheet: Sheet): Statistics {
  const { pictures, channels, values } = sheet;
  const maps = pictures * channels;
  const cells = cellsOf(sheet);
  const maximum = new Float32Array(maps);
  const minimum = new Float32Array(maps);
  const mean = new Float64Array(maps);
  const active = new Float32Array(maps);
  const spread = new Float64Array(maps);
  for (let map = 0; map < maps; map++) {
    const start = map * cells;
    // Sums of differences from one of the values: squares of the values themselves would cancel.
    const base = values[start];
    let low = base;
    let high = base;
    let sum = 0;
    let squares = 0;
    let above = 0;
    for (let i = start; i < start + cells; i++) {
      const value = values[i];
      const difference = value - base;
      if (value < low) low = value;
      if (value > high) high = value;
      if (value > 0) above += 1;
      sum += difference;
      squares += difference * difference;
    }
    maximum[map] = high;
    minimum[map] = low;
    mean[map] = base + sum / cells;
    active[map] = above / cells;
    spread[map] = Math.max(0, squares - (sum * sum) / cells);
  }
  const dead = new Uint8Array(channels);
  let deadCount = 0;
  for (let channel = 0; channel < channels; channel++) {
    const first = minimum[channel];
    let same = true;
    for (let map = channel; map < maps; map += channels)
      same &&= minimum[map] === first && maximum[map] === first;
    if (!same) continue;
    dead[channel] = 1;
    deadCount += 1;
  }
  return { maximum, minimum, mean, active, spread, dead, deadCount };
}

const measured = new WeakMap<Sheet, Statistics>();

/** The statistics of every map, computed once for a sheet. */
export function statisticsOf(sheet: Sheet): Statistics {
  let found = measured.get(sheet);
  if (!found) {
    found = measure(sheet);
    measured.set(sheet, found);
  }
  return found;
}

type Extremes = readonly [low: number, high: number];

/** The smallest and largest value of a channel over all pictures, with 0 between them. */
function extremesOf(sheet: Sheet, channel: number): Extremes {
  const { minimum, maximum } = statisticsOf(sheet);
  let [low, high] = [0, 0];
  for (let map = channel; map < maximum.length; map += sheet.channels) {
    low = Math.min(low, minimum[map]);
    high = Math.max(high, maximum[map]);
  }
  return [low, high];
}

const whole = new WeakMap<Sheet, Extremes>();

function sharedExtremes(sheet: Sheet): Extremes {
  let found = whole.get(sheet);
  if (!found) {
    let [low, high] = [0, 0];
    for (let channel = 0; channel < sheet.channels; channel++) {
      const extremes = extremesOf(sheet, channel);
      low = Math.min(low, extremes[0]);
      high = Math.max(high, extremes[1]);
    }
    found = [low, high];
    whole.set(sheet, found);
  }
  return found;
}

type Scaling = Pick<ActivationState, "scale">;

/** What a channel's colours span: its own values, or those of the whole sheet. */
function extremesFor(sheet: Sheet, channel: number, { scale }: Scaling): Extremes {
  return scale === "shared" ? sharedExtremes(sheet) : extremesOf(sheet, channel);
}

export function tileScale(sheet: Sheet, channel: number, state: Scaling & { readonly sign: Sign }): Scale {
  return scaleBetween(extremesFor(sheet, channel, state), state.sign);
}

/** Maps that are shown again and again keep their identity, so that the stage need not paint them anew. */
const MOST_MAPS = 16;
const known = new WeakMap<Sheet, Map<string, HeatMap>>();

/** A channel's map as the stage shows it: interpolated between the true centres of its cells. */
export function mapOf(sheet: Sheet, picture: number, channel: number, state: Scaling): HeatMap {
  const maps = known.get(sheet) ?? new Map<string, HeatMap>();
  known.set(sheet, maps);
  const key = `${picture} ${channel} ${state.scale}`;
  const found = maps.get(key);
  if (found) return found;
  const { xs, ys } = sheet.grids[picture];
  const map: HeatMap = {
    values: planeOf(sheet, picture, channel),
    rows: sheet.rows,
    columns: sheet.columns,
    xs,
    ys,
    extremes: extremesFor(sheet, channel, state),
    units: sheet.units,
    layer: sheet.layer,
    score: "",
    box: null,
    partial: false,
    caption: "",
  };
  const [oldest] = maps.keys();
  if (maps.size >= MOST_MAPS && oldest !== undefined) maps.delete(oldest);
  maps.set(key, map);
  return map;
}

/** A cell of the layer as one of the sheet, where several may stand as one. */
export function cellOnSheet({ cell_rows, cell_columns }: Sheet, [row, column]: Cell): Cell {
  return [Math.max(0, lastUpTo(cell_rows, row)), Math.max(0, lastUpTo(cell_columns, column))];
}

/** A cell of the sheet as one of the layer: the first one of those that it stands for. */
export function cellInLayer({ cell_rows, cell_columns }: Sheet, [row, column]: Cell): Cell {
  return [cell_rows[row], cell_columns[column]];
}
