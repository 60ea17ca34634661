/** Reads what comes off the wire: each reader returns a value that the views can trust, or throws a `ProtocolError`. */
import { bytesOf, decodeFloat16, decodeFloat32 } from "./buffers";
import type { Box, Colormap, Encoded, HeatMap, Photo, PictureState, Prediction, Status } from "./protocol";

/** A trait that does not hold what the contract says. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export const fail = (where: string, found: unknown, wanted: string): never => {
  const shown = found instanceof DataView ? `${found.byteLength} bytes` : JSON.stringify(found);
  throw new ProtocolError(`${where} is ${shown}, not ${wanted}.`);
};

type Fields = Record<string, unknown>;

export function fields(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null) return fail(where, value, "an object");
  return value as Fields;
}

export function list(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? value : fail(where, value, "a list");
}

export function number(value: unknown, where: string): number {
  return typeof value === "number" && Number.isFinite(value) ? value : fail(where, value, "a finite number");
}

export function text(value: unknown, where: string): string {
  return typeof value === "string" ? value : fail(where, value, "text");
}

export const bool = (value: unknown, where: string): boolean =>
  typeof value === "boolean" ? value : fail(where, value, "true or false");

export const textOrNull = (value: unknown, where: string) => (value == null ? null : text(value, where));
export const numberOrNull = (value: unknown, where: string) => (value == null ? null : number(value, where));

export function share(value: unknown, where: string): number {
  return Math.min(1, Math.max(0, number(value, where)));
}

export function bytes(value: unknown, length: number, where: string): DataView {
  const right = value instanceof DataView && (length < 0 || value.byteLength === length);
  return right ? value : fail(where, value, length < 0 ? "binary data" : `${length} bytes`);
}

export function oneOf<T extends string>(...choices: readonly T[]) {
  return (value: unknown, where: string): T =>
    choices.includes(value as T) ? (value as T) : fail(where, value, `one of ${choices.join(", ")}`);
}

export function box(value: unknown, where: string): Box {
  const edges = list(value, where).map((edge) => number(edge, where));
  if (edges.length !== 4) return fail(where, value, "[left, top, right, bottom]");
  return edges as unknown as Box;
}

export type Reader<T> = (value: unknown, where: string) => T;

/** An object with these fields; others are not looked at. */
export const record =
  <T extends object>(readers: { readonly [K in keyof T]: Reader<T[K]> }): Reader<T> =>
  (value, where) => {
    const found = fields(value, where);
    const read: Partial<T> = {};
    for (const name in readers) read[name] = readers[name](found[name], `${where}.${name}`);
    return read as T;
  };

/** What may be left out. */
export const optional =
  <T>(read: Reader<T>, otherwise: T): Reader<T> =>
  (value, where) =>
    value == null ? otherwise : read(value, where);

/** An object that is empty while it is not known. */
export const unlessEmpty =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value, where) =>
    isEmpty(value) ? null : read(value, where);

export const isEmpty = (value: unknown): boolean =>
  value == null || (typeof value === "object" && Object.keys(value).length === 0);

export function encoded(value: unknown, where: string): Encoded {
  const { data, mime } = fields(value, where);
  return { bytes: bytesOf(bytes(data, -1, `${where}.data`)), mime: text(mime, `${where}.mime`) };
}

/** `count` float32 numbers. */
export function floats(value: unknown, count: number, where: string): Float32Array {
  return decodeFloat32(bytes(value, 4 * count, where));
}

function photo(value: unknown, where: string): Photo | null {
  if (isEmpty(value)) return null;
  const { width, height, title } = fields(value, where);
  return {
    ...encoded(value, where),
    width: number(width, `${where}.width`),
    height: number(height, `${where}.height`),
    title: text(title ?? "", `${where}.title`),
  };
}

function centres(value: unknown, length: number, where: string): Float32Array {
  const items = list(value, where).map((item) => number(item, where));
  const ascending = items.every((item, i) => i === 0 || item > items[i - 1]);
  if (items.length !== length || !ascending) return fail(where, value, `${length} ascending numbers`);
  return Float32Array.from(items);
}

export function heatMap(value: unknown, where: string): HeatMap {
  const map = fields(value, where);
  const { data, shape, xs, ys, units, layer, score, partial, caption } = map;
  const [rows, columns] = list(shape, `${where}.shape`).map((side) => number(side, `${where}.shape`));
  const scale = number(map.scale, `${where}.scale`);
  return {
    values: decodeFloat16(bytes(data, 2 * rows * columns, `${where}.data`), scale),
    rows,
    columns,
    xs: centres(xs, columns, `${where}.xs`),
    ys: centres(ys, rows, `${where}.ys`),
    units: text(units, `${where}.units`),
    layer: textOrNull(layer, `${where}.layer`),
    score: text(score ?? "", `${where}.score`),
    box: map.box == null ? null : box(map.box, `${where}.box`),
    partial: bool(partial ?? false, `${where}.partial`),
    caption: text(caption ?? "", `${where}.caption`),
  };
}

export const entries =
  <T>(read: (value: unknown, where: string) => T) =>
  (value: unknown, where: string): Record<string, T> =>
    Object.fromEntries(
      Object.entries(fields(value ?? {}, where)).map(([name, item]) => [
        name,
        read(item, `${where}.${name}`),
      ]),
    );

export const items =
  <T>(read: (value: unknown, where: string) => T) =>
  (value: unknown, where: string): T[] =>
    list(value ?? [], where).map((item, i) => read(item, `${where}[${i}]`));

export const numbers = items(number);

/** Exactly so many numbers. */
export const just =
  (count: number): Reader<readonly number[]> =>
  (value, where) => {
    const found = numbers(value, where);
    return found.length === count ? found : fail(where, value, `${count} numbers`);
  };

export const pair = just(2) as Reader<readonly [number, number]>;
export const pairOrNull = optional<readonly [number, number] | null>(pair, null);

export const binary: Reader<DataView> = (value, where) => bytes(value, -1, where);

const statusState = oneOf("idle", "busy", "error", "cancelled");
const mapKind = oneOf("sequential", "diverging");

function status(value: unknown, where: string): Status {
  if (isEmpty(value)) return EMPTY_PICTURE.status;
  const { state, method, done, total, message, remedy, ask, seconds_left } = fields(value, where);
  return {
    state: statusState(state, `${where}.state`),
    method: text(method ?? "", `${where}.method`),
    done: number(done ?? 0, `${where}.done`),
    total: number(total ?? 0, `${where}.total`),
    message: text(message ?? "", `${where}.message`),
    remedy: text(remedy ?? "", `${where}.remedy`),
    ask: number(ask ?? 0, `${where}.ask`),
    seconds_left: numberOrNull(seconds_left, `${where}.seconds_left`),
  };
}

export function prediction(value: unknown, where: string): Prediction {
  const { index, name, probability } = fields(value, where);
  return {
    index: number(index, `${where}.index`),
    name: text(name, `${where}.name`),
    probability: number(probability, `${where}.probability`),
  };
}

function colormap(value: unknown, where: string): Colormap {
  const { kind, data } = fields(value, where);
  return { kind: mapKind(kind, `${where}.kind`), rgb: bytesOf(bytes(data, 768, `${where}.data`)) };
}

function pan(value: unknown, where: string): readonly [number, number] | null {
  if (value == null) return null;
  const [x, y] = list(value, where);
  return [number(x, where), number(y, where)];
}

/** What the views see before the first valid value of a trait. */
export const EMPTY_PICTURE: PictureState = {
  photo: null,
  seen: [0, 0, 0, 0],
  status: {
    state: "idle",
    method: "",
    done: 0,
    total: 0,
    message: "",
    remedy: "",
    ask: 0,
    seconds_left: null,
  },
  output_kind: "logits",
  class_names: [],
  colormaps: {},
  opacity: 0.5,
  threshold: 0,
  sign: "positive",
  colormap: "auto",
  zoom: 1,
  pan: null,
};

/** Where each part of a state lives on the model, and how it is read. */
export type Readers<S> = {
  readonly [K in keyof S]: {
    readonly trait: string;
    readonly read: (value: unknown, where: string) => S[K];
  };
};

export const PICTURE_READERS: Readers<PictureState> = {
  photo: { trait: "_photo", read: photo },
  seen: { trait: "_seen", read: (value, where) => (isEmpty(value) ? EMPTY_PICTURE.seen : box(value, where)) },
  status: { trait: "_status", read: status },
  output_kind: { trait: "_output_kind", read: oneOf("logits", "softmax", "log_softmax") },
  class_names: { trait: "_class_names", read: items(text) },
  colormaps: { trait: "_colormaps", read: entries(colormap) },
  opacity: { trait: "opacity", read: share },
  threshold: { trait: "threshold", read: share },
  sign: { trait: "sign", read: oneOf("positive", "negative", "absolute", "both") },
  colormap: { trait: "colormap", read: text },
  zoom: { trait: "zoom", read: (value, where) => Math.max(1, number(value, where)) },
  pan: { trait: "pan", read: pan },
};
