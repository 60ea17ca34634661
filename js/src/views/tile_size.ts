/** How large tiles are. */
import { type ActivationState, TILE_SIZES } from "../activation_state";
import type { Part, ViewContext } from "./context";
import { createSlider } from "./slider";

/** Equal steps of the slider are equal factors of the size. */
const SPAN = Math.log(TILE_SIZES.most / TILE_SIZES.least);
const sizeAt = (position: number) => Math.round(TILE_SIZES.least * Math.exp(SPAN * position));

export function createTileSize({ session, signal }: ViewContext<ActivationState>): Part<ActivationState> {
  const slider = createSlider(
    "Tiles",
    (position) => session.show({ tile_size: sizeAt(position) }),
    signal,
    (position) => `${sizeAt(position)} px`,
  );
  return {
    element: slider.element,
    update: ({ tile_size }) => slider.update(Math.log(tile_size / TILE_SIZES.least) / SPAN),
  };
}
