/** Every state of HeatmapView, by name: what differs from the plain example. */
import { type exampleMaps, exampleTraits, METHODS, type Traits } from "./example";
import { playKernel } from "./mock_kernel";
import type { MockModel } from "./mock_model";
import { digit, landscape, type Picture } from "./pictures";
import { wireMap } from "./wire";

export interface Scene {
  readonly picture?: () => Picture;
  readonly change?: (traits: Traits) => Traits;
  /** All traits of the view; HeatmapView's where this is left out. */
  readonly base?: (picture?: Picture) => Promise<Traits>;
  /** Plays the kernel; left out where the state itself is on show. */
  readonly play?: (model: MockModel, signal: AbortSignal) => void;
}

const status = (state: string, more: Traits = {}) => ({
  _status: { state, method: "smoothgrad", done: 12, total: 50, message: "", remedy: "", ask: 0, ...more },
});

const without = (maps: unknown, ...ids: string[]) =>
  Object.fromEntries(Object.entries(maps as object).filter(([id]) => !ids.includes(id)));

function partial(maps: unknown): Traits {
  const known = maps as ReturnType<typeof exampleMaps>;
  return {
    ...known,
    smoothgrad: {
      ...known.smoothgrad,
      partial: true,
      caption: "SmoothGrad, 12 of 50 samples, Smilkov et al. 2017",
    },
  };
}

function digitTraits(traits: Traits): Traits {
  const cells = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5];
  const values = Array.from({ length: 64 }, (_, i) => 0.8 * Math.sin(i) * Math.cos(0.3 * i));
  const names = Array.from({ length: 10 }, (_, i) => String(i));
  return {
    ...traits,
    _seen: [0, 0, 8, 8],
    _maps: {
      saliency: wireMap(values, cells, cells, {
        units: "logit per unit of input",
        score: "logit of 3 = 7.20",
      }),
    },
    _class_names: names,
    _predictions: [3, 8, 5, 2, 9].map((index, i) => ({
      index,
      name: names[index],
      probability: 0.75 / 4 ** i,
    })),
    method: "saliency",
    target: 3,
    sign: "both",
    opacity: 0.4,
  };
}

export const SCENES: Readonly<Record<string, Scene>> = {
  plain: { play: playKernel },
  contrast: {
    play: playKernel,
    change: (traits) => ({ ...traits, instead_of: 281, show_box: true, threshold: 0.2 }),
  },
  signed: { change: (traits) => ({ ...traits, sign: "both", method: "cam" }) },
  saliency: { change: (traits) => ({ ...traits, method: "saliency", opacity: 0.7, threshold: 0.15 }) },
  zoomed: { play: playKernel, change: (traits) => ({ ...traits, zoom: 4, pan: [230, 160] }) },
  compare: { play: playKernel, change: (traits) => ({ ...traits, compare: true }) },
  compare_busy: {
    change: (traits) => ({
      ...traits,
      ...status("busy", { message: "samples" }),
      compare: true,
      _maps: without(traits._maps, "smoothgrad", "cam"),
    }),
  },
  busy: {
    change: (traits) => ({
      ...traits,
      ...status("busy", { message: "samples" }),
      method: "smoothgrad",
      _maps: partial(traits._maps),
    }),
  },
  error: {
    change: (traits) => ({
      ...traits,
      ...status("error", {
        method: "grad_cam",
        message:
          "Grad-CAM needs a layer with height and width, and classifier.fc gives a tensor of shape (1, 1000).",
        remedy: "Choose a convolutional layer, such as features.8, or leave the choice to tracing.",
      }),
      layer: "classifier.fc",
      _maps: without(traits._maps, "grad_cam"),
    }),
  },
  cancelled: {
    change: (traits) => ({
      ...traits,
      ...status("cancelled", { message: "Cancelled after 12 of 50 samples; the map shows these." }),
      method: "smoothgrad",
      _maps: partial(traits._maps),
    }),
  },
  cancelled_at_once: {
    change: (traits) => ({
      ...traits,
      ...status("cancelled", { done: 0, total: 0, message: "Cancelled." }),
      method: "smoothgrad",
      _maps: without(traits._maps, "smoothgrad"),
    }),
  },
  waiting: {
    change: (traits) => ({
      ...traits,
      _ask: 1,
      method: "smoothgrad",
      _maps: without(traits._maps, "smoothgrad"),
    }),
  },
  unavailable: {
    change: (traits) => ({
      ...traits,
      _methods: METHODS.map((method) =>
        method.id === "cam"
          ? {
              ...method,
              unavailable:
                "the network ends in three linear layers (classifier.0, .3, .6), and CAM needs exactly one after global average pooling.",
            }
          : method,
      ),
    }),
  },
  long_names: {
    change: (traits) => {
      const long = (traits._class_names as string[]).map(
        (name) => `${name}, with a name that goes on and on past any column`,
      );
      const predictions = traits._predictions as { index: number }[];
      return {
        ...traits,
        _class_names: long,
        _predictions: predictions.map((each) => ({ ...each, name: long[each.index] })),
        instead_of: 281,
      };
    },
  },
  no_names: { change: (traits) => ({ ...traits, _class_names: [], instead_of: 17 }) },
  portrait: { play: playKernel, picture: () => landscape(360, 640) },
  portrait_compare: {
    picture: () => landscape(360, 640),
    change: (traits) => ({ ...traits, compare: true }),
  },
  panorama: { picture: () => landscape(1200, 240) },
  digit: { picture: digit, change: digitTraits },
  empty: {
    change: (traits) => ({
      ...traits,
      _photo: {},
      _seen: [],
      _maps: {},
      _predictions: [],
      _class_names: [],
      _methods: [],
      method: "",
    }),
  },
};

export async function sceneTraits(scene: Scene, picture?: Picture): Promise<Traits> {
  const traits = await (scene.base ?? exampleTraits)(picture ?? scene.picture?.());
  return scene.change?.(traits) ?? traits;
}
