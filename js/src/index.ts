/** The one bundle behind every widget: `_widget` on the model says which view to render. */
import type { AnyModel, AnyWidget } from "@anywidget/types";
import { READERS as ACTIVATION_READERS } from "./activation_readers";
import * as activation from "./activation_state";
import * as heatmap from "./heatmap_state";
import * as occlusion from "./occlusion_state";
import { type HostModel, openSession } from "./session";
import "./styles/index.css";
import { renderActivationGrid } from "./views/activation_grid";
import { renderHeatmapView } from "./views/heatmap_view";
import { renderOcclusionCanvas } from "./views/occlusion_canvas";

type RenderView = (model: HostModel, host: HTMLElement, signal: AbortSignal) => void;

const VIEWS: Readonly<Record<string, RenderView>> = {
  HeatmapView: (model, host, signal) =>
    renderHeatmapView(openSession(model, heatmap.READERS, heatmap.EMPTY, signal), host, signal),
  OcclusionCanvas: (model, host, signal) =>
    renderOcclusionCanvas(openSession(model, occlusion.READERS, occlusion.EMPTY, signal), host, signal),
  ActivationGrid: (model, host, signal) =>
    renderActivationGrid(openSession(model, ACTIVATION_READERS, activation.EMPTY, signal), host, signal),
};

function render({ model, el }: { model: AnyModel; el: HTMLElement }): () => void {
  const name: string = model.get("_widget");
  const view = VIEWS[name];
  if (!view) {
    throw new Error(
      `This page has no widget named ${name}, only ${Object.keys(VIEWS).join(", ")}. Reload the page: it comes from another version of cnnwidgets.`,
    );
  }
  const life = new AbortController();
  view(model, el, life.signal);
  return () => life.abort();
}

export default { render } satisfies AnyWidget;
