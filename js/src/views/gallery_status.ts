/** The line below the wall of NeuronGallery. */
import { type GalleryState, needsDrawing } from "../gallery_state";
import { nameOf } from "../layer_words";
import { layerOf } from "../layers";
import { plural } from "../patch_words";
import { COMPUTE, type Work } from "../work_notice";
import type { GalleryContext } from "./gallery_context";
import { createWorkStatus, type WorkStatus } from "./work_status";

function wallCaption(state: GalleryState, context: GalleryContext, missing: boolean): string {
  const layer = layerOf(state);
  if (!layer || state.channel === null || missing) return "";
  const drawn = needsDrawing(state.mode) && context.memory.drawn(layer.name, state.channel, state.mode);
  if (drawn) return drawn.caption;
  const { build } = state;
  const plain = `Channel ${state.channel} of ${nameOf(layer)}`;
  if (build?.state !== "done") return `${plain}.`;
  // There may be more to say of the index, such as that it could not be kept.
  return `${plain}, out of ${plural(build.done, "image")}. ${build.message}`.trim();
}

export function createGalleryStatus(context: GalleryContext): WorkStatus<GalleryState> {
  const workOf = (state: GalleryState): Work => {
    const { layer, channel, mode, view } = state;
    const { memory } = context;
    const lacks =
      view === "overview"
        ? memory.overview(layer) === null
        : memory.wall(layer, channel) === null || (needsDrawing(mode) && !memory.drawn(layer, channel, mode));
    const missing = layer !== "" && lacks;
    const found = layerOf(state);
    const overview = found && !missing ? `${nameOf(found)}: every channel by its strongest patches.` : "";
    const caption = view === "overview" ? overview : wallCaption(state, context, missing);
    const what =
      view === "overview" || !found ? "The overview" : `Channel ${channel ?? ""} of ${nameOf(found)}`;
    return {
      label: "Patches",
      idle: missing
        ? { kind: "quiet", text: `${what} is not there yet.`, action: COMPUTE }
        : { kind: "quiet", text: caption },
      caption,
      hopeless: false,
    };
  };
  return createWorkStatus(context, workOf);
}
