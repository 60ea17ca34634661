/** Paints one patch: cut out, as its whole picture with the patch outlined, highlighted, or beside what a mode draws. */
import { begin, type Context, contextOf, type Rectangle } from "./canvas";
import { resample, sampleAxis } from "./field";
import type { Pictures, Tile } from "./gallery_pictures";
import type { Drawn, Maps, Mode, Patch, Source, Wall } from "./gallery_state";
import type { Box } from "./protocol";
import { touched } from "./touched";
import type { Size } from "./viewport";

export interface PatchScene {
  readonly wall: Wall;
  readonly patch: Patch;
  readonly mode: Mode;
  readonly drawn: Drawn | null;
  readonly pictures: Pictures;
  /** Longest side of a picture on screen. */
  readonly side: number;
  /** Highlights are what is above this. */
  readonly cut: number;
  readonly opacity: number;
}

/** From this magnification on, pixels are shown as squares. */
const SQUARE_PIXELS = 4;
/** Shades are computed on at most so many cells a side: a slider must repaint within one frame. */
const MOST_SHADE = 96;
const SEAM = 2;

/** Two pictures stand side by side in a tile. */
export const isPair = (mode: Mode): boolean => mode === "guided_backprop" || mode === "deconvnet";

export const tileSize = (mode: Mode, side: number): Size => ({
  width: isPair(mode) ? 2 * side + SEAM : side,
  height: side,
});

/** The largest rectangle of a shape in a square, in its middle. */
function fitted(
  width: number,
  height: number,
  [left, top, side]: readonly [number, number, number],
): Rectangle {
  const scale = side / Math.max(width, height);
  const [across, down] = [Math.max(1, width * scale), Math.max(1, height * scale)];
  return [left + (side - across) / 2, top + (side - down) / 2, across, down];
}

const fittedBox = ([left, top, right, bottom]: Box, square: readonly [number, number, number]): Rectangle =>
  fitted(right - left, bottom - top, square);

function draw(context: Context, { bitmap, place }: Tile, target: Rectangle): void {
  context.imageSmoothingEnabled = target[2] / place[2] < SQUARE_PIXELS;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, ...place, ...target);
}

/** The part of a whole picture's tile that a box covers. */
function cutOut({ bitmap, place: [x, y, width, height] }: Tile, { size }: Source, box: Box): Tile {
  const [across, down] = [width / size[1], height / size[0]];
  const [left, top, right, bottom] = box;
  const wide = Math.max(1, (right - left) * across);
  const high = Math.max(1, (bottom - top) * down);
  return { bitmap, place: [x + left * across, y + top * down, wide, high] };
}

function paintCrop(context: Context, scene: PatchScene, at: readonly [number, number, number]): void {
  const { wall, patch, pictures } = scene;
  const sharp = pictures.tile(wall.crops, wall.patches.indexOf(patch));
  const whole = pictures.tile(wall.images, patch.picture);
  const box = touched(patch.box, wall.pictures[patch.picture].size);
  const tile = sharp ?? (whole && cutOut(whole, wall.pictures[patch.picture], box));
  if (tile) draw(context, tile, fittedBox(box, at));
}

/** Greys what the network did not see. */
function paintUnseen(context: Context, source: Source, frame: Rectangle, seen: Rectangle): void {
  const [left, top, right, bottom] = source.seen;
  if (left <= 0 && top <= 0 && right >= source.size[1] && bottom >= source.size[0]) return;
  context.beginPath();
  context.rect(...frame);
  context.rect(...seen);
  context.fillStyle = "rgb(128 128 128 / 0.6)";
  context.fill("evenodd");
}

function outline(context: Context, rectangle: Rectangle): void {
  context.lineJoin = "miter";
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.lineWidth = 3;
  context.strokeRect(...rectangle);
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  context.strokeRect(...rectangle);
}

/** Black where a channel's map of one picture is not above the cut: a pixel for each point on the way to the screen. */
function shadeOf(
  maps: Maps,
  picture: number,
  source: Source,
  scene: PatchScene,
  size: Size,
): HTMLCanvasElement {
  const cells = maps.rows * maps.columns;
  const map = {
    values: maps.values.subarray(picture * cells, (picture + 1) * cells),
    rows: maps.rows,
    columns: maps.columns,
    xs: maps.xs[picture],
    ys: maps.ys[picture],
  };
  const shrink = Math.min(1, MOST_SHADE / Math.max(size.width, size.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(size.width * shrink));
  canvas.height = Math.max(1, Math.round(size.height * shrink));
  const [down, across] = [source.size[0] / canvas.height, source.size[1] / canvas.width];
  const values = new Float32Array(canvas.width * canvas.height);
  resample(
    map,
    sampleAxis(map.xs, across / 2, across, canvas.width),
    sampleAxis(map.ys, down / 2, down, canvas.height),
    values,
  );
  const context = contextOf(canvas);
  const image = context.createImageData(canvas.width, canvas.height);
  const alpha = Math.round(255 * scene.opacity);
  values.forEach((value, i) => {
    image.data[4 * i + 3] = value > scene.cut ? 0 : alpha;
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

function paintWhole(context: Context, scene: PatchScene, at: readonly [number, number, number]): void {
  const { wall, patch, pictures, mode, drawn } = scene;
  const source = wall.pictures[patch.picture];
  const tile = pictures.tile(wall.images, patch.picture);
  if (!tile) return;
  const [height, width] = source.size;
  const frame = fitted(width, height, at);
  draw(context, tile, frame);
  const place = ([left, top, right, bottom]: Box): Rectangle => {
    const scale = frame[2] / width;
    return [frame[0] + left * scale, frame[1] + top * scale, (right - left) * scale, (bottom - top) * scale];
  };
  if (mode === "highlight" && drawn?.maps) {
    context.imageSmoothingEnabled = true;
    const shade = shadeOf(drawn.maps, patch.picture, source, scene, { width: frame[2], height: frame[3] });
    context.drawImage(shade, ...frame);
  }
  paintUnseen(context, source, frame, place(source.seen));
  if (mode === "images") outline(context, place(patch.box));
}

export function paintPatch(canvas: HTMLCanvasElement, scene: PatchScene): void {
  const { mode, side, pictures, drawn, wall, patch } = scene;
  const context = contextOf(canvas);
  begin(context, tileSize(mode, side));
  if (mode === "images" || mode === "highlight") paintWhole(context, scene, [0, 0, side]);
  else paintCrop(context, scene, [0, 0, side]);
  if (!isPair(mode)) return;
  const tile = pictures.tile(drawn?.tiles ?? null, wall.patches.indexOf(patch));
  const box = touched(patch.box, wall.pictures[patch.picture].size);
  if (tile) draw(context, tile, fittedBox(box, [side + SEAM, 0, side]));
}

/** The channel's value at a quantile over the data set, linear between the levels that are known; 0 leaves nothing out. */
export function cutAt({ levels, cuts }: Maps, quantile: number): number {
  if (quantile === 0) return Number.NEGATIVE_INFINITY;
  const after = levels.findIndex((level) => level >= quantile);
  if (after <= 0) return cuts[after < 0 ? cuts.length - 1 : 0];
  const share = (quantile - levels[after - 1]) / (levels[after] - levels[after - 1]);
  return cuts[after - 1] + share * (cuts[after] - cuts[after - 1]);
}
