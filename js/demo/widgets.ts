/** The widgets by the name that a scene gives: a kernel sends each model its own bundle, this page has them all. */

import type { AnyModel } from "@anywidget/types";
import activationGrid from "../src/widgets/activation_grid";
import heatmapView from "../src/widgets/heatmap_view";
import neuronGallery from "../src/widgets/neuron_gallery";
import occlusionCanvas from "../src/widgets/occlusion_canvas";
import type { MockModel } from "./mock_model";

const WIDGETS = {
  HeatmapView: heatmapView,
  OcclusionCanvas: occlusionCanvas,
  ActivationGrid: activationGrid,
  NeuronGallery: neuronGallery,
};

/** Renders the widget that the model's `_widget` names, and returns what ends it. */
export function render(model: MockModel, el: HTMLElement): () => void {
  const widget = WIDGETS[model.get("_widget") as keyof typeof WIDGETS];
  return widget.render({ model: model as unknown as AnyModel, el });
}
