/** The state of ActivationGrid: its own traits as the views see them, and what the views ask of the kernel. */
import type { LayersState } from "./layers";
import type { Box, Photo, PictureState } from "./protocol";
import { EMPTY_PICTURE } from "./readers";
import type { Session } from "./session";

export type Sort =
  | "channel"
  | "maximum"
  | "mean"
  | "active"
  | "contribution"
  | "likeness"
  | "region"
  | "difference";
export type Tab = "activations" | "filters";
export type TileScale = "tile" | "shared";
export type Cell = readonly [row: number, column: number];

/** Where the cells of a layer lie in one picture, in coordinates of the original picture. */
export interface CellGrid {
  /** Centres of the columns and rows, ascending. */
  readonly xs: Float32Array;
  readonly ys: Float32Array;
  /** Edges of the receptive fields, clipped to the seen part. */
  readonly lefts: Float32Array;
  readonly rights: Float32Array;
  readonly tops: Float32Array;
  readonly bottoms: Float32Array;
  /** Edges of the territories, one more than there are columns or rows. */
  readonly x_edges: Float32Array;
  readonly y_edges: Float32Array;
}

/** The activations of one layer, for one picture or two. */
export interface Sheet {
  readonly layer: string;
  /** In `units`, picture after picture, channel after channel, row after row. */
  readonly values: Float32Array;
  readonly pictures: number;
  readonly channels: number;
  readonly rows: number;
  readonly columns: number;
  /** So many cells a side stand as one here, by their largest magnitude; 1: all are sent. */
  readonly merged: number;
  /** The layer's own number of every row and column here: of the first one, where several stand as one. */
  readonly cell_rows: readonly number[];
  readonly cell_columns: readonly number[];
  readonly units: string;
  /**
   * Picture after picture, channel after channel the largest value before a function that clips, such as a ReLU6, exact;
   * the maximum where nothing clips. Null of a sheet that was stored by an earlier version.
   */
  readonly preactivation: Float32Array | null;
  /** What that function gives at most; null without such a bound. */
  readonly cap: number | null;
  /** One grid for each picture. */
  readonly grids: readonly CellGrid[];
  readonly sees_all: boolean;
  readonly measured: boolean;
  /** The path of the convolution that made this map; empty if none did. */
  readonly filters: string;
}

/** What every channel adds to the score of `target`, to first order. */
export interface Contributions {
  readonly layer: string;
  readonly target: number | null;
  /** Picture after picture, channel after channel. */
  readonly values: Float32Array;
  readonly units: string;
}

/** Planes of weights; tile `i` starts at `i * rows * columns * colours` in `values`. */
export interface Weights {
  readonly values: Float32Array;
  readonly tiles: number;
  readonly rows: number;
  readonly columns: number;
  /** 3 where a weight for red, green and blue stands in every place, else 1. */
  readonly colours: 1 | 3;
  /** The largest magnitude: the scale is symmetric around 0. */
  readonly scale: number;
  readonly units: string;
}

/** The weights behind a layer, a tile for every output channel. */
export interface Filters extends Weights {
  readonly layer: string;
  /** The path of the convolution. */
  readonly module: string;
  /** Weights themselves, or their root of the sum of squares over the input channels. */
  readonly view: "rgb" | "planes" | "strength";
  readonly labels: readonly string[];
}

/** The weights of one output channel, a tile for every input channel that it reads. */
export interface Kernel extends Weights {
  readonly module: string;
  readonly channel: number;
  readonly inputs: readonly number[];
}

/** A stroke of the brush, in coordinates of the picture; `width` is its diameter. */
export interface Stroke {
  readonly width: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ActivationState extends PictureState, LayersState {
  readonly other_photo: Photo | null;
  readonly other_seen: Box;
  readonly sheet: Sheet | null;
  readonly contributions: Contributions | null;
  readonly filters: Filters | null;
  readonly kernel: Kernel | null;
  readonly channel: number | null;
  readonly cell: Cell | null;
  readonly sort: Sort;
  /** The class for "contribution"; null until the kernel has chosen one. */
  readonly target: number | null;
  /** The trait `threshold`: highlights from this quantile of the channel's activation on; 0 is off. */
  readonly quantile: number;
  readonly region: readonly Stroke[];
  readonly scale: TileScale;
  readonly hide_dead: boolean;
  /** Side of a tile in CSS pixels. */
  readonly tile_size: number;
  readonly tab: Tab;
  /** How often the browser has asked. */
  readonly ask: number;
}

export type ActivationSession = Session<ActivationState>;

export const TILE_SIZES = { least: 24, most: 256 } as const;

/** What the view sees before the first valid value of a trait. */
export const EMPTY: ActivationState = {
  ...EMPTY_PICTURE,
  other_photo: null,
  other_seen: [0, 0, 0, 0],
  layers: [],
  sheet: null,
  contributions: null,
  filters: null,
  kernel: null,
  layer: "",
  channel: null,
  cell: null,
  sort: "maximum",
  target: null,
  quantile: 0,
  region: [],
  scale: "tile",
  hide_dead: false,
  tile_size: 72,
  tab: "activations",
  ask: 0,
};

/** Puts a new question to the kernel, under a new number: only what it has to answer. */
export function ask(session: ActivationSession, changes: Partial<ActivationState>): void {
  session.put({ ...changes, ask: session.state.ask + 1 });
}

/** Goes to another layer; what was pinned belongs to the old one. */
export function chooseLayer(session: ActivationSession, layer: string): void {
  const { state } = session;
  if (layer === state.layer) return;
  // A held arrow key walks through layers faster than any can be sent: the kernel hears of the latest.
  session.show({ layer, channel: null, cell: null, ask: state.ask + 1 });
}

/** Pins a channel and perhaps one of its cells; null for nothing. */
export function pin(session: ActivationSession, channel: number | null, cell: Cell | null = null): void {
  const { state } = session;
  // Only the weights of the channel have to come from the kernel.
  if (state.tab === "filters" && channel !== null && channel !== state.channel)
    ask(session, { channel, cell });
  else session.put({ channel, cell });
}

/** The sheet of the chosen layer; null while it is not there. */
export function sheetOf({ sheet, layer }: ActivationState): Sheet | null {
  return sheet?.layer === layer ? sheet : null;
}

/** The filters behind the chosen layer; null while they are not there. */
export function filtersOf({ filters, layer }: ActivationState): Filters | null {
  return filters?.layer === layer ? filters : null;
}
