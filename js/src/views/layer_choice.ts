/** The layer for methods that look at one. */
import { ask, type HeatmapState, mapOf, methodById } from "../heatmap_state";
import { createChoice, type Option } from "./choice";
import type { Part, ViewContext } from "./context";

const AUTOMATIC = "";

/** The layer that tracing found, if a map tells. */
function tracedLayer(state: HeatmapState): string | null {
  if (state.layer !== null) return null;
  const user = state.methods.find(({ id, uses_layer }) => uses_layer && mapOf(state, id)?.layer);
  return user ? (mapOf(state, user.id)?.layer ?? null) : null;
}

function layerOptions(state: HeatmapState): Option[] {
  const traced = tracedLayer(state);
  const options = state.layers.map(({ name, shape }) => ({
    value: name,
    label: `${name}  ${shape.join("×")}`,
  }));
  if (state.layer !== null && !state.layers.some(({ name }) => name === state.layer)) {
    options.push({ value: state.layer, label: state.layer });
  }
  return [{ value: AUTOMATIC, label: traced ? `automatic (${traced})` : "automatic" }, ...options];
}

export function createLayerChoice({ session, signal }: ViewContext<HeatmapState>): Part<HeatmapState> {
  const choice = createChoice("Layer", (value) => ask(session, { layer: value || null }), signal);

  return {
    element: choice.element,
    update(state) {
      const inUse = state.compare
        ? state.methods.some((method) => method.uses_layer)
        : (methodById(state, state.method)?.uses_layer ?? false);
      choice.update(layerOptions(state), state.layer ?? AUTOMATIC, !inUse);
      choice.element.title = inUse ? "" : "This method does not look at a layer.";
    },
  };
}
