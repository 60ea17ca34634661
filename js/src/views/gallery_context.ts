/** What every part of NeuronGallery shares. */

import { isSelected } from "../gallery_asking";
import type { Memory } from "../gallery_memory";
import type { Pictures } from "../gallery_pictures";
import type { GalleryState, Patch, Wall } from "../gallery_state";
import type { PlainContext } from "./context";

/** What the pointer or the keys are at. */
export interface Pointing {
  patch: Patch | null;
  /** Set by keys rather than the pointer: spoken. */
  byKeyboard: boolean;
}

export interface GalleryContext extends PlainContext<GalleryState> {
  readonly memory: Memory;
  readonly pictures: Pictures;
  readonly pointing: Pointing;
  /** Points at a patch of the wall on show; null for none. */
  point(patch: Patch | null, byKeyboard: boolean): void;
}

/** A part that shows the wall that is painted, which may still be that of the channel before. */
export interface WallPart {
  readonly element: HTMLElement;
  update(state: GalleryState, wall: Wall | null): void;
}

/** The patch that is read out: the one pointed at, else the selected one. */
export function readPatch(state: GalleryState, wall: Wall, { patch }: Pointing): Patch | null {
  if (patch && wall.patches.includes(patch)) return patch;
  return wall.patches.find((each) => isSelected(state, wall, each)) ?? null;
}
