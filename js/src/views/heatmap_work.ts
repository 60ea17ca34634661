/** What HeatmapView says of its work: the maps. */
import { type HeatmapState, mapOf, methodById, methodLabel } from "../heatmap_state";
import type { Notice } from "../notice";
import { COMPUTE, type Work } from "../work_notice";

function idleNotice(state: HeatmapState): Notice {
  const map = mapOf(state, state.method);
  if (map) return { kind: "quiet", text: map.partial ? `Unfinished. ${map.caption}` : map.caption };
  if (!state.photo || !state.method) return { kind: "quiet", text: "" };
  return {
    kind: "quiet",
    text: `${methodLabel(state, state.method)} is not computed yet.`,
    action: COMPUTE,
  };
}

export function heatmapWork(state: HeatmapState): Work {
  const { status, method } = state;
  return {
    label: methodLabel(state, status.method || method),
    idle: idleNotice(state),
    caption: mapOf(state, method)?.caption ?? "",
    // Trying again does not change what the network is.
    hopeless: (methodById(state, method)?.unavailable ?? "") !== "",
  };
}
