/** One canvas: the picture, what the network did not see, the overlay, the box and the cross-hair. */

import { begin, type Context, createLayer, type Rectangle } from "./canvas";
import { colormapOf, colourise, pixelsOf, type Scale, scaleOf } from "./colormap";
import { areasWithoutValue, resample, sampleAxis } from "./field";
import type { Box, HeatMap, PictureState } from "./protocol";
import { sameValues } from "./same";
import { toPane, type Viewport } from "./viewport";

export interface Overlay {
  readonly map: HeatMap;
  readonly scale: Scale;
  readonly colours: Uint32Array;
  readonly threshold: number;
  readonly opacity: number;
}

/** A map with the display settings of a view; null without a map, or while its colours are not there. */
export function overlayOf(state: PictureState, map: HeatMap | null): Overlay | null {
  const colormap = colormapOf(state);
  if (!map || !colormap) return null;
  const { threshold, opacity } = state;
  return { map, scale: scaleOf(map, state.sign), colours: pixelsOf(colormap), threshold, opacity };
}

/** Why an overlay shows nothing, in words; empty if it shows something. */
export function blankNote({ scale: { maximum, sign } }: Overlay): string {
  if (maximum > 0) return "";
  if (sign === "positive" || sign === "negative") return `The map has no ${sign} values.`;
  return "The map is zero everywhere.";
}

export interface Scene {
  readonly viewport: Viewport;
  readonly picture: { readonly bitmap: ImageBitmap; readonly width: number; readonly height: number } | null;
  readonly seen: Box;
  readonly overlay: Overlay | null;
  readonly box: Box | null;
  /** Where the cell of the box lies, outlined finely: what it can see is larger, and not always around it. */
  readonly place?: Box | null;
  readonly cross: readonly [x: number, y: number] | null;
}

export interface Stage {
  readonly canvas: HTMLCanvasElement;
  paint(scene: Scene): void;
}

/** Above this many pixels the overlay is computed on a coarser grid: a slider must repaint within one frame. */
const MAX_OVERLAY_PIXELS = 1_500_000;
/** From this magnification on, picture pixels are shown as squares. */
const SQUARE_PIXELS = 5;

export function rectangleOf(viewport: Viewport, [left, top, right, bottom]: Box): Rectangle {
  const [x0, y0] = toPane(viewport, left, top);
  const [x1, y1] = toPane(viewport, right, bottom);
  return [x0, y0, x1 - x0, y1 - y0];
}

function paintPicture(context: Context, scene: Scene): void {
  const { picture, viewport } = scene;
  if (!picture) return;
  const target = rectangleOf(viewport, [0, 0, picture.width, picture.height]);
  context.imageSmoothingEnabled = target[2] / picture.bitmap.width < SQUARE_PIXELS;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.bitmap, ...target);
}

/** How a part is hatched of which nothing is known: a grey veil, and stripes so far apart, in CSS pixels. */
interface Hatching {
  readonly veil: string;
  readonly stripes: readonly string[];
  readonly distance: number;
}

/** What the network does not see. Greyed rather than darkened: dark is what small values look like. */
const UNSEEN: Hatching = {
  veil: "rgb(128 128 128 / 0.6)",
  stripes: ["rgb(255 255 255 / 0.14)"],
  distance: 12,
};
/** What was not computed: the picture stays to be seen, and the stripes show on light and on dark. */
const NOT_COMPUTED: Hatching = {
  veil: "rgb(128 128 128 / 0.35)",
  stripes: ["rgb(255 255 255 / 0.3)", "rgb(0 0 0 / 0.3)"],
  distance: 9,
};

/** Greys and hatches the inside of the clip. */
function paintHatching(context: Context, { width, height }: Viewport, hatching: Hatching): void {
  const { veil, stripes, distance } = hatching;
  context.fillStyle = veil;
  context.fillRect(0, 0, width, height);
  context.lineWidth = 1;
  stripes.forEach((stripe, i) => {
    context.strokeStyle = stripe;
    context.beginPath();
    for (let x = -height - (height % distance) + i; x < width; x += distance) {
      context.moveTo(x, height);
      context.lineTo(x + height, 0);
    }
    context.stroke();
  });
}

/** Hatches the margin that was cropped away before the network. */
function paintUnseen(context: Context, { picture, viewport, seen }: Scene): void {
  if (!picture) return;
  const [left, top, right, bottom] = seen;
  if (left <= 0 && top <= 0 && right >= picture.width && bottom >= picture.height) return;
  const window = rectangleOf(viewport, seen);
  context.save();
  context.beginPath();
  context.rect(...rectangleOf(viewport, [0, 0, picture.width, picture.height]));
  context.rect(...window);
  context.clip("evenodd");
  paintHatching(context, viewport, UNSEEN);
  context.restore();
}

/** Hatches what was not computed of a map. */
function paintNotComputed(
  context: Context,
  { viewport, seen }: Scene,
  { map, opacity }: Overlay,
  ratio: number,
) {
  // A map of blocks is painted place by place onto the bare picture.
  const missing = map.blocks || opacity === 0 ? [] : areasWithoutValue(map);
  if (missing.length === 0) return;
  // On whole pixels of the screen: between parts side by side no seam is to be seen.
  const snapped = (position: number) => Math.round(position * ratio) / ratio;
  context.save();
  context.beginPath();
  for (const [left, top, right, bottom] of missing) {
    const inside = [
      Math.max(left, seen[0]),
      Math.max(top, seen[1]),
      Math.min(right, seen[2]),
      Math.min(bottom, seen[3]),
    ] as const;
    if (inside[2] <= inside[0] || inside[3] <= inside[1]) continue;
    const [x, y, width, height] = rectangleOf(viewport, inside);
    const [x0, y0] = [snapped(x), snapped(y)];
    context.rect(x0, y0, snapped(x + width) - x0, snapped(y + height) - y0);
  }
  context.clip();
  paintHatching(context, viewport, NOT_COMPUTED);
  context.restore();
}

function paintBox(context: Context, viewport: Viewport, box: Box, width = 2): void {
  const rectangle = rectangleOf(viewport, box);
  context.lineJoin = "miter";
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.lineWidth = width + 2;
  context.strokeRect(...rectangle);
  context.strokeStyle = "#fff";
  context.lineWidth = width;
  context.strokeRect(...rectangle);
}

function paintCross(context: Context, viewport: Viewport, x: number, y: number): void {
  const [px, py] = toPane(viewport, x, y);
  const gap = 6;
  for (const [style, width] of [
    ["rgb(0 0 0 / 0.6)", 3],
    ["#fff", 1],
  ] as const) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(0, py);
    context.lineTo(px - gap, py);
    context.moveTo(px + gap, py);
    context.lineTo(viewport.width, py);
    context.moveTo(px, 0);
    context.lineTo(px, py - gap);
    context.moveTo(px, py + gap);
    context.lineTo(px, viewport.height);
    context.stroke();
  }
}

/** The part of the seen region inside the pane, on the overlay's own pixel grid. */
function overlayGrid({ viewport, seen }: Scene, ratio: number) {
  const [x, y, width, height] = rectangleOf(viewport, seen);
  const left = Math.max(0, x);
  const top = Math.max(0, y);
  const right = Math.min(viewport.width, x + width);
  const bottom = Math.min(viewport.height, y + height);
  if (right <= left || bottom <= top) return null;
  const wanted = (right - left) * (bottom - top) * ratio * ratio;
  const density = ratio * Math.min(1, Math.sqrt(MAX_OVERLAY_PIXELS / wanted));
  const column = Math.floor(left * density);
  const row = Math.floor(top * density);
  return {
    clip: [left, top, right - left, bottom - top] as const,
    density,
    column,
    row,
    columns: Math.ceil(right * density) - column,
    rows: Math.ceil(bottom * density) - row,
  };
}

type Grid = NonNullable<ReturnType<typeof overlayGrid>>;

function fillLayer(layer: Context, { viewport }: Scene, overlay: Overlay, grid: Grid): void {
  const { density, column, row, columns, rows } = grid;
  const step = 1 / (density * viewport.scale);
  const across = sampleAxis(overlay.map.xs, viewport.left + (column + 0.5) * step, step, columns);
  const down = sampleAxis(overlay.map.ys, viewport.top + (row + 0.5) * step, step, rows);
  const values = new Float32Array(columns * rows);
  resample(overlay.map, across, down, values);
  const { canvas } = layer;
  canvas.width = Math.max(canvas.width, columns);
  canvas.height = Math.max(canvas.height, rows);
  const image = layer.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  colourise(values, overlay.scale, overlay.threshold, overlay.colours, pixels);
  layer.putImageData(image, 0, 0);
}

function composeLayer(context: Context, layer: Context, opacity: number, grid: Grid, ratio: number): void {
  const { clip, density, column, row, columns, rows } = grid;
  context.save();
  context.beginPath();
  context.rect(...clip);
  context.clip();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = density !== ratio;
  const target = [column / density, row / density, columns / density, rows / density] as const;
  context.drawImage(layer.canvas, 0, 0, columns, rows, ...target);
  context.restore();
}

/** Everything that a painted scene depends on, to be compared one by one. */
function needsOf({ viewport, picture, seen, overlay, box, place, cross }: Scene, ratio: number): unknown[] {
  const { width, height, scale, left, top } = viewport;
  return [
    ...[ratio, width, height, scale, left, top, picture?.bitmap, picture?.width, picture?.height, ...seen],
    ...[
      overlay?.map,
      overlay?.colours,
      overlay?.scale.sign,
      overlay?.scale.maximum,
      overlay?.threshold,
      overlay?.opacity,
    ],
    ...[cross?.[0], cross?.[1], ...(box ?? [null, null, null, null]), ...(place ?? [])],
  ];
}

export function createStage(signal: AbortSignal): Stage {
  const context = createLayer(signal);
  const { canvas } = context;
  const layer = createLayer(signal);
  let filledWith: readonly unknown[] = [];
  let painted: readonly unknown[] = [];

  /** Opacity and the cross-hair change often and leave the layer's pixels as they are. */
  const paintOverlay = (scene: Scene, overlay: Overlay, ratio: number) => {
    const grid = overlayGrid(scene, ratio);
    if (!grid) return;
    const { map, scale, colours, threshold } = overlay;
    const { left, top, scale: zoom } = scene.viewport;
    const needs = [
      map,
      colours,
      scale.sign,
      scale.maximum,
      threshold,
      left,
      top,
      zoom,
      ...grid.clip,
      grid.density,
    ];
    if (!sameValues(needs, filledWith)) {
      fillLayer(layer, scene, overlay, grid);
      filledWith = needs;
    }
    composeLayer(context, layer, overlay.opacity, grid, ratio);
  };

  return {
    canvas,
    paint(scene) {
      const { viewport } = scene;
      const ratio = devicePixelRatio;
      const needs = needsOf(scene, ratio);
      if (sameValues(needs, painted)) return;
      painted = needs;
      begin(context, viewport);
      paintPicture(context, scene);
      paintUnseen(context, scene);
      if (scene.overlay) {
        paintOverlay(scene, scene.overlay, ratio);
        paintNotComputed(context, scene, scene.overlay, ratio);
      }
      if (scene.box) paintBox(context, viewport, scene.box);
      if (scene.place) paintBox(context, viewport, scene.place, 1);
      if (scene.cross) paintCross(context, viewport, ...scene.cross);
    },
  };
}
