/** Every state of ActivationGrid, by name. */
import { activationTraits, answered, lookedAt, withOther } from "./activation_example";
import { type ActivationKernelOptions, playActivations } from "./activation_kernel";
import { type DemoLayer, denseNetwork, liteNetwork, tinyNetwork } from "./activation_networks";
import type { Traits } from "./example";
import type { MockModel } from "./mock_model";
import { landscape, type Picture } from "./pictures";
import type { Scene } from "./scenes";

const play =
  (options: ActivationKernelOptions = {}) =>
  (model: MockModel, signal: AbortSignal) =>
    playActivations(model, signal, options);

/** A network at one of its layers, answered and played. */
function at(layers: readonly DemoLayer[], layer: string, more: Traits = {}, delay?: number): Scene {
  return {
    base: async (picture) => {
      const traits = { ...(await lookedAt(layers, layer, picture)), ...more };
      return { ...traits, ...answered(traits, layers) };
    },
    play: play({ layers, ...(delay === undefined ? {} : { delay }) }),
  };
}

const lite = liteNetwork();

const status = (more: Traits) => (traits: Traits) => ({
  ...traits,
  _status: { ...(traits._status as Traits), ...more },
});

/** The same landscape with the sun gone: something must differ. */
function evening(): Picture {
  const picture = landscape(600, 400);
  const context = picture.canvas.getContext("2d");
  if (context) {
    context.fillStyle = "rgb(20 20 60 / 0.55)";
    context.fillRect(300, 0, 300, 400);
  }
  return { ...picture, title: "evening" };
}

const two = (more: Traits = {}): Scene => ({
  base: async (picture) => {
    const looked = await withOther(await lookedAt(lite, "blocks.2.1", picture), evening());
    const traits = { ...looked, ...more };
    return { ...traits, ...answered(traits, lite) };
  },
  play: play(),
});

const longer = (layers: readonly DemoLayer[]) =>
  layers.map((layer) => {
    const name = layer.name.replace(
      "blocks",
      "backbone.feature_extractor_with_a_long_name.inverted_residual_blocks",
    );
    return { ...layer, name };
  });

const STROKES = [
  {
    width: 60,
    points: [
      [180, 130],
      [200, 180],
    ],
  },
];

export const ACTIVATION_SCENES: Readonly<Record<string, Scene>> = {
  activations: { base: activationTraits, play: play() },
  activations_pinned: at(lite, "blocks.3.2", { channel: 12, cell: [6, 4] }),
  activations_fine: at(lite, "act1", { channel: 3 }),
  activations_wide: at(lite, "act2"),
  activations_gated: at(liteNetwork(true), "blocks.4.1.se"),
  activations_tiny: at(tinyNetwork(), "1"),
  activations_dense: at(denseNetwork(), "features.denseblock3.denselayer24.conv1"),
  activations_two: two(),
  activations_difference: two({ sort: "difference", scale: "shared" }),
  activations_highlight: at(lite, "act1", { channel: 3, threshold: 0.95 }),
  activations_likeness: at(lite, "act1", { channel: 3, sort: "likeness" }),
  activations_unlike: at(lite, "act1", { sort: "likeness" }),
  activations_contribution: at(lite, "act1", { sort: "contribution" }),
  activations_region: at(lite, "blocks.2.1", { sort: "region", region: STROKES }),
  activations_signed: at(lite, "blocks.2.1", { sign: "both", scale: "shared" }),
  activations_large_tiles: at(lite, "blocks.2.1", { tile_size: 200 }),
  activations_slow: at(lite, "blocks.2.1", {}, 2_000),
  filters: at(lite, "act1", { tab: "filters" }),
  filters_pinned: at(lite, "conv_stem", { tab: "filters", channel: 7 }),
  filters_planes: at(lite, "blocks.2.1.conv_dw", { tab: "filters", channel: 30 }),
  filters_strength: at(denseNetwork(), "features.denseblock2.denselayer3.conv2", {
    tab: "filters",
    channel: 4,
  }),
  filters_many: at(lite, "act2", { tab: "filters", channel: 1000, tile_size: 24 }),
  filters_none: at(lite, "blocks.2.1", { tab: "filters" }),
  activations_busy: {
    base: activationTraits,
    change: status({ state: "busy", done: 12, total: 62, message: "layers" }),
  },
  activations_error: {
    base: activationTraits,
    change: status({
      state: "error",
      message: "The network cannot run this picture: expected 3 channels, got 1.",
      remedy: "Give a colour picture.",
    }),
  },
  activations_waiting: { base: activationTraits, change: (traits) => ({ ...traits, _ask: 1 }) },
  activations_long_names: at(longer(lite), longer(lite)[60].name),
  activations_portrait: { ...at(lite, "blocks.2.1"), picture: () => landscape(360, 640) },
  activations_empty: {
    base: activationTraits,
    change: (traits) => ({
      ...traits,
      _photo: {},
      _seen: [],
      _layers: [],
      _sheet: {},
      layer: "",
      target: null,
    }),
  },
};
