/** NeuronGallery: pick a channel, see the patches of a whole data set that it answers to. */
import { h, setAttribute } from "../dom";
import { chooseLayer } from "../gallery_asking";
import { createMemory } from "../gallery_memory";
import { createPictures } from "../gallery_pictures";
import type { GallerySession, GalleryState, Wall } from "../gallery_state";
import type { PlainContext } from "./context";
import type { GalleryContext } from "./gallery_context";
import { createGalleryReadout } from "./gallery_readout";
import { createLayerMap } from "./layer_map";
import { createLayerTree } from "./layer_tree";
import { mountPlain, type PlainView } from "./mount";
import { createPatchWall } from "./patch_wall";

/** From these widths on the facts stand beside the wall, and the tree beside both. */
const TWO_COLUMNS = 680;
const THREE_COLUMNS = 1000;

function build(view: PlainContext<GalleryState>, root: HTMLElement): PlainView<GalleryState> {
  const { session, signal, refresh } = view;
  const pointing: GalleryContext["pointing"] = { patch: null, byKeyboard: false };
  const context: GalleryContext = {
    ...view,
    memory: createMemory(),
    pictures: createPictures(refresh, signal),
    pointing,
    point(patch, byKeyboard) {
      if (patch === pointing.patch && byKeyboard === pointing.byKeyboard) return;
      pointing.patch = patch;
      pointing.byKeyboard = byKeyboard;
      refresh();
    },
  };
  const { memory, pictures } = context;
  const choosing = { ...view, choose: (layer: string) => chooseLayer(session, layer) };
  const map = createLayerMap(choosing);
  const tree = createLayerTree(choosing);
  const wall = createPatchWall(context);
  const readout = createGalleryReadout(context);
  const main = h("div", { class: "cnnw-gallery-main" }, wall.element);
  const side = h("div", { class: "cnnw-gallery-side" }, readout.element);
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

  const arrange = (width: number) => {
    const columns = width >= THREE_COLUMNS ? 3 : width >= TWO_COLUMNS ? 2 : 1;
    if (root.dataset.columns === String(columns)) return;
    root.dataset.columns = String(columns);
    bench.insertBefore(tree.element, columns === 3 ? main : null);
  };

  return {
    content: [map.element, bench],
    update(state, width) {
      memory.learn(state);
      arrange(width);
      shown = wallNow(state);
      map.update(state);
      tree.update(state);
      wall.update(state, shown);
      readout.update(state, shown);
      setAttribute(root, "data-painted", shown && `${shown.layer}/${shown.channel}/${state.mode}`);
    },
  };
}

export function renderNeuronGallery(session: GallerySession, host: HTMLElement, signal: AbortSignal): void {
  mountPlain({ session, host, signal, label: "Neuron gallery" }, build);
}
