/** One picture with the overlay of one method: the large view, and each panel while comparing. */
import { h, setAttribute, setText } from "../dom";
import { type HeatmapState, mapOf, methodById, methodLabel } from "../heatmap_state";
import { blankNote, createStage, type Overlay, overlayOf } from "../stage";
import { type Size, viewportOf } from "../viewport";
import { OWN_KEYS, type ViewContext } from "./context";
import { explore } from "./explore";

export interface Pane {
  readonly element: HTMLElement;
  update(state: HeatmapState, method: string, size: Size, crossForPointer: boolean): void;
}

const NO_SIZE: Size = { width: 1, height: 1 };

/** Why there is nothing to see, in words. */
function noteFor(state: HeatmapState, method: string, overlay: Overlay | null): string {
  const { status } = state;
  if (!state.photo) return "No picture yet.";
  if (overlay) {
    return blankNote(overlay);
  }
  if (!method) return "";
  const unavailable = methodById(state, method)?.unavailable;
  // The line below the large picture gives the reason; a panel has only this place for it.
  if (unavailable) return state.compare ? unavailable : `${methodLabel(state, method)} cannot be used here.`;
  if (status.state === "busy" && status.method === method) {
    return status.total > 0 ? `${status.done} of ${status.total}` : "Computing";
  }
  if (mapOf(state, method)) return `There is no colour map named ${state.colormap}.`;
  if (status.state === "error" && status.method === method) {
    return `${methodLabel(state, method)} could not be computed.`;
  }
  return `${methodLabel(state, method)} is not computed yet.`;
}

export function createPane(context: ViewContext<HeatmapState>, signal: AbortSignal): Pane {
  const stage = createStage(signal);
  const note = h("p", { class: "cnnw-pane-note" });
  const element = h(
    "div",
    { class: "cnnw-pane", role: "application", tabindex: 0, ...OWN_KEYS },
    stage.canvas,
    note,
  );
  let size = NO_SIZE;
  explore(element, () => size, context, signal);

  return {
    element,
    update(state, method, newSize, crossForPointer) {
      size = newSize;
      element.style.width = `${size.width}px`;
      element.style.height = `${size.height}px`;
      const { photo, zoom } = state;
      const title = photo?.title || "the picture";
      setAttribute(
        element,
        "aria-label",
        `${methodLabel(state, method)} over ${title}. Arrow keys read values, plus and minus zoom, 0 fits the picture.`,
      );
      setAttribute(element, "data-zoomed", zoom > 1);

      const bitmap = context.photo.bitmapOf(photo);
      const overlay = overlayOf(state, mapOf(state, method));
      const text = context.photo.fault || noteFor(state, method, overlay);
      setText(note, text);
      note.hidden = text === "";

      const { cursor } = context;
      stage.paint({
        viewport: viewportOf(photo ?? NO_SIZE, size, state),
        picture: photo && bitmap && { bitmap, width: photo.width, height: photo.height },
        seen: state.seen,
        overlay: bitmap && overlay,
        box: (bitmap && state.show_box && overlay?.map.box) || null,
        cross: cursor.byKeyboard || crossForPointer ? cursor.point : null,
      });
    },
  };
}
