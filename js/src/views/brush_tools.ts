/** What goes with the brush: on and off, how wide, one stroke back, all away. */
import type { ActivationState } from "../activation_state";
import { h, setAttribute } from "../dom";
import type { ActivationContext } from "./activation_context";
import type { Part } from "./context";
import { createSlider } from "./slider";

export function createBrushTools({ brush, signal }: ActivationContext): Part<ActivationState> {
  const button = (label: string, title: string, act: () => void) => {
    const made = h("button", { type: "button", class: "cnnw-button", title }, label);
    made.addEventListener("click", act, { signal });
    return made;
  };
  const paint = button(
    "Paint a region",
    "Paint on the photograph: the channels that answer to the region come first",
    () => brush.toggle(),
  );
  const undo = button("Undo", "Take the last stroke back", () => brush.undo());
  const clear = button("Clear", "Take all strokes away", () => brush.clear());
  const width = createSlider(
    "Brush",
    (share) => {
      brush.share = share;
    },
    signal,
  );

  return {
    element: h("div", { class: "cnnw-brush" }, paint, undo, clear, width.element),
    update({ region }) {
      setAttribute(paint, "aria-pressed", String(brush.on));
      for (const each of [undo, clear]) {
        each.hidden = region.length === 0;
      }
      width.element.hidden = !brush.on;
      width.update(brush.share);
    },
  };
}
