/** Whether the box around the largest part is drawn. */
import { h } from "../dom";
import type { HeatmapState } from "../heatmap_state";
import type { Part, ViewContext } from "./context";

export function createBoxCheck({ session, signal }: ViewContext<HeatmapState>): Part<HeatmapState> {
  const box = h("input", { type: "checkbox", class: "cnnw-check" });
  box.addEventListener("change", () => session.show({ show_box: box.checked }), { signal });

  return {
    element: h("label", { class: "cnnw-check-row" }, box, "Box around the largest part above 20 %"),
    update(state) {
      box.checked = state.show_box;
    },
  };
}
