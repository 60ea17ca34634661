/** The picture of OcclusionCanvas: photograph and map on one canvas, the occluders on another. */

import { h, setAttribute, setText } from "../dom";
import { measured } from "../marks";
import { nearly } from "../occluder";
import { createOccluderLayer, type OccluderScene } from "../occluder_layer";
import type { OcclusionState } from "../occlusion_state";
import { blankNote, createStage, overlayOf } from "../stage";
import { type Size, viewportOf } from "../viewport";
import { OWN_KEYS } from "./context";
import { type OcclusionContext, shownMap } from "./occlusion_context";
import { guide } from "./occlusion_hand";

export interface OcclusionPane {
  readonly element: HTMLElement;
  update(state: OcclusionState, size: Size): void;
}

const NO_SIZE: Size = { width: 1, height: 1 };
/** A score is drawn at its own place when that is further than this from the occluder, in CSS pixels. */
const GHOST_FROM = 2;
/** With "keep only this" the map shows through what hides it. */
const COVER_ON_MAP = 0.55;

const KEYS =
  "Arrow keys move the occluder, Shift with arrow keys changes its size, P pins it and adds another, N and Shift with N take hold of the next and the one before, Delete removes it, plus and minus zoom.";

function sceneOf(context: OcclusionContext, state: OcclusionState, size: Size): OccluderScene {
  const { scoring, fills } = context;
  const { boxes, active, shape, fill, keep, seen, photo } = state;
  const viewport = viewportOf(photo ?? NO_SIZE, size, state);
  const { answer, flight } = scoring;
  const held = boxes[active];
  const scored = answer?.boxes[answer.active];
  const late = flight.current && held && scored && !nearly(held, scored, GHOST_FROM / viewport.scale);
  const paints = keep ? [fills.around(state)] : boxes.map((box) => fills.under(state, fill, box));
  return {
    viewport,
    seen,
    boxes,
    active,
    shape,
    paints,
    keep,
    cover: shownMap(context, state) ? COVER_ON_MAP : 1,
    ghost: late ? scored : null,
  };
}

export function createOcclusionPane(context: OcclusionContext): OcclusionPane {
  const { signal } = context;
  const stage = createStage(signal);
  const layer = createOccluderLayer(signal);
  const note = h("p", { class: "cnnw-pane-note" });
  const element = h(
    "div",
    { class: "cnnw-pane cnnw-occlusion-pane", role: "application", tabindex: 0, ...OWN_KEYS },
    stage.canvas,
    layer.canvas,
    note,
  );
  let size = NO_SIZE;
  /** When the first event came that is not drawn yet. */
  let stirredAt: number | null = null;
  guide(
    element,
    () => size,
    context,
    (stamp) => {
      stirredAt ??= stamp;
    },
    signal,
  );

  return {
    element,
    update(state, newSize) {
      size = newSize;
      element.style.width = `${size.width}px`;
      element.style.height = `${size.height}px`;
      const { photo } = state;
      setAttribute(element, "aria-label", `Occluder over ${photo?.title || "the picture"}. ${KEYS}`);
      setAttribute(element, "data-zoomed", state.zoom > 1);

      const bitmap = context.photo.bitmapOf(photo);
      const map = shownMap(context, state);
      const overlay = overlayOf(state, map);
      const words = context.photo.fault || (photo ? (overlay ? blankNote(overlay) : "") : "No picture yet.");
      setText(note, words);
      note.hidden = words === "";

      const scene = sceneOf(context, state, size);
      stage.paint({
        viewport: scene.viewport,
        picture: photo && bitmap && { bitmap, width: photo.width, height: photo.height },
        seen: state.seen,
        overlay: bitmap && overlay,
        box: null,
        cross: null,
      });
      const painted = layer.paint(bitmap ? scene : { ...scene, boxes: [], paints: [], ghost: null });
      if (painted && stirredAt !== null) {
        measured("cnnw:drawn", stirredAt, { box: state.boxes[state.active] });
        stirredAt = null;
      }
    },
  };
}
