/** Zoom out, fit, zoom in; the middle button says how far. */
import { h, setAttribute, setText } from "../dom";
import { MAX_ZOOM } from "../viewport";
import type { Part, ViewContext } from "./context";

const STEP = 1.5;

export function createZoomButtons({ session, signal }: ViewContext): Part {
  const button = (label: string, title: string, act: () => void) => {
    const made = h("button", { type: "button", class: "cnnw-button", "aria-label": title, title }, label);
    made.addEventListener("click", act, { signal });
    return made;
  };
  const zoomBy = (factor: number) => {
    const zoom = Math.min(MAX_ZOOM, Math.max(1, session.state.zoom * factor));
    session.show(zoom === 1 ? { zoom, pan: null } : { zoom });
  };
  const out = button("\u2212", "Zoom out", () => zoomBy(1 / STEP));
  const fit = button("Fit", "Fit the whole picture", () => session.show({ zoom: 1, pan: null }));
  const into = button("+", "Zoom in (also Ctrl or Cmd with the wheel; drag to move)", () => zoomBy(STEP));
  fit.classList.add("cnnw-zoom-fit");
  const element = h("div", { class: "cnnw-zoom", role: "group", "aria-label": "Zoom" }, out, fit, into);

  return {
    element,
    update({ zoom }) {
      setText(fit, zoom === 1 ? "Fit" : `${zoom.toFixed(1)}×`);
      setAttribute(out, "aria-disabled", zoom === 1 ? "true" : undefined);
      setAttribute(into, "aria-disabled", zoom === MAX_ZOOM ? "true" : undefined);
    },
  };
}
