/** Where each part of the state of NeuronGallery lives on the model, and how it is read. */
import { decodeFloat16 } from "./buffers";
import {
  type Build,
  type Drawn,
  type GalleryState,
  type Maps,
  type Mode,
  type Ordered,
  type Overview,
  PATCH_SIZES,
  type Patch,
  type PatchKind,
  type Place,
  type Selection,
  type Source,
  type Ties,
  type Tiles,
  type Wall,
} from "./gallery_state";
import { readLayer } from "./layers";
import type { Box } from "./protocol";
import {
  binary,
  bool,
  box,
  bytes,
  encoded,
  fail,
  fields,
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
  type Reader,
  type Readers,
  record,
  share,
  text,
  textOrNull,
  unlessEmpty,
} from "./readers";

const some = optional(text, "");
const kind: Reader<PatchKind> = oneOf("top", "sample", "bottom");
const mode: Reader<Mode> = oneOf("patches", "images", "highlight", "guided_backprop", "deconvnet");
const order = oneOf("channel", "maximum", "likeness", "class");
const integers = (value: unknown, count: number, where: string): Int32Array => {
  const data = bytes(value, count < 0 ? -1 : 4 * count, where);
  return Int32Array.from({ length: data.byteLength >> 2 }, (_, i) => data.getInt32(4 * i, true));
};

const place = optional<Place | null>(just(4) as Reader<Place>, null);

export const readPlaces = items(place);

const tiles: Reader<Tiles | null> = unlessEmpty((value, where) => ({
  file: encoded(value, where),
  places: readPlaces(fields(value, where).places, `${where}.places`),
}));

const source = record<Source>({
  image: number,
  source: text,
  label: textOrNull,
  predicted: textOrNull,
  size: pair,
  seen: optional<Box>(box, [0, 0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]),
  missing: some,
});

const patch = record<Patch>({ kind, rank: number, value: number, picture: number, box, cell: pair });

const histogram = unlessEmpty((value, where) => {
  const found = record({ edges: numbers, counts: numbers })(value, where);
  if (found.edges.length !== found.counts.length + 1)
    return fail(`${where}.edges`, found.edges, `${found.counts.length + 1} numbers`);
  return found;
});

const ties = optional<Ties | null>(
  record<Ties>({ images: number, value: number, place: oneOf("cap", "floor", "extreme") }),
  null,
);

const wallOf = record<Wall>({
  layer: text,
  channel: number,
  units: some,
  dead: optional(bool, false),
  pictures: items(source),
  patches: items(patch),
  images: tiles,
  crops: tiles,
  histogram,
  alike: items(record({ layer: text, channel: number, score: number })),
  ties: optional<Wall["ties"]>(record({ top: ties, bottom: ties }), { top: null, bottom: null }),
});

/** Every patch has a picture, every tile something that it shows. */
function wall(value: unknown, where: string): Wall {
  const found = wallOf(value, where);
  const { pictures, patches, images, crops } = found;
  for (const { picture } of patches)
    if (!pictures[picture]) fail(`${where}.patches`, picture, `a number below ${pictures.length}`);
  for (const [name, sheet, count] of [
    ["images", images, pictures.length],
    ["crops", crops, patches.length],
  ] as const)
    if (sheet && sheet.places.length !== count)
      fail(`${where}.${name}.places`, sheet.places.length, `a list of ${count}`);
  return found;
}

function maps(value: unknown, where: string): Maps | null {
  const found = fields(value, where);
  if (found.data === undefined) return null;
  const [pictures, rows, columns] = just(3)(found.shape, `${where}.shape`);
  const scale = number(found.scale, `${where}.scale`);
  const lines = (name: string, length: number) => {
    const read = items(just(length))(found[name], `${where}.${name}`);
    if (read.length !== pictures) return fail(`${where}.${name}`, read.length, `${pictures} lists`);
    return read.map((line) => Float32Array.from(line));
  };
  const { levels, values } = record({ levels: numbers, values: numbers })(found.cuts, `${where}.cuts`);
  if (levels.length !== values.length || levels.length === 0)
    return fail(`${where}.cuts`, values.length, "a value for each level");
  const data = bytes(found.data, 2 * pictures * rows * columns, `${where}.data`);
  return {
    values: decodeFloat16(data, scale),
    rows,
    columns,
    xs: lines("xs", columns),
    ys: lines("ys", rows),
    levels,
    cuts: values,
  };
}

function drawn(value: unknown, where: string): Drawn {
  const facts = record({ layer: text, channel: number, mode, caption: some })(value, where);
  return { ...facts, tiles: tiles(fields(value, where).sheet, `${where}.sheet`), maps: maps(value, where) };
}

function overview(value: unknown, where: string): Overview {
  const { layer, k, dead, ...rest } = record({
    layer: text,
    k: number,
    maximum: binary,
    preactivation: optional<DataView | null>(binary, null),
    dead: binary,
    labels: binary,
  })(value, where);
  const channels = dead.byteLength;
  const maximum = floats(rest.maximum, channels, `${where}.maximum`);
  const { preactivation } = rest;
  return {
    layer,
    k,
    maximum,
    preactivation:
      preactivation === null ? maximum : floats(preactivation, channels, `${where}.preactivation`),
    dead: Uint8Array.from({ length: channels }, (_, i) => dead.getUint8(i)),
    labels: integers(rest.labels, channels * k, `${where}.labels`),
  };
}

function ordered(value: unknown, where: string): Ordered {
  const found = fields(value, where);
  const channels = integers(found.channels, -1, `${where}.channels`);
  return {
    ...record({ layer: text, by: order, units: some })(value, where),
    of: typeof found.of === "string" ? found.of : number(found.of, `${where}.of`),
    channels,
    scores: floats(found.scores, channels.length, `${where}.scores`),
  };
}

const build = record<Build>({
  state: oneOf("building", "stopped", "done", "error"),
  done: optional(number, 0),
  total: numberOrNull,
  skipped: optional(number, 0),
  seconds_left: numberOrNull,
  message: some,
  remedy: some,
  skipped_list: items(record({ name: some, reason: some })),
});

const selection = record<Selection>({
  kind,
  rank: number,
  image: number,
  source: some,
  layer: text,
  channel: number,
  y: number,
  x: number,
});

const patchSize = (value: unknown, where: string) =>
  Math.min(PATCH_SIZES.most, Math.max(PATCH_SIZES.least, number(value, where)));

export const READERS: Readers<GalleryState> = {
  status: PICTURE_READERS.status,
  ask: { trait: "_ask", read: number },
  generation: { trait: "_generation", read: number },
  build: { trait: "_build", read: unlessEmpty(build) },
  layers: { trait: "_layers", read: items(readLayer) },
  classes: { trait: "_classes", read: items(text) },
  wall: { trait: "_wall", read: unlessEmpty(wall) },
  drawn: { trait: "_drawn", read: unlessEmpty(drawn) },
  overview: { trait: "_overview", read: unlessEmpty(overview) },
  ordered: { trait: "_order", read: unlessEmpty(ordered) },
  layer: { trait: "layer", read: some },
  channel: { trait: "channel", read: numberOrNull },
  view: { trait: "view", read: oneOf("wall", "overview") },
  mode: { trait: "mode", read: mode },
  kind: { trait: "kind", read: oneOf("top", "sample", "bottom", "compare") },
  label: { trait: "label", read: textOrNull },
  selection: { trait: "selection", read: unlessEmpty(selection) },
  patch_size: { trait: "patch_size", read: patchSize },
  quantile: { trait: "quantile", read: share },
  opacity: { trait: "opacity", read: share },
  search: { trait: "search", read: some },
  order: { trait: "order", read: order },
  alike: { trait: "alike", read: numberOrNull },
  target: { trait: "target", read: textOrNull },
};
