/** A photograph with the map of the channel on show, the field of its cell, and the strokes of the brush. */
import type { ActivationState, CellGrid } from "../activation_state";
import { h, setAttribute, setText } from "../dom";
import { cutOf, shadeOf } from "../highlight";
import { createPhotoSource } from "../photo";
import type { Box } from "../protocol";
import { mapOf } from "../sheet";
import { createStage, type Overlay, overlayOf } from "../stage";
import { createStrokeLayer } from "../stroke_layer";
import { type Size, viewportOf } from "../viewport";
import { type ActivationContext, shownUnit } from "./activation_context";
import { OWN_KEYS } from "./context";
import { explore } from "./explore";
import { secondSession, secondState } from "./second_picture";

export interface ActivationPhoto {
  readonly element: HTMLElement;
  update(state: ActivationState, size: Size): void;
}

const NO_SIZE: Size = { width: 1, height: 1 };

/** The receptive field of a cell, as far as the network sees it. */
export function fieldOf(
  { lefts, rights, tops, bottoms }: CellGrid,
  [row, column]: readonly [number, number],
): Box {
  return [lefts[column], tops[row], rights[column], bottoms[row]];
}

/** Where a cell lies: the part of the picture that is nearer to it than to any other cell. */
function placeOf({ x_edges, y_edges }: CellGrid, [row, column]: readonly [number, number]): Box {
  return [x_edges[column], y_edges[row], x_edges[column + 1], y_edges[row + 1]];
}

/** What lies on the picture: the map of the channel, or in highlight mode the darkness around its peaks. */
function overlayFor(context: ActivationContext, state: ActivationState, picture: number): Overlay | null {
  const { sheet, quantile } = state;
  const unit = sheet && shownUnit(context, state, sheet);
  if (!unit || picture >= sheet.pictures) return null;
  const map = mapOf(sheet, picture, unit.channel, state);
  if (quantile > 0) return shadeOf(map, cutOf(sheet, unit.channel, quantile));
  return overlayOf(state, map);
}

/** `picture` is 0 for the first photograph and 1 for the other one. */
export function createActivationPhoto(context: ActivationContext, picture: 0 | 1): ActivationPhoto {
  const { signal, refresh, brush } = context;
  const cursor = context.cursors[picture];
  const source = picture === 0 ? context.photo : createPhotoSource(refresh, signal);
  const session = picture === 0 ? context.session : secondSession(context.session);
  const stage = createStage(signal);
  const strokes = picture === 0 ? createStrokeLayer(signal) : null;
  const note = h("p", { class: "cnnw-pane-note" });
  const element = h(
    "div",
    { class: "cnnw-pane", role: "application", tabindex: 0, ...OWN_KEYS },
    stage.canvas,
    ...(strokes ? [strokes.canvas] : []),
    note,
  );
  let size = NO_SIZE;
  const here = { session, cursor, signal, photo: source, refresh };
  explore(element, () => size, here, signal, picture === 0 ? brush : undefined);

  return {
    element,
    update(whole, newSize) {
      size = newSize;
      const state = picture === 0 ? whole : secondState(whole);
      const { photo, sheet, zoom } = state;
      element.style.width = `${size.width}px`;
      element.style.height = `${size.height}px`;
      const painting = picture === 0 && brush.on;
      const keys = painting
        ? "Space paints at the cross-hair, arrow keys move it"
        : "Arrow keys point at pixels";
      setAttribute(element, "aria-label", `${photo?.title || "The picture"}. ${keys}, plus and minus zoom.`);
      setAttribute(element, "data-zoomed", zoom > 1);
      setAttribute(element, "data-painting", painting);

      const bitmap = source.bitmapOf(photo);
      const text = source.fault || (photo ? "" : "No picture yet.");
      setText(note, text);
      note.hidden = text === "";

      const unit = sheet && shownUnit(context, whole, sheet);
      const grid = sheet?.grids[picture];
      const field = unit?.cell && grid ? fieldOf(grid, unit.cell) : null;
      const viewport = viewportOf(photo ?? NO_SIZE, size, state);
      stage.paint({
        viewport,
        picture: photo && bitmap && { bitmap, width: photo.width, height: photo.height },
        seen: state.seen,
        overlay: bitmap && overlayFor(context, whole, picture),
        box: bitmap && field,
        place: bitmap && unit?.cell && grid ? placeOf(grid, unit.cell) : null,
        cross: cursor.byKeyboard ? cursor.point : null,
      });
      const at = painting ? cursor.point : null;
      strokes?.paint({ viewport, strokes: state.region, brush: at && { at, width: brush.width } });
    },
  };
}
