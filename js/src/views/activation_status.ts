/** The line below the tiles of ActivationGrid. */
import { type ActivationState, type Sheet, sheetOf } from "../activation_state";
import { nameOf } from "../layer_words";
import { layerOf } from "../layers";
import { COMPUTE, type Work } from "../work_notice";
import type { Part, ViewContext } from "./context";
import { createWorkStatus } from "./work_status";

/** "layer1.0.conv1: 64 channels of 56×56 cells." and what else a reader of the tiles has to know. */
function captionFor(name: string, { channels, rows, columns, merged, measured }: Sheet): string {
  const words = [`${name}: ${channels} channels of ${rows}×${columns} cells.`];
  if (merged > 1) words.push(`${merged}×${merged} cells stand as one here, by their largest magnitude.`);
  if (measured) words.push("Where the cells look was measured by the gradient.");
  return words.join(" ");
}

function activationWork(state: ActivationState): Work {
  const sheet = sheetOf(state);
  const layer = layerOf(state);
  const name = layer ? nameOf(layer) : state.layer;
  const caption = sheet ? captionFor(name, sheet) : "";
  const missing = state.photo !== null && name !== "" && sheet === null;
  return {
    label: "Activations",
    idle: missing
      ? { kind: "quiet", text: `${name} is not computed yet.`, action: COMPUTE }
      : { kind: "quiet", text: caption },
    caption,
    hopeless: false,
  };
}

export function createActivationStatus(context: ViewContext<ActivationState>): Part<ActivationState> {
  return createWorkStatus(context, activationWork);
}
