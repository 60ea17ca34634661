/**
 * What the kernel and the browser say to each other, as the views see it: the traits of the Python class under
 * their own names (without the leading underscore), with binary already decoded. All coordinates are continuous
 * edge coordinates of the original picture: pixel k spans [k, k + 1).
 */

export type Box = readonly [left: number, top: number, right: number, bottom: number];
export type Sign = "positive" | "negative" | "absolute" | "both";
export type OutputKind = "logits" | "softmax" | "log_softmax";

export interface Photo {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mime: string;
  /** Size of the original picture; the encoded bytes may hold fewer pixels. */
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

export interface HeatMap {
  /** Raw signed values, row after row, in `units`. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** True centres of the cells in picture coordinates, ascending. */
  readonly xs: Float32Array;
  readonly ys: Float32Array;
  readonly units: string;
  readonly layer: string | null;
  /** The scalar that is explained, in words: "logit of Egyptian cat = 9.31". */
  readonly score: string;
  /** Around the largest component above 20 % of the maximum. */
  readonly box: Box | null;
  /** A snapshot of work in progress. */
  readonly partial: boolean;
  readonly caption: string;
}

export interface Status {
  readonly state: "idle" | "busy" | "error" | "cancelled";
  readonly method: string;
  readonly done: number;
  readonly total: number;
  /** While busy: the words for what is counted, or a whole sentence. On error: what went wrong. */
  readonly message: string;
  readonly remedy: string;
  /** The ask that this status answers. */
  readonly ask: number;
}

export interface Prediction {
  readonly index: number;
  readonly name: string;
  readonly probability: number;
}

export interface Method {
  readonly id: string;
  readonly label: string;
  readonly paper: string;
  readonly uses_layer: boolean;
  /** Why this method cannot be used on this network; empty if it can. */
  readonly unavailable: string;
}

export interface Layer {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Colormap {
  readonly kind: "sequential" | "diverging";
  /** 256 colours, three bytes each. */
  readonly rgb: Uint8Array;
}

/** What only the kernel writes. */
export interface KernelState {
  readonly photo: Photo | null;
  /** The region that the network really saw. */
  readonly seen: Box;
  readonly maps: Readonly<Record<string, HeatMap>>;
  readonly status: Status;
  readonly predictions: readonly Prediction[];
  readonly output_kind: OutputKind;
  readonly class_names: readonly string[];
  readonly methods: readonly Method[];
  readonly layers: readonly Layer[];
  readonly colormaps: Readonly<Record<string, Colormap>>;
}

/** What is asked of the kernel: a change starts work there. */
export interface Question {
  readonly method: string;
  readonly target: number;
  readonly instead_of: number | null;
  readonly layer: string | null;
  readonly compare: boolean;
}

/** How the answer is shown: the browser alone follows it. */
export interface Display {
  readonly opacity: number;
  /** Share of the scale's maximum below which nothing is drawn. */
  readonly threshold: number;
  readonly sign: Sign;
  /** "auto" or a name out of `colormaps`. */
  readonly colormap: string;
  readonly show_box: boolean;
  readonly zoom: number;
  /** Centre of the zoomed view in picture coordinates; null: the middle. */
  readonly pan: readonly [x: number, y: number] | null;
}

export interface HeatmapState extends KernelState, Question, Display {
  /** How often the browser has asked. */
  readonly ask: number;
}

export type StateKey = keyof HeatmapState;
