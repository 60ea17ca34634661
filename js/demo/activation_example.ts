/** A complete set of traits of ActivationGrid, and what the kernel would send for any layer. */
import { type DemoLayer, liteNetwork, wireLayers } from "./activation_networks";
import { COLORMAPS } from "./colormaps";
import { centreCrop, type Traits, thousandNames } from "./example";
import { landscape, type Picture } from "./pictures";
import { float16View, viewOf, wirePhoto } from "./wire";

const INPUT = 224;
const FEATURES = 7;

/** A repeatable number in -1..1. */
function chance(...seeds: number[]): number {
  const seed = seeds.reduce((sum, each, i) => sum + each * (12.9898 + 65.11 * i), 0.5);
  const wave = 43758.5453 * Math.sin(seed % 6283);
  return 2 * (wave - Math.floor(wave)) - 1;
}

/** The pictures behind the photographs on the wire. */
const canvases = new WeakMap<object, HTMLCanvasElement>();

/** Colours, edges and a constant in each of the cells, plane after plane. */
function featuresOf(canvas: HTMLCanvasElement, seen: readonly number[], rows: number, columns: number) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [columns, rows];
  const context = small.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser gives no 2D canvas.");
  const [left, top, right, bottom] = seen;
  context.drawImage(canvas, left, top, right - left, bottom - top, 0, 0, columns, rows);
  const { data } = context.getImageData(0, 0, columns, rows);
  const cells = rows * columns;
  const planes = new Float32Array(FEATURES * cells);
  const light = (row: number, column: number) => {
    const at =
      4 * (Math.min(rows - 1, Math.max(0, row)) * columns + Math.min(columns - 1, Math.max(0, column)));
    return (data[at] + data[at + 1] + data[at + 2]) / 765;
  };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const cell = row * columns + column;
      for (let colour = 0; colour < 3; colour++)
        planes[colour * cells + cell] = data[4 * cell + colour] / 255 - 0.5;
      planes[3 * cells + cell] = 3 * (light(row, column + 1) - light(row, column - 1));
      planes[4 * cells + cell] = 3 * (light(row + 1, column) - light(row - 1, column));
      planes[5 * cells + cell] = 2 * (row / Math.max(1, rows - 1) - 0.5);
      planes[6 * cells + cell] = 2 * (column / Math.max(1, columns - 1) - 0.5);
    }
  }
  return planes;
}

/** Every channel weighs the features in its own way; each 17th is dead where a ReLU cuts. */
function valuesOf(planes: Float32Array, { shape: [channels, rows, columns], kind, call }: DemoLayer) {
  const cells = rows * columns;
  const rectified = kind.startsWith("ReLU");
  const values = new Float32Array(channels * cells);
  for (let channel = 0; channel < channels; channel++) {
    if (rectified && channel % 17 === 5) continue;
    const weights = Array.from({ length: FEATURES }, (_, i) => 1.5 * chance(channel, i, call));
    const bias = 0.4 * chance(channel, 99, call) - 0.2;
    for (let cell = 0; cell < cells; cell++) {
      let sum = bias;
      for (let i = 0; i < FEATURES; i++) sum += weights[i] * planes[i * cells + cell];
      values[channel * cells + cell] = rectified ? Math.max(0, sum) : sum;
    }
  }
  return values;
}

const largest = (values: ArrayLike<number>) =>
  Array.prototype.reduce.call(
    values,
    (most, value) => Math.max(most as number, Math.abs(value as number)),
    0,
  ) as number;

function halves(values: Float32Array) {
  const scale = largest(values) || 1;
  return { data: float16View(values.map((value) => value / scale)), scale };
}

/** Centres, fields and territories of the cells along one side of the region that was seen. */
function axis(from: number, to: number, count: number, field: number) {
  const step = (to - from) / count;
  const pixel = (to - from) / INPUT;
  const inside = (at: number) => Math.min(to, Math.max(from, at));
  const centres = Array.from({ length: count }, (_, i) => from + (i + 0.5) * step);
  return {
    centres,
    low: centres.map((centre) => inside(centre - (field * pixel) / 2)),
    high: centres.map((centre) => inside(centre + (field * pixel) / 2)),
    edges: Array.from({ length: count + 1 }, (_, i) => from + i * step),
  };
}

export function wireSheet(traits: Traits, layer: DemoLayer): Traits {
  const [channels, rows, columns] = layer.shape;
  const looked = [[traits._photo, traits._seen]];
  if (Object.keys(traits._other_photo as object).length)
    looked.push([traits._other_photo, traits._other_seen]);
  const values = new Float32Array(looked.length * channels * rows * columns);
  const axes = looked.map(([photo, seen], i) => {
    const [left, top, right, bottom] = seen as number[];
    const canvas = canvases.get(photo as object);
    if (canvas) {
      const planes = featuresOf(canvas, seen as number[], rows, columns);
      values.set(valuesOf(planes, layer), i * channels * rows * columns);
    }
    const field = layer.field?.[0] ?? 10 * INPUT;
    return { x: axis(left, right, columns, field), y: axis(top, bottom, rows, field) };
  });
  return {
    layer: layer.name,
    ...halves(values),
    shape: [looked.length, channels, rows, columns],
    merged: 1,
    units: "activation",
    cell_rows: Array.from({ length: rows }, (_, i) => i),
    cell_columns: Array.from({ length: columns }, (_, i) => i),
    xs: axes.map(({ x }) => x.centres),
    ys: axes.map(({ y }) => y.centres),
    lefts: axes.map(({ x }) => x.low),
    rights: axes.map(({ x }) => x.high),
    tops: axes.map(({ y }) => y.low),
    bottoms: axes.map(({ y }) => y.high),
    x_edges: axes.map(({ x }) => x.edges),
    y_edges: axes.map(({ y }) => y.edges),
    sees_all: layer.sees_all,
    measured: layer.sees_all,
    filters: layer.filters,
  };
}

/** Weights like those of a trained network: waves and blobs at every angle. */
function weight(call: number, filter: number, plane: number, x: number, y: number): number {
  const angle = Math.PI * chance(call, filter);
  const wave = 2 + 3 * Math.abs(chance(filter, call, 3));
  const along = x * Math.cos(angle) + y * Math.sin(angle);
  const tint = 0.4 + 0.6 * chance(filter, plane, call);
  return tint * Math.cos(wave * along + 3 * chance(filter, 7)) * Math.exp(-1.2 * (x * x + y * y));
}

const places = (side: number) =>
  Array.from({ length: side * side }, (_, i) => {
    const at = (step: number) => (side === 1 ? 0 : (2 * step) / (side - 1) - 1);
    return [at(i % side), at(Math.floor(i / side))] as const;
  });

export function wireFilters(layer: DemoLayer): Traits {
  const { name, filters, inputs, side, call, shape } = layer;
  if (!filters) return {};
  const tiles = shape[0];
  const view = inputs === 3 ? "rgb" : inputs === 1 ? "planes" : "strength";
  const values = Array.from({ length: tiles }, (_, filter) =>
    places(side).flatMap(([x, y]) => {
      const planes = Array.from({ length: Math.min(inputs, 12) }, (_, plane) =>
        weight(call, filter, plane, x, y),
      );
      return view === "strength" ? [0.2 * Math.hypot(...planes)] : planes.map((value) => 0.3 * value);
    }),
  ).flat();
  return {
    layer: name,
    module: filters,
    view,
    ...halves(Float32Array.from(values)),
    shape: view === "rgb" ? [tiles, side, side, 3] : [tiles, side, side],
    units: "weight",
    labels: Array.from({ length: tiles }, (_, filter) => `channel ${filter}`),
  };
}

export function wireKernel(layer: DemoLayer, channel: number | null): Traits {
  const { filters, inputs, side, call } = layer;
  if (!filters || channel === null) return {};
  const values = Array.from({ length: inputs }, (_, plane) =>
    places(side).map(([x, y]) => 0.3 * weight(call, channel, plane, x, y)),
  ).flat();
  return {
    module: filters,
    channel,
    ...halves(Float32Array.from(values)),
    shape: [inputs, side, side],
    units: "weight",
    inputs: Array.from({ length: inputs }, (_, plane) => (inputs === 1 ? channel : plane)),
  };
}

export function wireContributions(traits: Traits, layer: DemoLayer): Traits {
  const pictures = Object.keys(traits._other_photo as object).length ? 2 : 1;
  const target = traits.target as number;
  const values = Float32Array.from({ length: pictures * layer.shape[0] }, (_, i) => chance(i, target) ** 5);
  const data = viewOf(new Uint8Array(values.buffer));
  return { layer: layer.name, target, data, units: "logit" };
}

/** What a second picture adds. */
export async function withOther(traits: Traits, { canvas, title }: Picture): Promise<Traits> {
  const photo = await wirePhoto(canvas, title);
  canvases.set(photo, canvas);
  return { ...traits, _other_photo: photo, _other_seen: centreCrop(photo.width, photo.height) };
}

/** What depends on the layer, the tab, the channel and the target. */
export function answered(traits: Traits, layers: readonly DemoLayer[]): Traits {
  const layer = layers.find(({ name }) => name === traits.layer);
  if (!layer) return { _sheet: {}, _contributions: {}, _filters: {}, _kernel: {} };
  const weights = traits.tab === "filters";
  return {
    _sheet: wireSheet(traits, layer),
    _contributions: traits.sort === "contribution" ? wireContributions(traits, layer) : {},
    _filters: weights ? wireFilters(layer) : {},
    _kernel: weights ? wireKernel(layer, traits.channel as number | null) : {},
  };
}

/** Everything but what is answered, for a network and the layer that comes first. */
export async function lookedAt(
  layers: readonly DemoLayer[],
  layer: string,
  picture: Picture = landscape(600, 400),
): Promise<Traits> {
  const photo = await wirePhoto(picture.canvas, picture.title);
  canvases.set(photo, picture.canvas);
  return {
    _widget: "ActivationGrid",
    _photo: photo,
    _seen: centreCrop(photo.width, photo.height),
    _other_photo: {},
    _other_seen: [],
    _status: {
      state: "idle",
      method: "activations",
      done: 0,
      total: 0,
      message: "",
      remedy: "",
      ask: 0,
      seconds_left: null,
    },
    _output_kind: "logits",
    _class_names: thousandNames(),
    _colormaps: COLORMAPS,
    _layers: wireLayers(layers),
    _ask: 0,
    layer,
    channel: null,
    cell: null,
    unit: null,
    sort: "maximum",
    target: 285,
    threshold: 0,
    region: [],
    scale: "tile",
    sign: "positive",
    opacity: 0.7,
    colormap: "auto",
    zoom: 1,
    pan: null,
    hide_dead: false,
    tile_size: 72,
    tab: "activations",
  };
}

/** A view of the last layer but one of a network of about a hundred. */
export async function activationTraits(picture?: Picture): Promise<Traits> {
  const layers = liteNetwork();
  const traits = await lookedAt(layers, "blocks.4.2", picture);
  return { ...traits, ...answered(traits, layers) };
}
