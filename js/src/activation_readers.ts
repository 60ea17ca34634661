/** Where each part of the state of ActivationGrid lives on the model, and how it is read. */
import {
  type ActivationState,
  type CellGrid,
  type Contributions,
  type Filters,
  type Kernel,
  type Sheet,
  type Stroke,
  TILE_SIZES,
  type Weights,
} from "./activation_state";
import { decodeFloat16 } from "./buffers";
import { readLayer } from "./layers";
import {
  binary,
  bool,
  bytes,
  fail,
  floats,
  items,
  just,
  number,
  numberOrNull,
  numbers,
  oneOf,
  optional,
  PICTURE_READERS,
  pair,
  pairOrNull,
  type Reader,
  type Readers,
  record,
  share,
  text,
  unlessEmpty,
} from "./readers";

const some = optional(text, "");
const flag = optional(bool, false);

const stored = record({ data: binary, scale: number, shape: numbers, units: some });

/** Float16 values, stored as shares of `scale`. */
function halves({ data, scale }: ReturnType<typeof stored>, count: number, where: string): Float32Array {
  return decodeFloat16(bytes(data, 2 * count, `${where}.data`), scale);
}

/** One line of numbers for each picture. */
const lines =
  (length: number): Reader<Float32Array[]> =>
  (value, where) =>
    items(just(length))(value, where).map((line) => Float32Array.from(line));

const facts = record({
  layer: text,
  merged: optional(number, 1),
  sees_all: flag,
  measured: flag,
  filters: some,
});

const clipping = record({ preactivation: optional<DataView | null>(binary, null), cap: numberOrNull });

function sheet(value: unknown, where: string): Sheet {
  const found = stored(value, where);
  const [pictures, channels, rows, columns] = just(4)(found.shape, `${where}.shape`);
  const [across, down] = [lines(columns), lines(rows)];
  const axes = record({
    xs: across,
    ys: down,
    lefts: across,
    rights: across,
    tops: down,
    bottoms: down,
    x_edges: lines(columns + 1),
    y_edges: lines(rows + 1),
  })(value, where);
  const gridOf = (picture: number) => {
    const parts = Object.entries(axes).map(([name, each]) => {
      const whole = each.length === pictures;
      return [name, whole ? each[picture] : fail(`${where}.${name}`, each, `${pictures} lists`)];
    });
    return Object.fromEntries(parts) as CellGrid;
  };
  const { preactivation, cap } = clipping(value, where);
  return {
    ...facts(value, where),
    ...record({ cell_rows: just(rows), cell_columns: just(columns) })(value, where),
    values: halves(found, pictures * channels * rows * columns, where),
    pictures,
    channels,
    rows,
    columns,
    units: found.units,
    preactivation:
      preactivation === null ? null : floats(preactivation, pictures * channels, `${where}.preactivation`),
    cap,
    grids: Array.from({ length: pictures }, (_, picture) => gridOf(picture)),
  };
}

const contributed = record({ layer: text, target: numberOrNull, data: binary, units: some });

function contributions(value: unknown, where: string): Contributions {
  const { data, ...rest } = contributed(value, where);
  return { ...rest, values: floats(data, data.byteLength >> 2, `${where}.data`) };
}

function weights(value: unknown, where: string): Weights {
  const found = stored(value, where);
  const { scale, units, shape } = found;
  const [tiles, rows, columns, colours = 1] = shape;
  if (columns === undefined || (colours !== 1 && colours !== 3))
    return fail(`${where}.shape`, shape, "[tiles, rows, columns] or [tiles, rows, columns, 3]");
  const values = halves(found, tiles * rows * columns * colours, where);
  return { values, tiles, rows, columns, colours, scale, units };
}

const tiled =
  <T extends object>(read: Reader<T>): Reader<T & Weights> =>
  (value, where) => ({ ...read(value, where), ...weights(value, where) });

const filters: Reader<Filters> = tiled(
  record<Omit<Filters, keyof Weights>>({
    layer: text,
    module: text,
    view: oneOf("rgb", "planes", "strength"),
    labels: items(text),
  }),
);

const kernel: Reader<Kernel> = tiled(
  record<Omit<Kernel, keyof Weights>>({ module: text, channel: number, inputs: numbers }),
);

const stroke = record<Stroke>({ width: number, points: items(pair) });

const tileSize = (value: unknown, where: string) =>
  Math.min(TILE_SIZES.most, Math.max(TILE_SIZES.least, number(value, where)));

export const READERS: Readers<ActivationState> = {
  ...PICTURE_READERS,
  // Here the trait is a quantile: see `quantile`. No share of the scale is cut away.
  threshold: { trait: "threshold", read: () => 0 },
  quantile: { trait: "threshold", read: share },
  other_photo: { trait: "_other_photo", read: PICTURE_READERS.photo.read },
  other_seen: { trait: "_other_seen", read: PICTURE_READERS.seen.read },
  layers: { trait: "_layers", read: items(readLayer) },
  sheet: { trait: "_sheet", read: unlessEmpty(sheet) },
  contributions: { trait: "_contributions", read: unlessEmpty(contributions) },
  filters: { trait: "_filters", read: unlessEmpty(filters) },
  kernel: { trait: "_kernel", read: unlessEmpty(kernel) },
  layer: { trait: "layer", read: some },
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
