/** The state of OcclusionCanvas: its own traits, the messages from the kernel, and how both are read. */
import type { Box, Encoded, HeatMap, PictureState, Prediction, Rgb } from "./protocol";
import {
  bool,
  box,
  EMPTY_PICTURE,
  encoded,
  entries,
  fail,
  fields,
  floats,
  heatMap,
  isEmpty,
  items,
  list,
  number,
  numberOrNull,
  oneOf,
  PICTURE_READERS,
  prediction,
  type Readers,
  text,
} from "./readers";
import type { Session } from "./session";

export type Shape = "rectangle" | "ellipse";
export type FillName = "grey" | "mean" | "local_mean" | "blur" | "noise" | "colour";
export type Shown = "photo" | "visited" | "sweep";

/** A class with its probability now and on the untouched picture. */
export interface Compared extends Prediction {
  readonly clean: number;
}

/** What the network says of the untouched picture; `score` is that of the target. */
export interface Clean {
  readonly predictions: readonly Prediction[];
  readonly score: number;
  readonly units: string;
}

/** Where the occluders are wanted. */
export interface Place {
  readonly boxes: readonly Box[];
  readonly active: number;
}

/** What the network said of one placing of the occluders. */
export interface Answer {
  readonly id: number;
  readonly boxes: readonly Box[];
  /** What was really hidden: the boxes on whole pixels of the network's input. */
  readonly hidden: readonly Box[];
  readonly active: number;
  readonly score: number;
  readonly units: string;
  readonly predictions: readonly Compared[];
  readonly target: Compared;
  readonly top_changed: boolean;
  readonly seconds: number;
}

/** The reply to one request: an answer, an error in words, or word that a newer request took its place. */
export type Reply =
  | { readonly kind: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly kind: "error"; readonly id: number; readonly error: string; readonly remedy: string }
  | { readonly kind: "replaced"; readonly id: number };

/** What an occluder is filled with: a picture over the seen region, a colour, or the photograph's own mean there. */
export type Fill =
  | { readonly kind: "image"; readonly image: Encoded }
  | { readonly kind: "flat"; readonly rgb: Rgb }
  | { readonly kind: "local" };

/** The map of a sweep, with the size of the window that was moved, in pixels of the picture. */
export interface Sweep {
  readonly map: HeatMap;
  readonly window: readonly [width: number, height: number];
  readonly shape: Shape;
}

/** One place that the hand has been to. */
export interface Visit {
  readonly box: Box;
  readonly score: number;
}

/** What the hand does: a change is scored. */
export interface Hiding {
  readonly target: number;
  readonly boxes: readonly Box[];
  /** The occluder that the hand holds. */
  readonly active: number;
  readonly shape: Shape;
  readonly fill: FillName;
  /** "#rrggbb", for the fill "colour". */
  readonly color: string;
  /** Everything outside the boxes is hidden. */
  readonly keep: boolean;
  readonly measure: "probability" | "output";
}

export interface OcclusionState extends PictureState, Hiding {
  /** Pixels of the picture for each pixel of the network's input. */
  readonly grain: readonly [x: number, y: number];
  readonly clean: Clean | null;
  readonly fills: Readonly<Record<string, Fill>>;
  readonly sweep: Sweep | null;
  readonly history: readonly Visit[];
  /** The last answer, as it stood when the hand came to rest. */
  readonly answer: Answer | null;
  readonly show: Shown;
  /** Side and step of the sweep's window in pixels of the network's input. */
  readonly window: number;
  readonly stride: number;
}

export type OcclusionSession = Session<OcclusionState>;

const ROW = 6;
const shape = oneOf<Shape>("rectangle", "ellipse");

function pair(value: unknown, where: string): readonly [number, number] {
  const [x, y] = list(value, where);
  return [number(x, where), number(y, where)];
}

function rgb(value: unknown, where: string): Rgb {
  const [red, green, blue] = list(value, where).map((level) => number(level, where));
  return [red, green, number(blue, where)];
}

function color(value: unknown, where: string): string {
  const found = text(value, where);
  return /^#[0-9a-f]{6}$/i.test(found) ? found : fail(where, value, "a colour as #rrggbb");
}

function fill(value: unknown, where: string): Fill {
  const found = fields(value, where);
  if (found.local) return { kind: "local" };
  if (found.rgb !== undefined) return { kind: "flat", rgb: rgb(found.rgb, `${where}.rgb`) };
  return { kind: "image", image: encoded(found, where) };
}

function clean(value: unknown, where: string): Clean | null {
  if (isEmpty(value)) return null;
  const { predictions, score, units } = fields(value, where);
  return {
    predictions: items(prediction)(predictions, `${where}.predictions`),
    score: number(score, `${where}.score`),
    units: text(units ?? "", `${where}.units`),
  };
}

function compared(value: unknown, where: string): Compared {
  const { clean: before } = fields(value, where);
  return { ...prediction(value, where), clean: number(before, `${where}.clean`) };
}

/** What the values of an occlusion map are: positive where hiding costs. */
export const dropIn = (units: string): string => `drop in ${units || "the score"}`;

function sweep(value: unknown, where: string): Sweep | null {
  if (isEmpty(value)) return null;
  const { window, outline } = fields(value, where);
  const map = heatMap(value, where);
  return {
    map: { ...map, units: dropIn(map.units) },
    window: pair(window, `${where}.window`),
    shape: shape(outline ?? "rectangle", `${where}.outline`),
  };
}

function history(value: unknown, where: string): readonly Visit[] {
  if (isEmpty(value)) return [];
  const { data, count } = fields(value, where);
  const rows = floats(data, ROW * number(count, `${where}.count`), `${where}.data`);
  return Array.from({ length: rows.length / ROW }, (_, i) => {
    const [left, top, right, bottom, score] = rows.subarray(ROW * i, ROW * i + ROW);
    return { box: [left, top, right, bottom], score };
  });
}

function answer(value: unknown, where: string): Answer | null {
  if (isEmpty(value)) return null;
  const found = fields(value, where);
  const boxes = items(box)(found.boxes, `${where}.boxes`);
  return {
    id: number(found.id, `${where}.id`),
    boxes,
    hidden: found.hidden == null ? boxes : items(box)(found.hidden, `${where}.hidden`),
    active: number(found.active ?? 0, `${where}.active`),
    score: number(found.score, `${where}.score`),
    units: text(found.units ?? "", `${where}.units`),
    predictions: items(compared)(found.predictions, `${where}.predictions`),
    target: compared(found.target, `${where}.target`),
    top_changed: bool(found.top_changed ?? false, `${where}.top_changed`),
    seconds: numberOrNull(found.seconds, `${where}.seconds`) ?? 0,
  };
}

/** Reads a message from the kernel; null for one that is no reply to a request. */
export function readReply(content: unknown): Reply | null {
  const where = "score";
  const found = fields(content, where);
  if (found.kind !== "score") return null;
  const id = number(found.id, `${where}.id`);
  if (found.replaced) return { kind: "replaced", id };
  if (found.error != null) {
    const remedy = text(found.remedy ?? "", `${where}.remedy`);
    return { kind: "error", id, error: text(found.error, `${where}.error`), remedy };
  }
  const read = answer(found, where);
  return read && { kind: "answer", id, answer: read };
}

/** What the view sees before the first valid value of a trait. */
export const EMPTY: OcclusionState = {
  ...EMPTY_PICTURE,
  sign: "both",
  grain: [1, 1],
  clean: null,
  fills: {},
  sweep: null,
  history: [],
  answer: null,
  target: 0,
  boxes: [],
  active: 0,
  shape: "rectangle",
  fill: "grey",
  color: "#808080",
  keep: false,
  measure: "probability",
  show: "photo",
  window: 32,
  stride: 16,
};

/** Where each part of the state lives on the model, and how it is read. */
export const READERS: Readers<OcclusionState> = {
  ...PICTURE_READERS,
  grain: { trait: "_grain", read: (value, where) => (isEmpty(value) ? EMPTY.grain : pair(value, where)) },
  clean: { trait: "_clean", read: clean },
  fills: { trait: "_fills", read: entries(fill) },
  sweep: { trait: "_sweep", read: sweep },
  history: { trait: "_history", read: history },
  answer: { trait: "_answer", read: answer },
  target: { trait: "target", read: number },
  boxes: { trait: "boxes", read: items(box) },
  active: { trait: "active", read: number },
  shape: { trait: "shape", read: shape },
  fill: { trait: "fill", read: oneOf("grey", "mean", "local_mean", "blur", "noise", "colour") },
  color: { trait: "color", read: color },
  keep: { trait: "keep", read: bool },
  measure: { trait: "measure", read: oneOf("probability", "output") },
  show: { trait: "show", read: oneOf("photo", "visited", "sweep") },
  window: { trait: "window", read: number },
  stride: { trait: "stride", read: number },
};
