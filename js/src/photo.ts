/** Decodes the photograph once per change, off the main thread, and frees the pixels with the view. */
import type { Encoded } from "./protocol";

export interface PhotoSource {
  /** The pixels of this photograph; null until they are decoded, when the view is woken. */
  bitmapOf(photo: Encoded | null): ImageBitmap | null;
  /** Why the photograph cannot be shown; empty if it can. */
  readonly fault: string;
}

export function createPhotoSource(wake: () => void, signal: AbortSignal): PhotoSource {
  let current: Encoded | null = null;
  let bitmap: ImageBitmap | null = null;
  let fault = "";

  const drop = () => {
    bitmap?.close();
    bitmap = null;
  };

  const load = async (photo: Encoded) => {
    try {
      const decoded = await createImageBitmap(new Blob([photo.bytes], { type: photo.mime }));
      if (signal.aborted || photo !== current) {
        decoded.close();
        return;
      }
      drop();
      bitmap = decoded;
      fault = "";
    } catch {
      if (photo !== current) return;
      drop();
      fault = `The picture (${photo.bytes.length} bytes of ${photo.mime}) cannot be decoded by this browser.`;
    }
    if (!signal.aborted) wake();
  };

  signal.addEventListener("abort", drop, { once: true });

  return {
    bitmapOf(photo) {
      if (photo !== current) {
        current = photo;
        // The old pixels stay until the new ones are there, so that the picture does not flash.
        if (photo) void load(photo);
        else drop();
      }
      return bitmap;
    },
    get fault() {
      return fault;
    },
  };
}
