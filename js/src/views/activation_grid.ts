/** ActivationGrid: pick a layer, see all its channels for this picture, and on the picture what each of them sees. */
import { type ActivationSession, type ActivationState, chooseLayer } from "../activation_state";
import { scaleOf, shareOf } from "../colormap";
import { h, setAttribute } from "../dom";
import { cutOf } from "../highlight";
import type { HeatMap } from "../protocol";
import { createRanker } from "../rankings";
import { mapOf } from "../sheet";
import type { Size } from "../viewport";
import { type ActivationContext, shownUnit } from "./activation_context";
import { createActivationPhoto } from "./activation_photo";
import { createActivationReadout } from "./activation_readout";
import { createActivationStatus } from "./activation_status";
import { createBrush } from "./brush";
import { createBrushTools } from "./brush_tools";
import type { ViewContext } from "./context";
import { createFiltersTab } from "./filters_tab";
import { createGridControls } from "./grid_controls";
import { createGridTabs } from "./grid_tabs";
import { createLayerMap } from "./layer_map";
import { createLayerTree } from "./layer_tree";
import { createLegend } from "./legend";
import { mountView, type View } from "./mount";
import { createTileGrid } from "./tile_grid";
import { createZoomButtons } from "./zoom_buttons";

/** The shape of the space that is kept while there is no picture. */
const NO_PHOTO = { width: 3, height: 2 };
const MAX_HEIGHT = 420;
const GAP = 8;

/** How large photographs are that share a width. */
function photoSize(picture: Size, width: number, count: number): Size {
  const each = Math.max(64, Math.floor((width - GAP * (count - 1)) / count));
  const height = Math.min(MAX_HEIGHT, Math.round(each * (picture.height / picture.width)));
  return { width: each, height: Math.max(64, height) };
}

/** From these widths on the picture stands beside the tiles, and the tree beside both. */
const TWO_COLUMNS = 680;
const THREE_COLUMNS = 1000;

/** The map that the legend speaks of. */
function legendMap(context: ActivationContext, state: ActivationState): HeatMap | null {
  const { sheet } = state;
  const unit = sheet && shownUnit(context, state, sheet);
  if (unit) return mapOf(sheet, unit.picture, unit.channel, state);
  // On a shared scale every channel's legend is the same.
  return sheet && state.scale === "shared" && sheet.channels > 0 ? mapOf(sheet, 0, 0, state) : null;
}

/** The share of the scale that highlight mode leaves blank: all colours below the cut, where it is above 0. */
function blankBelow(context: ActivationContext, state: ActivationState, map: HeatMap | null): number {
  const { sheet, quantile, sign } = state;
  const unit = sheet && shownUnit(context, state, sheet);
  if (!map || !unit || quantile === 0 || sign !== "positive") return 0;
  return Math.max(0, shareOf(scaleOf(map, sign), cutOf(sheet, unit.channel, quantile)));
}

function build(view: ViewContext<ActivationState>, root: HTMLElement): View<ActivationState> {
  const context: ActivationContext = {
    ...view,
    pointing: { unit: null, byKeyboard: false },
    cursors: [view.cursor, { point: null, byKeyboard: false }],
    rankingOf: createRanker(),
    brush: createBrush(view.session, view.refresh),
  };
  const choosing = { ...context, choose: (layer: string) => chooseLayer(context.session, layer) };
  const layers = createLayerMap(choosing);
  const tree = createLayerTree(choosing);
  const tabs = createGridTabs(context);
  const zoom = createZoomButtons(context);
  const photos = [createActivationPhoto(context, 0), createActivationPhoto(context, 1)];
  const tools = createBrushTools(context);
  const legend = createLegend(context);
  const readout = createActivationReadout(context);
  const controls = createGridControls(context);
  const tiles = createTileGrid(context);
  const filters = createFiltersTab(context);
  const status = createActivationStatus(context);

  const pictures = h("div", { class: "cnnw-photos" }, ...photos.map(({ element }) => element));
  const looking = h(
    "div",
    { class: "cnnw-looking" },
    pictures,
    h("div", { class: "cnnw-toolbar" }, tools.element, zoom.element),
    legend.element,
    readout.element,
  );
  const shelf = h("div", { class: "cnnw-shelf" }, tiles.element, filters.element, status.element);
  const bench = h("div", { class: "cnnw-bench" }, looking, shelf);
  root.dataset.view = "activations";

  /** The Tab key goes where the eye goes: the tree stands before the picture, below it, or below the tiles. */
  const arrange = () => {
    const width = bench.clientWidth;
    const columns = width >= THREE_COLUMNS ? 3 : width >= TWO_COLUMNS ? 2 : 1;
    if (root.dataset.columns === String(columns)) return;
    root.dataset.columns = String(columns);
    bench.insertBefore(tree.element, { 1: null, 2: shelf, 3: looking }[columns]);
  };

  /** What a test in a page can read: what is painted, and what lies on the photograph. */
  const publish = (state: ActivationState) => {
    const { sheet } = state;
    const { painted } = tiles;
    setAttribute(root, "data-painted", painted?.layer);
    setAttribute(root, "data-first", painted?.first);
    setAttribute(root, "data-step", painted?.step);
    root.dataset.overlay = String((sheet && shownUnit(context, state, sheet)?.channel) ?? "");
  };

  return {
    content: [layers.element, tabs.element, controls.element, bench],
    update(state) {
      const { photo, other_photo, sheet } = state;
      const looksAtTiles = state.tab === "activations";
      arrange();
      tiles.element.hidden = !looksAtTiles;
      controls.element.hidden = !looksAtTiles;
      tools.element.hidden = !looksAtTiles;
      filters.element.hidden = looksAtTiles;
      const count = other_photo ? 2 : 1;
      setAttribute(bench, "data-pictures", count);
      photos[1].element.hidden = count < 2;
      for (const part of [layers, tree, tabs, zoom, tools, controls, status]) part.update(state);
      if (looksAtTiles) tiles.update(state);
      else filters.update(state);
      const width = pictures.clientWidth;
      photos[0].update(state, photoSize(photo ?? NO_PHOTO, width, count));
      if (other_photo) photos[1].update(state, photoSize(other_photo, width, count));
      const map = legendMap(context, state);
      legend.update({ ...state, threshold: blankBelow(context, state, map) }, map);
      readout.update(state);
      setAttribute(bench, "aria-busy", sheet !== null && sheet.layer !== state.layer ? "true" : undefined);
      publish(state);
    },
  };
}

export function renderActivationGrid(
  session: ActivationSession,
  host: HTMLElement,
  signal: AbortSignal,
): void {
  mountView({ session, host, signal, label: "Activation grid" }, build);
}
