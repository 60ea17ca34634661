/** Every state of NeuronGallery, by name. */
import { type DemoLayer, liteNetwork, tinyNetwork, wireLayers } from "./activation_networks";
import type { Traits } from "./example";
import { galleryAnswer, playGallery } from "./gallery_kernel";
import { CLASSES, ITEMS } from "./gallery_pictures";
import { isDead } from "./gallery_wall";
import type { Scene } from "./scenes";

const lite = liteNetwork();
const STATUS = { state: "idle", method: "gallery", done: 0, total: 0, message: "", remedy: "", ask: 0 };
const DONE = {
  state: "done",
  done: ITEMS,
  total: ITEMS,
  skipped: 0,
  seconds_left: null,
  message: "",
  remedy: "",
};

const deadIn = (channels: number) => Array.from({ length: channels }, (_, i) => i).filter(isDead).length;

/** A gallery that has an index, and looks at nothing yet. */
export function galleryTraits(layers: readonly DemoLayer[] = lite): Traits {
  return {
    _widget: "NeuronGallery",
    _status: STATUS,
    _ask: 0,
    _generation: 0,
    _build: { ...DONE, skipped_list: [] },
    _layers: wireLayers(layers).map((layer) => ({ ...layer, dead: deadIn(layer.shape[0]) })),
    _classes: [...CLASSES],
    _wall: {},
    _drawn: {},
    _overview: {},
    _order: {},
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
}

interface At {
  readonly layers?: readonly DemoLayer[];
  readonly delay?: number;
  readonly gone?: ReadonlySet<number>;
}

/** A gallery at a layer, answered and played. */
function at(
  layer: string,
  more: Traits = {},
  { layers = lite, delay = 60, gone = new Set() }: At = {},
): Scene {
  return {
    base: async () => {
      const traits = { ...galleryTraits(layers), layer, channel: 14, ...more };
      return { ...traits, ...(await galleryAnswer(traits, layers, gone)) };
    },
    play: (model, signal) => playGallery(model, signal, { layers, delay, gone }),
  };
}

const unfinished = (more: Traits): Scene => ({
  base: async () => ({
    ...galleryTraits(),
    _layers: [],
    _build: { ...DONE, skipped_list: [], ...more },
  }),
  play: (model, signal) => playGallery(model, signal, { layers: lite }),
});

const LAYER = "blocks.2.1.conv_dw";
const SELECTED = {
  kind: "top",
  rank: 2,
  image: 6,
  source: "night/0006.jpg",
  layer: LAYER,
  channel: 14,
  y: 3,
  x: 5,
};
const SKIPPED = [
  { name: "night/broken.jpg", reason: "image file is truncated (12 bytes not processed)" },
  { name: "notes/readme.jpg", reason: "cannot identify image file" },
];
const longer = (layers: readonly DemoLayer[]) =>
  layers.map((layer) => ({
    ...layer,
    name: layer.name.replace(
      "blocks",
      "backbone.feature_extractor_with_a_long_name.inverted_residual_blocks",
    ),
  }));

export const GALLERY_SCENES: Readonly<Record<string, Scene>> = {
  gallery: at(LAYER),
  gallery_selected: at(LAYER, { selection: SELECTED }),
  gallery_images: at(LAYER, { mode: "images" }),
  gallery_highlight: at(LAYER, { mode: "highlight" }),
  gallery_guided: at(LAYER, { mode: "guided_backprop" }),
  gallery_deconvnet: at(LAYER, { mode: "deconvnet" }),
  gallery_compare: at(LAYER, { kind: "compare", patch_size: 72 }),
  gallery_bottom: at("act1", { kind: "bottom" }),
  gallery_large: at(LAYER, { patch_size: 192 }),
  gallery_small: at(LAYER, { patch_size: 32, kind: "compare" }),
  gallery_class: at(LAYER, { label: "dunes" }),
  gallery_no_class: at(LAYER, { label: "tiger" }),
  gallery_missing: at(LAYER, {}, { gone: new Set([3, 11, 14, 23]) }),
  gallery_dead: at(LAYER, { channel: 5 }),
  gallery_tiny: at("1", { channel: 3 }, { layers: tinyNetwork() }),
  gallery_slow: at(LAYER, {}, { delay: 2_000 }),
  gallery_long_names: at(longer(lite)[60].name, {}, { layers: longer(lite) }),
  gallery_skipped: {
    ...at(LAYER),
    change: (traits) => ({ ...traits, _build: { ...DONE, skipped: 2, skipped_list: SKIPPED } }),
  },
  gallery_stale: {
    ...at(LAYER),
    change: (traits) => ({
      ...traits,
      _build: {
        ...DONE,
        state: "error",
        skipped_list: [],
        message: "The weights of the model have changed since it was indexed.",
        remedy: "Index the images anew, or load the weights that the index was made with.",
      },
    }),
  },
  overview: at("act2", { view: "overview" }),
  overview_class: at("act2", { view: "overview", order: "class", target: "night" }),
  overview_likeness: at(LAYER, { view: "overview", order: "likeness" }),
  overview_search: at(LAYER, { view: "overview", search: "dunes" }),
  overview_nothing: at(LAYER, { view: "overview", search: "zebra" }),
  overview_slow: at("act2", { view: "overview" }, { delay: 2_000 }),
  gallery_building: unfinished({
    state: "building",
    done: 340,
    total: 2_000,
    skipped: 2,
    seconds_left: 41,
    skipped_list: SKIPPED,
  }),
  gallery_endless: unfinished({ state: "building", done: 340, total: null, message: "reading the pictures" }),
  gallery_stopped: unfinished({ state: "stopped", done: 340, total: 2_000, skipped: 0 }),
  gallery_failed: unfinished({
    state: "error",
    done: 120,
    total: 2_000,
    message: "Item 121 of the data set raised ValueError: the archive ends in the middle of a file.",
    remedy: "Mend the data set and try again: the 120 images before it are kept.",
  }),
  gallery_busy: {
    ...at(LAYER, { mode: "guided_backprop" }),
    play: () => undefined,
    change: (traits) => ({
      ...traits,
      _drawn: {},
      _status: { ...STATUS, state: "busy", done: 12, total: 48, message: "patches" },
    }),
  },
  gallery_error: {
    ...at(LAYER),
    play: () => undefined,
    change: (traits) => ({
      ...traits,
      _status: {
        ...STATUS,
        state: "error",
        message: "The folder /data/cats is not there any more.",
        remedy: "Give its new place: NeuronGallery(clf, index=PatchIndex.open(path, images=...)).",
      },
    }),
  },
  gallery_waiting: { ...at(LAYER), play: () => undefined, change: (traits) => ({ ...traits, _ask: 1 }) },
  gallery_empty: { base: async () => ({ ...galleryTraits(), _layers: [], _build: {} }) },
};
