/** What the browser draws where pixels are hidden: what the network gets in their place. */
import type { FillName, OcclusionState } from "./occlusion_state";
import { createPatchMean, type PatchMean } from "./patch_mean";
import { createPhotoSource, type PhotoSource } from "./photo";
import type { Box, Encoded, Rgb } from "./protocol";

/** A colour as CSS, or a picture that covers the seen region. */
export type Paint =
  | { readonly kind: "flat"; readonly css: string }
  | { readonly kind: "image"; readonly bitmap: ImageBitmap };

export interface Fills {
  /** Of one fill, for an occluder at this box; null while the kernel has not sent it. */
  under(state: OcclusionState, name: FillName, box: Box): Paint | null;
  /** Of the chosen fill, for everything outside the occluders. */
  around(state: OcclusionState): Paint | null;
}

const cssOf = ([red, green, blue]: Rgb): string =>
  `rgb(${Math.round(red)} ${Math.round(green)} ${Math.round(blue)})`;

export function createFills(photo: PhotoSource, wake: () => void, signal: AbortSignal): Fills {
  const sources = new Map<FillName, PhotoSource>();
  let mean: PatchMean | null = null;
  let meanOf: ImageBitmap | null = null;

  const bitmapOf = (name: FillName, image: Encoded) => {
    const source = sources.get(name) ?? createPhotoSource(wake, signal);
    sources.set(name, source);
    return source.bitmapOf(image);
  };

  const patchMean = (state: OcclusionState): PatchMean | null => {
    const bitmap = photo.bitmapOf(state.photo);
    if (!bitmap || !state.photo) return null;
    if (bitmap !== meanOf) {
      mean = createPatchMean(bitmap, state.photo);
      meanOf = bitmap;
    }
    return mean;
  };

  const paintOf = (state: OcclusionState, name: FillName, local: (mean: PatchMean) => Rgb): Paint | null => {
    // The trait is newer than the kernel's copy of it.
    if (name === "colour") return { kind: "flat", css: state.color };
    const fill = state.fills[name];
    if (!fill) return null;
    switch (fill.kind) {
      case "flat":
        return { kind: "flat", css: cssOf(fill.rgb) };
      case "local": {
        const known = patchMean(state);
        return known && { kind: "flat", css: cssOf(local(known)) };
      }
      case "image": {
        const bitmap = bitmapOf(name, fill.image);
        return bitmap && { kind: "image", bitmap };
      }
    }
  };

  return {
    under: (state, name, box) => paintOf(state, name, (known) => known.under([box], state.shape)),
    around: (state) =>
      paintOf(state, state.fill, (known) => known.around(state.boxes, state.shape, state.seen)),
  };
}
