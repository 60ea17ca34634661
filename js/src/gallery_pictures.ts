/** Decodes the files that tiles travel in, off the main thread, and keeps the pixels of those used of late. */
import type { Place, Tiles } from "./gallery_state";
import { createRecent } from "./recent";

/** A tile: a part of a picture. */
export interface Tile {
  readonly bitmap: ImageBitmap;
  readonly place: Place;
}

export interface Pictures {
  /** A tile's pixels; null while they are not decoded, and where there are none. */
  tile(tiles: Tiles | null, at: number): Tile | null;
  /** Whether no more can come: decoded, or not to be decoded, or nothing there. The view is woken when that changes. */
  settled(tiles: Tiles | null): boolean;
  /** Why some file could not be decoded, in words; empty while all could. */
  readonly fault: string;
}

interface Decoding {
  readonly bitmap: ImageBitmap | null;
  readonly failed: boolean;
}

/** Keeps so many pixels decoded, and at least those of the latest file. */
export function createPictures(mostPixels: number, wake: () => void, signal: AbortSignal): Pictures {
  let fault = "";
  const known = createRecent<Tiles, Decoding>(
    mostPixels,
    // Nothing is known of the size of what is being decoded; it counts when it is there.
    ({ bitmap }) => (bitmap ? bitmap.width * bitmap.height : 0),
    ({ bitmap }) => bitmap?.close(),
  );
  signal.addEventListener("abort", () => known.clear(), { once: true });

  const decode = async (tiles: Tiles, waiting: Decoding) => {
    const { bytes, mime } = tiles.file;
    let bitmap: ImageBitmap | null = null;
    try {
      bitmap = await createImageBitmap(new Blob([bytes], { type: mime }));
    } catch {
      fault = `A sheet of pictures (${bytes.length} bytes of ${mime}) cannot be decoded by this browser.`;
    }
    // Let go, meanwhile.
    if (signal.aborted || known.get(tiles) !== waiting) bitmap?.close();
    else known.set(tiles, { bitmap, failed: bitmap === null });
    wake();
  };

  const open = (tiles: Tiles): Decoding => {
    const found = known.get(tiles);
    if (found || signal.aborted) return found ?? { bitmap: null, failed: true };
    const waiting = { bitmap: null, failed: false };
    known.set(tiles, waiting);
    void decode(tiles, waiting);
    return waiting;
  };

  return {
    tile(tiles, at) {
      const bitmap = tiles && open(tiles).bitmap;
      const place = tiles?.places[at];
      return bitmap && place ? { bitmap, place } : null;
    },
    settled(tiles) {
      if (!tiles) return true;
      const { bitmap, failed } = open(tiles);
      return bitmap !== null || failed;
    },
    get fault() {
      return fault;
    },
  };
}
