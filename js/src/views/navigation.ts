/** Zooming and panning of one pane. Several events can fall into one frame: it always starts from the state. */
import type { Photo, PictureState } from "../protocol";
import type { Session } from "../session";
import { draggedBy, type Size, type Viewport, viewportOf, zoomedAt } from "../viewport";

export interface Navigation {
  viewport(photo: Photo): Viewport;
  /** Keeps the picture point under (x, y) of the pane where it is. */
  zoomBy(factor: number, x: number, y: number): void;
  /** Plus, minus and 0; false for any other key. `point` stays in place, or the middle without one. */
  zoomByKey(key: string, point: readonly [x: number, y: number] | null): boolean;
  panBy(dx: number, dy: number): void;
  reset(): void;
}

const KEY_ZOOM = 1.5;
const FACTORS: Readonly<Record<string, number>> = { "+": KEY_ZOOM, "=": KEY_ZOOM, "-": 1 / KEY_ZOOM };

export function createNavigation(session: Session<PictureState>, sizeOf: () => Size): Navigation {
  const viewport = (photo: Photo) => viewportOf(photo, sizeOf(), session.state);
  const reset = () => session.show({ zoom: 1, pan: null });
  const zoomBy = (factor: number, x: number, y: number) => {
    const { photo, zoom } = session.state;
    if (photo) session.show(zoomedAt(viewport(photo), zoom, factor, x, y));
  };

  return {
    viewport,
    zoomBy,
    zoomByKey(key, point) {
      const { photo } = session.state;
      const factor = FACTORS[key];
      if (key === "0") reset();
      else if (!photo || factor === undefined) return false;
      else {
        const { left, top, scale, width, height } = viewport(photo);
        const [x, y] = point ?? [left + width / scale / 2, top + height / scale / 2];
        zoomBy(factor, (x - left) * scale, (y - top) * scale);
      }
      return true;
    },
    panBy(dx, dy) {
      const { photo, zoom } = session.state;
      if (photo) session.show(draggedBy(viewport(photo), photo, zoom, dx, dy));
    },
    reset,
  };
}
