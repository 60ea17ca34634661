/** A complete set of traits, as the kernel would send them for an ImageNet network and a picture. */
import { COLORMAPS } from "./colormaps";
import { landscape, type Picture } from "./pictures";
import { wireMap, wirePhoto } from "./wire";

export type Traits = Record<string, unknown>;

const KINDS = [
  "cat",
  "tabby",
  "lynx",
  "terrier",
  "setter",
  "heron",
  "finch",
  "beetle",
  "orchid",
  "harbour",
  "kettle",
  "crane",
];
const MANNERS = [
  "southern",
  "common",
  "spotted",
  "northern",
  "red-backed",
  "wire-haired",
  "lesser",
  "giant",
  "dwarf",
];

/** A thousand names: short ones, long ones, and two that are the same. */
export function thousandNames(): string[] {
  const names = Array.from({ length: 1000 }, (_, i) => {
    const name = `${MANNERS[i % MANNERS.length]} ${KINDS[Math.floor(i / MANNERS.length) % KINDS.length]}`;
    return i < MANNERS.length * KINDS.length ? name : `${name}, variety ${i}`;
  });
  names[134] = "crane";
  names[517] = "crane";
  names[281] = "tabby, tabby cat";
  names[285] = "Egyptian cat";
  names[287] = "lynx, catamount";
  names[750] = "quilt, comforter, comfort, puff and every other warm bedspread";
  names[904] = "window screen";
  return names;
}

export const METHODS = [
  { id: "saliency", label: "Saliency", paper: "Simonyan et al. 2013", uses_layer: false, unavailable: "" },
  { id: "smoothgrad", label: "SmoothGrad", paper: "Smilkov et al. 2017", uses_layer: false, unavailable: "" },
  { id: "cam", label: "CAM", paper: "Zhou et al. 2016", uses_layer: false, unavailable: "" },
  { id: "grad_cam", label: "Grad-CAM", paper: "Selvaraju et al. 2017", uses_layer: true, unavailable: "" },
];

const PROBABILITIES: readonly (readonly [index: number, probability: number])[] = [
  [285, 0.734],
  [281, 0.142],
  [287, 0.061],
  [904, 0.0184],
  [750, 0.00042],
];

/** The square that resize and centre crop leave of a picture. */
export function centreCrop(width: number, height: number): [number, number, number, number] {
  const side = 0.96 * Math.min(width, height);
  return [(width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2];
}

/** `count` cell centres over one side of the region; `lag` shifts them, as strided padding does. */
function centres(from: number, to: number, count: number, lag: number): number[] {
  const step = (to - from) / count;
  return Array.from({ length: count }, (_, i) => from + (i + 0.5 - lag) * step);
}

/** A repeatable number in -1..1. */
function noise(i: number): number {
  const wave = Math.sin(12.9898 * i) * 43758.5453;
  return 2 * (wave - Math.floor(wave)) - 1;
}

type Shape = (x: number, y: number, i: number) => number;

const blob = (x: number, y: number, cx: number, cy: number, width: number) =>
  Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * width * width));

function plane(count: number, shape: Shape): number[] {
  return Array.from({ length: count * count }, (_, i) =>
    shape(((i % count) + 0.5) / count, (Math.floor(i / count) + 0.5) / count, i),
  );
}

export function exampleMaps(
  seen: readonly number[],
  target: string,
): Record<string, ReturnType<typeof wireMap>> {
  const [left, top, right, bottom] = seen;
  const axes = (count: number, lag: number) =>
    [centres(left, right, count, lag), centres(top, bottom, count, lag)] as const;
  const score = `logit of ${target} = 9.31`;
  const at = (share: number) => left + share * (right - left);
  const down = (share: number) => top + share * (bottom - top);
  const box = [at(0.08), down(0.12), at(0.58), down(0.62)];
  const gradient = { units: "logit per unit of input", score, box };
  const coarse = { units: "logit", score, box };
  return {
    saliency: wireMap(
      plane(112, (x, y, i) => 0.0126 * blob(x, y, 0.32, 0.4, 0.2) * Math.abs(noise(i))),
      ...axes(112, 0),
      { ...gradient, caption: "Saliency: largest absolute gradient over the colours. 112×112 cells, 38 ms." },
    ),
    smoothgrad: wireMap(
      plane(
        112,
        (x, y, i) =>
          0.0071 * (blob(x, y, 0.3, 0.38, 0.14) + 0.16 * Math.abs(noise(i)) * blob(x, y, 0.5, 0.5, 0.4)),
      ),
      ...axes(112, 0),
      {
        ...gradient,
        caption:
          "SmoothGrad: mean over 50 noisy copies, noise 0.15 of the input's range. 112×112 cells, 1.9 s.",
      },
    ),
    cam: wireMap(
      plane(7, (x, y) => 11.8 * blob(x, y, 0.34, 0.42, 0.22) - 2.4 * blob(x, y, 0.85, 0.8, 0.2)),
      ...axes(7, 0.48),
      {
        ...coarse,
        layer: "features.8",
        caption: "CAM: exact, from the classifier's own weights. 7×7 cells, 9 ms.",
      },
    ),
    grad_cam: wireMap(
      plane(7, (x, y) => 4.62 * blob(x, y, 0.33, 0.38, 0.2) - 1.3 * blob(x, y, 0.8, 0.75, 0.22)),
      ...axes(7, 0.48),
      {
        ...coarse,
        layer: "features.8",
        caption: "Grad-CAM at features.8, the last layer with spatial extent. 7×7 cells, 21 ms.",
      },
    ),
  };
}

/** All traits of a view that shows Grad-CAM of the first class. */
export async function exampleTraits(picture: Picture = landscape(600, 400)): Promise<Traits> {
  const photo = await wirePhoto(picture.canvas, picture.title);
  const seen = centreCrop(photo.width, photo.height);
  const names = thousandNames();
  return {
    _widget: "HeatmapView",
    _photo: photo,
    _seen: seen,
    _maps: exampleMaps(seen, names[285]),
    _status: { state: "idle", method: "grad_cam", done: 0, total: 0, message: "", remedy: "", ask: 0 },
    _predictions: PROBABILITIES.map(([index, probability]) => ({ index, name: names[index], probability })),
    _output_kind: "logits",
    _class_names: names,
    _methods: METHODS,
    _layers: [
      { name: "features.4", shape: [40, 28, 28] },
      { name: "features.6", shape: [112, 14, 14] },
      { name: "features.8", shape: [1280, 7, 7] },
    ],
    _colormaps: COLORMAPS,
    method: "grad_cam",
    target: 285,
    instead_of: null,
    layer: null,
    opacity: 0.5,
    threshold: 0,
    sign: "positive",
    colormap: "auto",
    show_box: false,
    compare: false,
    zoom: 1,
    pan: null,
    _ask: 0,
  };
}
