/** NeuronGallery: pick a channel, see the patches of a whole data set that it answers to. */
import { h, setAttribute } from "../dom";
import { chooseLayer, chooseView } from "../gallery_asking";
import { createMemory } from "../gallery_memory";
import { createPictures } from "../gallery_pictures";
import {
  type Drawn,
  type GallerySession,
  type GalleryState,
  type GalleryView,
  needsDrawing,
  type Wall,
} from "../gallery_state";
import { createAlikeChips } from "./alike_chips";
import { createBuildPanel } from "./build_panel";
import { createChannelField } from "./channel_field";
import type { PlainContext } from "./context";
import { type GalleryContext, readPatch } from "./gallery_context";
import { createGalleryControls } from "./gallery_controls";
import { createGalleryHistogram } from "./gallery_histogram";
import { createGalleryReadout } from "./gallery_readout";
import { createGalleryStatus } from "./gallery_status";
import { createLayerMap } from "./layer_map";
import { createLayerTree } from "./layer_tree";
import { mountPlain, type PlainView } from "./mount";
import { createOverview } from "./overview";
import { createPatchWall } from "./patch_wall";
import { createRadioRow } from "./radio_row";
import { createSkippedList } from "./skipped_list";

/** From these widths on the facts stand beside the wall, and the tree beside both. */
const TWO_COLUMNS = 680;
const THREE_COLUMNS = 1000;
/** Pixels of pictures that are kept decoded: those of a few walls. */
const MOST_PIXELS = 16_000_000;

/** Whether every picture of a wall has come, or is known to be missing: they come a few at a time. */
const isComplete = ({ pictures, images }: Wall) =>
  pictures.every(({ missing }, i) => missing !== "" || !!images?.places[i]);

/** Whether a drawing has come for every patch whose picture there is. */
const isDrawn = ({ maps, tiles }: Drawn, { patches, pictures }: Wall) =>
  maps !== null || patches.every(({ picture }, i) => pictures[picture].missing !== "" || !!tiles?.places[i]);

function createContext(view: PlainContext<GalleryState>): GalleryContext {
  const pointing: GalleryContext["pointing"] = { patch: null, byKeyboard: false };
  return {
    ...view,
    memory: createMemory(),
    pictures: createPictures(MOST_PIXELS, view.refresh, view.signal),
    pointing,
    point(patch, byKeyboard) {
      if (patch === pointing.patch && byKeyboard === pointing.byKeyboard) return;
      pointing.patch = patch;
      pointing.byKeyboard = byKeyboard;
      view.refresh();
    },
  };
}

function createViews({ session, signal }: PlainContext<GalleryState>) {
  const row = createRadioRow("Look at", (value) => chooseView(session, value as GalleryView), signal);
  row.offer([
    { value: "wall", label: "One channel", title: "The patches of one channel" },
    {
      value: "overview",
      label: "Whole layer",
      title: "Every channel of the layer as a row of its best patches",
    },
  ]);
  return row;
}

function build(view: PlainContext<GalleryState>, root: HTMLElement): PlainView<GalleryState> {
  const context = createContext(view);
  const { session, memory, pictures, pointing } = context;
  const choosing = { ...view, choose: (layer: string) => chooseLayer(session, layer) };
  const map = createLayerMap(choosing);
  const tree = createLayerTree(choosing);
  const views = createViews(context);
  const channel = createChannelField(context);
  const building = createBuildPanel(context);
  const skipped = createSkippedList();
  const controls = createGalleryControls(context);
  const wall = createPatchWall(context);
  const overview = createOverview(context);
  const readout = createGalleryReadout(context);
  const histogram = createGalleryHistogram(context);
  const alike = createAlikeChips(context);
  const status = createGalleryStatus(context);

  const bar = h("div", { class: "cnnw-toolbar cnnw-gallery-bar" }, views.element, channel.element);
  const dead = h(
    "p",
    { class: "cnnw-dead" },
    "Dead: this channel has the same value in every cell of every image.",
  );
  const main = h(
    "div",
    { class: "cnnw-gallery-main" },
    controls.element,
    dead,
    wall.element,
    overview.element,
  );
  const side = h("div", { class: "cnnw-gallery-side" }, readout.element, histogram.element, alike.element);
  const bench = h("div", { class: "cnnw-bench" }, main, side);
  root.dataset.view = "gallery";
  let shown: Wall | null = null;

  /** The wall asked for, once its pictures are decoded; until then the one before. */
  const wallNow = (state: GalleryState): Wall | null => {
    const wanted = memory.wall(state.layer, state.channel);
    if (!wanted) return state.wall ? shown : null;
    const ready = pictures.settled(wanted.images) && pictures.settled(wanted.crops);
    return ready || shown === null ? wanted : shown;
  };

  /** The Tab key goes where the eye goes: the tree stands before the wall, or below it. */
  const arrange = (width: number) => {
    const columns = width >= THREE_COLUMNS ? 3 : width >= TWO_COLUMNS ? 2 : 1;
    if (root.dataset.columns === String(columns)) return;
    root.dataset.columns = String(columns);
    bench.insertBefore(tree.element, columns === 3 ? main : null);
    // Under a finger the words have to be where the patches are.
    if (columns === 1) main.insertBefore(readout.element, dead);
    else side.prepend(readout.element);
  };

  /** What a test in a page can read. */
  const publish = (state: GalleryState, stale: boolean) => {
    const { mode, view: looked } = state;
    const drawn = shown && needsDrawing(mode) ? memory.drawn(shown.layer, shown.channel, mode) : null;
    const sheets = shown ? [shown.images, shown.crops, drawn?.tiles ?? null] : [];
    const complete = shown && isComplete(shown) && (!needsDrawing(mode) || (drawn && isDrawn(drawn, shown)));
    const painted =
      complete && !stale && looked === "wall" && sheets.every((sheet) => pictures.settled(sheet));
    setAttribute(root, "data-painted", painted ? `${shown?.layer}/${shown?.channel}/${mode}` : undefined);
    setAttribute(root, "data-count", shown && looked === "wall" ? wall.shown.length : undefined);
    const read = shown && readPatch(state, shown, pointing);
    setAttribute(root, "data-read", read ? `${read.kind}/${read.rank}` : undefined);
    setAttribute(root, "data-rows", looked === "overview" ? overview.filled : undefined);
    setAttribute(root, "data-build", state.build?.state);
  };

  return {
    content: [map.element, building.element, bar, bench, status.element, skipped.element],
    update(state, width) {
      memory.learn(state);
      arrange(width);
      const indexed = state.layers.length > 0;
      const looksAtWall = state.view === "wall";
      map.element.hidden = !indexed;
      bar.hidden = !indexed;
      bench.hidden = !indexed;
      main.dataset.looked = state.view;
      overview.element.hidden = looksAtWall;
      controls.element.hidden = !looksAtWall;
      side.hidden = !looksAtWall;
      readout.element.hidden = !looksAtWall;
      setAttribute(bench, "data-looked", state.view);
      for (const part of [map, tree, channel, building, skipped]) part.update(state);
      views.update(state.view);
      shown = wallNow(state);
      const stale = shown !== null && (shown.layer !== state.layer || shown.channel !== state.channel);
      setAttribute(main, "data-stale", stale && looksAtWall);
      setAttribute(main, "aria-busy", stale && looksAtWall ? "true" : undefined);
      controls.update(state, shown);
      wall.update(state, looksAtWall ? shown : null);
      dead.hidden = !looksAtWall || stale || !shown?.dead;
      for (const part of [readout, histogram, alike]) part.update(state, shown);
      if (!looksAtWall) overview.update(state);
      const { status: work, ask } = state;
      // While there is only the index to be made, the panel says all.
      status.element.hidden = !indexed && session.fault === "" && work.state === "idle" && work.ask >= ask;
      status.update(state, pictures.fault, looksAtWall ? null : overview.owed);
      publish(state, stale);
    },
  };
}

export function renderNeuronGallery(session: GallerySession, host: HTMLElement, signal: AbortSignal): void {
  mountPlain({ session, host, signal, label: "Neuron gallery" }, build);
}
