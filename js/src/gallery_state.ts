/** The state of NeuronGallery: its own traits as the views see them, and what the views ask of the kernel. */
import type { LayersState } from "./layers";
import type { Box, Encoded, Status } from "./protocol";
import { EMPTY_PICTURE } from "./readers";
import type { Session } from "./session";

export type Mode = "patches" | "images" | "highlight" | "guided_backprop" | "deconvnet";
export type PatchKind = "top" | "sample" | "bottom";
export type Kind = PatchKind | "compare";
export type GalleryView = "wall" | "overview";
export type Order = "channel" | "maximum" | "likeness" | "class";
/** Left, top, width, height in pixels of a sheet. */
export type Place = readonly [number, number, number, number];

/** Several pictures in one file. */
export interface Tiles {
  readonly file: Encoded;
  /** Null for what has no picture. */
  readonly places: readonly (Place | null)[];
}

/** One item of the data set. */
export interface Source {
  readonly image: number;
  readonly source: string;
  readonly label: string | null;
  /** What the model takes it for. */
  readonly predicted: string | null;
  readonly size: readonly [height: number, width: number];
  /** What the network saw of it; all of it reaches beyond its edges. */
  readonly seen: Box;
  /** Why it cannot be shown; empty if it can. */
  readonly missing: string;
}

export interface Patch {
  readonly kind: PatchKind;
  /** From 0. */
  readonly rank: number;
  readonly value: number;
  /** Index into the pictures of the wall. */
  readonly picture: number;
  /** In pixels of the original picture. */
  readonly box: Box;
  readonly cell: readonly [row: number, column: number];
}

export interface Histogram {
  /** One more than there are counts. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

export interface Alike {
  readonly layer: string;
  readonly channel: number;
  /** 0..1. */
  readonly score: number;
}

/** How many pictures of the data set reach the first value of a kind, two at least. */
export interface Ties {
  readonly images: number;
  readonly value: number;
  /** Whether a function such as a ReLU6 gave less than it got there, or more; "extreme" where that is not known. */
  readonly place: "cap" | "floor" | "extreme";
}

/** The patches of one channel, of every kind. */
export interface Wall {
  readonly layer: string;
  readonly channel: number;
  readonly units: string;
  /** The same value in every cell of every image. */
  readonly dead: boolean;
  readonly pictures: readonly Source[];
  readonly patches: readonly Patch[];
  /** Whole pictures, in the order of `pictures`. */
  readonly images: Tiles | null;
  /** In the order of `patches`: null where the picture's own tile is as sharp. */
  readonly crops: Tiles | null;
  readonly histogram: Histogram | null;
  readonly alike: readonly Alike[];
  /** Null where no two pictures share the value, or nobody has counted. */
  readonly ties: { readonly top: Ties | null; readonly bottom: Ties | null };
}

/** Where a channel answers, on every picture of a wall. */
export interface Maps {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** Centres of the cells in each picture. */
  readonly xs: readonly Float32Array[];
  readonly ys: readonly Float32Array[];
  /** The channel's quantiles over the data set. */
  readonly levels: readonly number[];
  readonly cuts: readonly number[];
}

/** What a mode draws of the patches of a wall. */
export interface Drawn {
  readonly layer: string;
  readonly channel: number;
  readonly mode: Mode;
  readonly caption: string;
  /** In the order of the wall's patches; null for highlights. */
  readonly tiles: Tiles | null;
  readonly maps: Maps | null;
}

/** Every channel of a layer in numbers. */
export interface Overview {
  readonly layer: string;
  /** The value of the strongest patch. */
  readonly maximum: Float32Array;
  /** That value before a function that clips, such as a ReLU6, which orders those at its cap. */
  readonly preactivation: Float32Array;
  readonly dead: Uint8Array;
  /** Patches that are kept of each channel. */
  readonly k: number;
  /** Channel after channel the classes of its top patches, as indices into `classes`; −1 for none. */
  readonly labels: Int32Array;
}

/** Channels in an order that only the kernel knows. */
export interface Ordered {
  readonly layer: string;
  readonly by: Order;
  readonly of: number | string;
  /** Best first. */
  readonly channels: Int32Array;
  readonly scores: Float32Array;
  readonly units: string;
}

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** How far the index is. */
export interface Build {
  readonly state: "building" | "stopped" | "done" | "error";
  /** Images indexed. */
  readonly done: number;
  readonly total: number | null;
  readonly skipped: number;
  readonly seconds_left: number | null;
  readonly message: string;
  readonly remedy: string;
  /** The first of those that could not be read. */
  readonly skipped_list: readonly Skipped[];
}

/** The patch clicked. */
export interface Selection {
  readonly kind: PatchKind;
  readonly rank: number;
  readonly image: number;
  readonly source: string;
  readonly layer: string;
  readonly channel: number;
  readonly y: number;
  readonly x: number;
}

export interface GalleryState extends LayersState {
  readonly status: Status;
  readonly ask: number;
  /** Changes with the index: nothing that came before holds any more. */
  readonly generation: number;
  readonly build: Build | null;
  readonly classes: readonly string[];
  readonly wall: Wall | null;
  readonly drawn: Drawn | null;
  readonly overview: Overview | null;
  readonly ordered: Ordered | null;
  /** Null until the kernel has chosen one. */
  readonly channel: number | null;
  readonly view: GalleryView;
  readonly mode: Mode;
  readonly kind: Kind;
  readonly label: string | null;
  readonly selection: Selection | null;
  /** Longest side of a tile in CSS pixels. */
  readonly patch_size: number;
  readonly quantile: number;
  /** How far what a highlight leaves out is darkened. */
  readonly opacity: number;
  readonly search: string;
  readonly order: Order;
  /** The channel that "likeness" compares with; null for `channel`. */
  readonly alike: number | null;
  /** The class that "class" ranks for. */
  readonly target: string | null;
}

export type GallerySession = Session<GalleryState>;

export const PATCH_SIZES = { least: 32, most: 192 } as const;

/** What the view sees before the first valid value of a trait. */
export const EMPTY: GalleryState = {
  status: EMPTY_PICTURE.status,
  ask: 0,
  generation: 0,
  build: null,
  layers: [],
  classes: [],
  wall: null,
  drawn: null,
  overview: null,
  ordered: null,
  layer: "",
  channel: null,
  view: "wall",
  mode: "patches",
  kind: "top",
  label: null,
  selection: null,
  patch_size: 96,
  quantile: 0.995,
  opacity: 0.72,
  search: "",
  order: "channel",
  alike: null,
  target: null,
};

/** Whether the kernel has to draw something for a mode. */
export const needsDrawing = (mode: Mode): boolean => mode !== "patches" && mode !== "images";

/** Whether only the kernel knows an order. */
export const needsOrdering = (order: Order): boolean => order === "likeness" || order === "class";
