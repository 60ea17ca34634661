/**
 * What the kernel and the browser say to each other in every view, as the views see it: the traits of the Python
 * class under their own names (without the leading underscore), with binary already decoded. All coordinates are
 * continuous edge coordinates of the original picture: pixel k spans [k, k + 1).
 */

export type Box = readonly [left: number, top: number, right: number, bottom: number];
export type Rgb = readonly [red: number, green: number, blue: number];
export type Sign = "positive" | "negative" | "absolute" | "both";
export type OutputKind = "logits" | "softmax" | "log_softmax";

/** A picture as it travels: a file in memory. */
export interface Encoded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mime: string;
}

export interface Photo extends Encoded {
  /** Size of the original picture; the encoded bytes may hold fewer pixels. */
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

export interface HeatMap {
  /** Raw signed values, row after row, in `units`; what was not computed is not a number. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** True centres of the cells in picture coordinates, ascending. */
  readonly xs: Float32Array;
  readonly ys: Float32Array;
  /** What the colours span, with 0 between, where several maps share a scale; otherwise the map's own values. */
  readonly extremes?: readonly [low: number, high: number];
  /** Every cell stands for itself; otherwise values are interpolated between the centres. */
  readonly blocks?: boolean;
  readonly units: string;
  readonly layer: string | null;
  /** The scalar that is explained, in words: "logit of Egyptian cat = 9.31". */
  readonly score: string;
  /** Around the largest component above 20 % of the maximum. */
  readonly box: Box | null;
  /** Of work in progress, or that was cancelled. */
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
  /** While busy: how long the rest will take; null where that is not known. */
  readonly seconds_left: number | null;
}

export interface Prediction {
  readonly index: number;
  readonly name: string;
  readonly probability: number;
}

export interface Colormap {
  readonly kind: "sequential" | "diverging";
  /** 256 colours, three bytes each. */
  readonly rgb: Uint8Array;
}

/** What is looked at; only the kernel writes it. */
export interface Looked {
  readonly photo: Photo | null;
  /** The region that the network really saw. */
  readonly seen: Box;
  readonly status: Status;
  readonly output_kind: OutputKind;
  readonly class_names: readonly string[];
  readonly colormaps: Readonly<Record<string, Colormap>>;
}

/** How a map is shown: the browser alone follows it. */
export interface Display {
  readonly opacity: number;
  /** Share of the scale's maximum below which nothing is drawn. */
  readonly threshold: number;
  readonly sign: Sign;
  /** "auto" or a name out of `colormaps`. */
  readonly colormap: string;
  readonly zoom: number;
  /** Centre of the zoomed view in picture coordinates; null: the middle. */
  readonly pan: readonly [x: number, y: number] | null;
}

/** What every view with a picture has. */
export interface PictureState extends Looked, Display {}
