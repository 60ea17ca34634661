/** The row above the picture: the occluder's shape and fill, what is kept, pins, its size, zoom. */
import { h, setAttribute, setText } from "../dom";
import { MOST, pinned, removed } from "../hand";
import { inputSize } from "../occluder";
import type { OcclusionState, Shape } from "../occlusion_state";
import type { Part } from "./context";
import { createFillRow } from "./fill_row";
import type { OcclusionContext } from "./occlusion_context";
import { createRadioRow } from "./radio_row";
import { createZoomButtons } from "./zoom_buttons";

const PIN = "Leave this occluder where it is and take another (P)";
const FULL = `There are ${MOST} occluders, as many as can be`;

/** The size in pixels of the network's input: "32×48 px". */
function sizeWords({ boxes, active, grain }: OcclusionState): string {
  const box = boxes[active];
  if (!box) return "";
  return `${inputSize(box, grain).join("×")} px`;
}

export function createOccluderToolbar(context: OcclusionContext): Part<OcclusionState> {
  const { session, signal, scoring } = context;

  const button = (label: string, title: string, act: () => void) => {
    const made = h("button", { type: "button", class: "cnnw-button", title }, label);
    made.addEventListener("click", act, { signal });
    return made;
  };

  const shape = createRadioRow(
    "Shape",
    (value) => value !== session.state.shape && scoring.change({ shape: value as Shape }),
    signal,
  );
  shape.offer([
    { value: "rectangle", label: "Rectangle" },
    { value: "ellipse", label: "Ellipse" },
  ]);
  const fill = createFillRow(context);
  const keep = button("Keep only this", "Hide everything outside the occluders instead", () =>
    scoring.change({ keep: !session.state.keep }),
  );
  const pin = button("Pin", PIN, () => {
    const more = pinned(session.state);
    if (more) scoring.move(more);
  });
  const remove = button("Remove", "Remove this occluder (Delete)", () => {
    const rest = removed(session.state);
    if (rest) scoring.move(rest);
  });
  const size = h("span", { class: "cnnw-size", title: "Size in pixels of the network's input" });
  const zoom = createZoomButtons(context);

  return {
    element: h(
      "div",
      { class: "cnnw-toolbar" },
      h("div", { class: "cnnw-tools cnnw-appearance" }, shape.element, fill.element),
      h("div", { class: "cnnw-tools" }, keep, h("div", { class: "cnnw-radios" }, pin, remove), size),
      zoom.element,
    ),
    update(state) {
      shape.update(state.shape);
      fill.update(state);
      setAttribute(keep, "aria-pressed", String(state.keep));
      const full = state.boxes.length >= MOST;
      setAttribute(pin, "aria-disabled", full ? "true" : undefined);
      setAttribute(pin, "title", full ? FULL : PIN);
      setAttribute(remove, "aria-disabled", state.boxes.length < 2 ? "true" : undefined);
      setText(size, sizeWords(state));
      zoom.update(state);
    },
  };
}
