/** The weights behind a layer: a tile for every channel, and for the pinned one a tile for every channel it reads. */
import {
  type ActivationState,
  type Filters,
  filtersOf,
  type Kernel,
  pin,
  sheetOf,
  type Weights,
} from "../activation_state";
import { h, setText } from "../dom";
import type { HeatMap } from "../protocol";
import { lookOf, type WeightView } from "../weights";
import type { Cursor, Part, ViewContext } from "./context";
import { createLegend } from "./legend";
import { createTileSize } from "./tile_size";
import { createWeightGrid } from "./weight_grid";
import { COLOURS } from "./weight_tip";

const MEANING: Readonly<Record<WeightView, string>> = {
  rgb: "its weights for red, green and blue; mid-grey is 0",
  planes: "its weights for the one channel that it reads",
  strength: "the root of the sum of its squared weights over the channels that it reads",
};

const NONE =
  "No convolution alone made this layer's map (an addition, a concatenation or a pooling did). " +
  "Choose a convolution, or what follows one.";
const NOWHERE: Cursor = { point: null, byKeyboard: false };

/** The kernel of the pinned channel; null while none is pinned, or while it is not there. */
function kernelOf({ kernel, channel }: ActivationState, filters: Filters | null): Kernel | null {
  return kernel && kernel.channel === channel && kernel.module === filters?.module ? kernel : null;
}

/** A map that has nothing but the scale: what the legend needs. */
const scales = new WeakMap<Weights, HeatMap>();

function scaleMap(weights: Weights): HeatMap {
  let map = scales.get(weights);
  if (!map) {
    const one = Float32Array.of(weights.scale);
    map = {
      values: one,
      rows: 1,
      columns: 1,
      xs: one,
      ys: one,
      units: weights.units,
      layer: null,
      score: "",
      box: null,
      partial: false,
      caption: "",
    };
    scales.set(weights, map);
  }
  return map;
}

/** A grid with its heading and scale. */
function createSection(
  { session, signal, photo, refresh }: ViewContext<ActivationState>,
  label: string,
  pick: ((tile: number) => void) | null,
) {
  const heading = h("h4", { class: "cnnw-heading" });
  const meaning = h("p", { class: "cnnw-quiet" });
  const legend = createLegend({ session, signal, photo, refresh, cursor: NOWHERE });
  const grid = createWeightGrid(label, pick, signal);
  const head = h("div", { class: "cnnw-weights-head" }, h("div", {}, heading, meaning), legend.element);
  return {
    element: h("section", { class: "cnnw-weights-part", "aria-label": label }, head, grid.element),
    update(
      state: ActivationState,
      words: readonly [heading: string, meaning: string],
      weights: Weights | null,
      view: WeightView,
      captions: (tile: number) => string,
      labels: (tile: number) => string,
      chosen: number,
    ) {
      setText(heading, words[0]);
      setText(meaning, words[1]);
      const look = lookOf(state.colormaps, view);
      const shown = weights && look ? weights : null;
      legend.element.hidden = shown === null;
      if (shown && look) {
        const colours = { sign: look.sign, colormap: "weights", colormaps: { weights: look.colormap } };
        legend.update({ ...state, ...colours, threshold: 0 }, scaleMap(shown));
      }
      grid.update(
        shown && look ? { weights: shown, look, captions, labels, chosen, size: state.tile_size } : null,
      );
    },
  };
}

export function createFiltersTab(context: ViewContext<ActivationState>): Part<ActivationState> {
  const { session } = context;
  const all = createSection(context, "Filters", (tile) => pin(session, tile));
  const one = createSection(context, "Weights of the pinned channel", null);
  const size = createTileSize(context);
  const element = h(
    "div",
    { class: "cnnw-filters" },
    h("div", { class: "cnnw-filters-tools" }, size.element),
    all.element,
    one.element,
  );

  const headingFor = (state: ActivationState, filters: Filters | null): readonly [string, string] => {
    if (filters) {
      const { module, tiles, rows, columns, view } = filters;
      return [`${tiles} filters of ${module}, ${rows}×${columns}`, `Each tile: ${MEANING[view]}.`];
    }
    const none = sheetOf(state)?.filters === "";
    return none ? ["No filters", NONE] : ["Filters", "Waiting for the weights."];
  };

  const kernelHeading = (
    state: ActivationState,
    filters: Filters,
    kernel: Kernel | null,
  ): readonly [string, string] => {
    const { channel } = state;
    if (channel === null)
      return ["One filter", "Pick a filter to see its weights for every channel it reads."];
    if (!kernel) return [`Channel ${channel}`, "Waiting for the weights."];
    const { tiles } = kernel;
    return [
      `Channel ${channel} of ${filters.module}`,
      `${tiles} ${tiles === 1 ? "plane" : "planes"}: its weights for each channel that it reads.`,
    ];
  };

  return {
    element,
    update(state) {
      const filters = filtersOf(state);
      const kernel = kernelOf(state, filters);
      size.update(state);
      size.element.hidden = filters === null;
      all.update(
        state,
        headingFor(state, filters),
        filters,
        filters?.view ?? "planes",
        String,
        (tile) => filters?.labels[tile] ?? `channel ${tile}`,
        state.channel ?? -1,
      );
      // Where a filter reads one channel, its tile is all of it.
      const each = filters && filters.view !== "planes" ? filters : null;
      one.element.hidden = each === null;
      if (!filters || !each) return;
      const input = (tile: number) => kernel?.inputs[tile] ?? tile;
      const colours = filters.view === "rgb" ? COLOURS : [];
      one.update(
        state,
        kernelHeading(state, filters, kernel),
        kernel,
        "planes",
        (tile) => colours[input(tile)] ?? String(input(tile)),
        (tile) => colours[input(tile)] ?? `input ${input(tile)}`,
        -1,
      );
    },
  };
}
