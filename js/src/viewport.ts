/** Which part of the picture a pane shows: plain arithmetic between CSS pixels and picture coordinates. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Viewport extends Size {
  /** CSS pixels per picture pixel. */
  readonly scale: number;
  /** Picture coordinates of the pane's top left corner. */
  readonly left: number;
  readonly top: number;
}

export interface View {
  readonly zoom: number;
  readonly pan: readonly [x: number, y: number] | null;
}

export const MAX_ZOOM = 32;

/** The centre nearest to the wanted one that keeps the picture's edges at or outside the pane's. */
function clampCentre(wanted: number, shown: number, whole: number): number {
  if (shown >= whole) return whole / 2;
  return Math.min(whole - shown / 2, Math.max(shown / 2, wanted));
}

/** The whole picture fits the pane at zoom 1; `pan` is the picture point in the middle of the pane. */
export function viewportOf(picture: Size, pane: Size, view: View): Viewport {
  const scale = Math.min(pane.width / picture.width, pane.height / picture.height) * view.zoom;
  const shown = { width: pane.width / scale, height: pane.height / scale };
  const [x, y] = view.pan ?? [picture.width / 2, picture.height / 2];
  return {
    width: pane.width,
    height: pane.height,
    scale,
    left: clampCentre(x, shown.width, picture.width) - shown.width / 2,
    top: clampCentre(y, shown.height, picture.height) - shown.height / 2,
  };
}

export function toPicture(viewport: Viewport, x: number, y: number): [number, number] {
  return [viewport.left + x / viewport.scale, viewport.top + y / viewport.scale];
}

export function toPane(viewport: Viewport, x: number, y: number): [number, number] {
  return [(x - viewport.left) * viewport.scale, (y - viewport.top) * viewport.scale];
}

const centreOf = ({ left, top, width, height, scale }: Viewport): [number, number] => [
  left + width / scale / 2,
  top + height / scale / 2,
];

/** Zooms by a factor while the picture point under (x, y) of the pane stays where it is. */
export function zoomedAt(viewport: Viewport, zoom: number, factor: number, x: number, y: number): View {
  const next = Math.min(MAX_ZOOM, Math.max(1, zoom * factor));
  if (next === 1) return { zoom: 1, pan: null };
  const scale = (viewport.scale * next) / zoom;
  const [px, py] = toPicture(viewport, x, y);
  return { zoom: next, pan: [px + (viewport.width / 2 - x) / scale, py + (viewport.height / 2 - y) / scale] };
}

/** Moves the picture by CSS pixels. */
export function draggedBy(viewport: Viewport, picture: Size, zoom: number, dx: number, dy: number): View {
  const [x, y] = centreOf(viewport);
  const wanted = { zoom, pan: [x - dx / viewport.scale, y - dy / viewport.scale] as const };
  return { zoom, pan: centreOf(viewportOf(picture, viewport, wanted)) };
}

/** Moves as little as needed to bring a picture point into the pane. */
export function revealing(
  viewport: Viewport,
  picture: Size,
  zoom: number,
  x: number,
  y: number,
): View | null {
  const margin = 8;
  const [px, py] = toPane(viewport, x, y);
  const dx = Math.max(0, margin - px) + Math.min(0, viewport.width - margin - px);
  const dy = Math.max(0, margin - py) + Math.min(0, viewport.height - margin - py);
  return zoom === 1 || (dx === 0 && dy === 0) ? null : draggedBy(viewport, picture, zoom, dx, dy);
}
