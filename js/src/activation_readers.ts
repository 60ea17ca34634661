/** Where each part of the state of ActivationGrid lives on the model, and how it is read. */
import {
  type ActivationState,
  type CellGrid,
  type Contributions,
  type Filters,
  type Kernel,
  type Layer,
  type Sheet,
  type Stroke,
  TILE_SIZES,
  type Weights,
} from "./activation_state";
import { decodeFloat16 } from "./buffers";
import {
  bool,
  bytes,
  fail,
  fields,
  floats,
  isEmpty,
  items,
  list,
  number,
  numberOrNull,
  oneOf,
  PICTURE_READERS,
  type Readers,
  share,
  text,
} from "./readers";

type Found = Record<string, unknown>;

/** Exactly so many numbers. */
const numbers =
  (count: number) =>
  (value: unknown, where: string): readonly number[] => {
    const found = items(number)(value, where);
    return found.length === count ? found : fail(where, value, `${count} numbers`);
  };

const pair = (value: unknown, where: string): readonly [number, number] => {
  const [first, second] = numbers(2)(value, where);
  return [first, second];
};
const pairOrNull = (value: unknown, where: string) => (value == null ? null : pair(value, where));

function layer(value: unknown, where: string): Layer {
  const found = fields(value, where);
  const [channels, rows, columns] = numbers(3)(found.shape, `${where}.shape`);
  return {
    name: text(found.name, `${where}.name`),
    kind: text(found.kind ?? "", `${where}.kind`),
    shape: [channels, rows, columns],
    parameters: number(found.parameters ?? 0, `${where}.parameters`),
    stride: pairOrNull(found.stride, `${where}.stride`),
    field: pairOrNull(found.field, `${where}.field`),
    sees_all: bool(found.sees_all ?? false, `${where}.sees_all`),
    call: number(found.call, `${where}.call`),
  };
}

/** Float16 values, stored as shares of `scale`. */
function halves(found: Found, count: number, where: string): Float32Array {
  const scale = number(found.scale, `${where}.scale`);
  return decodeFloat16(bytes(found.data, 2 * count, `${where}.data`), scale);
}

/** One line of numbers for each picture. */
function lines(found: Found, name: string, pictures: number, length: number, where: string): Float32Array[] {
  const here = `${where}.${name}`;
  const read = list(found[name], here).map((line) => Float32Array.from(items(number)(line, here)));
  const right = read.length === pictures && read.every((line) => line.length === length);
  return right ? read : fail(here, found[name], `${pictures} lists of ${length} numbers`);
}

function sheet(value: unknown, where: string): Sheet | null {
  if (isEmpty(value)) return null;
  const found = fields(value, where);
  const [pictures, channels, rows, columns] = numbers(4)(found.shape, `${where}.shape`);
  const across = (name: string, length = columns) => lines(found, name, pictures, length, where);
  const down = (name: string, length = rows) => lines(found, name, pictures, length, where);
  const parts = {
    xs: across("xs"),
    ys: down("ys"),
    lefts: across("lefts"),
    rights: across("rights"),
    tops: down("tops"),
    bottoms: down("bottoms"),
    x_edges: across("x_edges", columns + 1),
    y_edges: down("y_edges", rows + 1),
  };
  const grid = (picture: number) =>
    Object.fromEntries(
      Object.entries(parts).map(([name, each]) => [name, each[picture]]),
    ) as unknown as CellGrid;
  return {
    layer: text(found.layer, `${where}.layer`),
    values: halves(found, pictures * channels * rows * columns, where),
    pictures,
    channels,
    rows,
    columns,
    merged: number(found.merged ?? 1, `${where}.merged`),
    cell_rows: numbers(rows)(found.cell_rows, `${where}.cell_rows`),
    cell_columns: numbers(columns)(found.cell_columns, `${where}.cell_columns`),
    units: text(found.units ?? "", `${where}.units`),
    grids: Array.from({ length: pictures }, (_, picture) => grid(picture)),
    sees_all: bool(found.sees_all ?? false, `${where}.sees_all`),
    measured: bool(found.measured ?? false, `${where}.measured`),
    filters: text(found.filters ?? "", `${where}.filters`),
  };
}

function contributions(value: unknown, where: string): Contributions | null {
  if (isEmpty(value)) return null;
  const { layer: name, target, data, units } = fields(value, where);
  const count = data instanceof DataView ? data.byteLength >> 2 : 0;
  return {
    layer: text(name, `${where}.layer`),
    target: numberOrNull(target, `${where}.target`),
    values: floats(data, count, `${where}.data`),
    units: text(units ?? "", `${where}.units`),
  };
}

function weights(found: Found, where: string): Weights {
  const [tiles, rows, columns, colours = 1] = items(number)(found.shape, `${where}.shape`);
  if (columns === undefined || (colours !== 1 && colours !== 3))
    return fail(`${where}.shape`, found.shape, "[tiles, rows, columns] or [tiles, rows, columns, 3]");
  return {
    values: halves(found, tiles * rows * columns * colours, where),
    tiles,
    rows,
    columns,
    colours,
    scale: number(found.scale, `${where}.scale`),
    units: text(found.units ?? "", `${where}.units`),
  };
}

function filters(value: unknown, where: string): Filters | null {
  if (isEmpty(value)) return null;
  const found = fields(value, where);
  return {
    ...weights(found, where),
    layer: text(found.layer, `${where}.layer`),
    module: text(found.module, `${where}.module`),
    view: oneOf("rgb", "planes", "strength")(found.view, `${where}.view`),
    labels: items(text)(found.labels, `${where}.labels`),
  };
}

function kernel(value: unknown, where: string): Kernel | null {
  if (isEmpty(value)) return null;
  const found = fields(value, where);
  return {
    ...weights(found, where),
    module: text(found.module, `${where}.module`),
    channel: number(found.channel, `${where}.channel`),
    inputs: items(number)(found.inputs, `${where}.inputs`),
  };
}

function stroke(value: unknown, where: string): Stroke {
  const { width, points } = fields(value, where);
  return { width: number(width, `${where}.width`), points: items(pair)(points, `${where}.points`) };
}

const tileSize = (value: unknown, where: string) =>
  Math.min(TILE_SIZES.most, Math.max(TILE_SIZES.least, number(value, where)));

export const READERS: Readers<ActivationState> = {
  ...PICTURE_READERS,
  // Here the trait is a quantile: see `quantile`. No share of the scale is cut away.
  threshold: { trait: "threshold", read: () => 0 },
  quantile: { trait: "threshold", read: share },
  other_photo: { trait: "_other_photo", read: PICTURE_READERS.photo.read },
  other_seen: { trait: "_other_seen", read: PICTURE_READERS.seen.read },
  layers: { trait: "_layers", read: items(layer) },
  sheet: { trait: "_sheet", read: sheet },
  contributions: { trait: "_contributions", read: contributions },
  filters: { trait: "_filters", read: filters },
  kernel: { trait: "_kernel", read: kernel },
  layer: { trait: "layer", read: (value, where) => text(value ?? "", where) },
  channel: { trait: "channel", read: numberOrNull },
  cell: { trait: "cell", read: pairOrNull },
  sort: {
    trait: "sort",
    read: oneOf("channel", "maximum", "mean", "active", "contribution", "likeness", "region", "difference"),
  },
  target: { trait: "target", read: numberOrNull },
  region: { trait: "region", read: items(stroke) },
  scale: { trait: "scale", read: oneOf("tile", "shared") },
  hide_dead: { trait: "hide_dead", read: bool },
  tile_size: { trait: "tile_size", read: tileSize },
  tab: { trait: "tab", read: oneOf("activations", "filters") },
  ask: { trait: "_ask", read: number },
};
