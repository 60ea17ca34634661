/** A canvas of its own for the occluders, so that moving one repaints neither the photograph nor the map. */

import { begin, type Context, createLayer, type Rectangle } from "./canvas";
import type { Paint } from "./fills";
import { handlesOf } from "./occluder";
import type { Shape } from "./occlusion_state";
import type { Box } from "./protocol";
import { sameValues } from "./same";
import { rectangleOf } from "./stage";
import { toPane, type Viewport } from "./viewport";

export interface OccluderScene {
  readonly viewport: Viewport;
  readonly seen: Box;
  readonly boxes: readonly Box[];
  readonly active: number;
  readonly shape: Shape;
  /** What each box is filled with, or, with `keep`, the one thing around them. */
  readonly paints: readonly (Paint | null)[];
  readonly keep: boolean;
  /** How opaque the surroundings are with `keep`: less while a map lies under them. */
  readonly cover: number;
  /** Where the score on show belongs, while that is not where the occluder is. */
  readonly ghost: Box | null;
}

export interface OccluderLayer {
  readonly canvas: HTMLCanvasElement;
  /** Returns whether anything had to be painted. */
  paint(scene: OccluderScene): boolean;
}

/** Side of a handle, and the smallest distance between opposite ones, in CSS pixels. */
const HANDLE = 9;
export const HANDLE_SPAN = 34;

function trace(context: Context, shape: Shape, [x, y, width, height]: Rectangle): void {
  context.beginPath();
  if (shape === "rectangle") context.rect(x, y, width, height);
  else context.ellipse(x + width / 2, y + height / 2, width / 2, height / 2, 0, 0, 2 * Math.PI);
}

function fillClip(context: Context, { viewport, seen }: OccluderScene, paint: Paint, area: Rectangle): void {
  if (paint.kind === "flat") {
    context.fillStyle = paint.css;
    context.fillRect(...area);
  } else {
    context.imageSmoothingEnabled = true;
    context.drawImage(paint.bitmap, ...rectangleOf(viewport, seen));
  }
}

/** Only inside the region that the network sees is anything hidden. */
function clipToSeen(context: Context, { viewport, seen }: OccluderScene): void {
  context.beginPath();
  context.rect(...rectangleOf(viewport, seen));
  context.clip();
}

function paintHidden(context: Context, scene: OccluderScene): void {
  const { viewport, seen, boxes, shape, paints, keep, cover } = scene;
  context.save();
  clipToSeen(context, scene);
  if (keep) {
    const [paint] = paints;
    context.globalAlpha = cover;
    if (paint) fillClip(context, scene, paint, rectangleOf(viewport, seen));
    context.globalAlpha = 1;
    context.globalCompositeOperation = "destination-out";
    for (const box of boxes) {
      trace(context, shape, rectangleOf(viewport, box));
      context.fill();
    }
  } else {
    boxes.forEach((box, i) => {
      const paint = paints[i];
      if (!paint) return;
      const rectangle = rectangleOf(viewport, box);
      context.save();
      trace(context, shape, rectangle);
      context.clip();
      fillClip(context, scene, paint, rectangle);
      context.restore();
    });
  }
  context.restore();
}

/** A light line on a dark one, so that it shows on any picture. */
function outline(context: Context, dark: number, light: number, draw: () => void): void {
  context.strokeStyle = "rgb(0 0 0 / 0.7)";
  context.lineWidth = dark;
  draw();
  context.strokeStyle = "#fff";
  context.lineWidth = light;
  draw();
}

/** How far an ellipse stands off the corners of its box, as a share of the side. */
const CORNER = (1 - Math.SQRT1_2) / 2;

/** A pin inside the top left corner: this one stays. */
function paintPin(context: Context, shape: Shape, [left, top, width, height]: Rectangle): void {
  const inset = shape === "ellipse" ? CORNER : 0;
  const x = left + inset * width + 9;
  const y = top + inset * height + 8;
  outline(context, 4, 1.5, () => {
    context.beginPath();
    context.arc(x, y, 3, 0, 7);
    context.moveTo(x, y + 3);
    context.lineTo(x, y + 9);
    context.stroke();
  });
}

function paintPinned(context: Context, shape: Shape, rectangle: Rectangle): void {
  outline(context, 2.5, 1, () => {
    trace(context, shape, rectangle);
    context.stroke();
  });
  if (rectangle[2] > 26 && rectangle[3] > 26) paintPin(context, shape, rectangle);
}

function paintActive(context: Context, { viewport, shape }: OccluderScene, box: Box): void {
  const rectangle = rectangleOf(viewport, box);
  if (shape === "ellipse") {
    context.setLineDash([2, 3]);
    outline(context, 1, 1, () => context.strokeRect(...rectangle));
    context.setLineDash([]);
  }
  outline(context, 3.5, 1.5, () => {
    trace(context, shape, rectangle);
    context.stroke();
  });
  for (const [, x, y] of handlesOf(box, HANDLE_SPAN / viewport.scale)) {
    const [px, py] = toPane(viewport, x, y);
    const square = [px - HANDLE / 2, py - HANDLE / 2, HANDLE, HANDLE] as const;
    context.fillStyle = "#fff";
    context.fillRect(...square);
    context.strokeStyle = "rgb(0 0 0 / 0.8)";
    context.lineWidth = 1;
    context.strokeRect(...square);
  }
}

function paintGhost(context: Context, { viewport, shape }: OccluderScene, ghost: Box): void {
  context.setLineDash([4, 4]);
  outline(context, 2.5, 1, () => {
    trace(context, shape, rectangleOf(viewport, ghost));
    context.stroke();
  });
  context.setLineDash([]);
}

/** Everything that a painted scene depends on, to be compared one by one. */
function needsOf(scene: OccluderScene, ratio: number): unknown[] {
  const { width, height, scale, left, top } = scene.viewport;
  const paints = scene.paints.map((paint) => (paint?.kind === "flat" ? paint.css : paint?.bitmap));
  return [
    ...[ratio, width, height, scale, left, top, scene.active, scene.shape, scene.keep, scene.cover],
    ...[...scene.seen, ...scene.boxes.flat(), scene.boxes.length, ...paints, ...(scene.ghost ?? [])],
  ];
}

export function createOccluderLayer(signal: AbortSignal): OccluderLayer {
  const context = createLayer(signal);
  const { canvas } = context;
  canvas.className = "cnnw-occluders";
  let painted: readonly unknown[] = [];

  return {
    canvas,
    paint(scene) {
      const { viewport, boxes, active, shape, ghost } = scene;
      const ratio = devicePixelRatio;
      const needs = needsOf(scene, ratio);
      if (sameValues(needs, painted)) return false;
      painted = needs;
      begin(context, viewport);
      paintHidden(context, scene);
      boxes.forEach((box, i) => {
        if (i !== active) paintPinned(context, shape, rectangleOf(viewport, box));
      });
      if (ghost) paintGhost(context, scene, ghost);
      const held = boxes[active];
      if (held) paintActive(context, scene, held);
      return true;
    },
  };
}
