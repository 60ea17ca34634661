/** Canvases: their context, their size on screen, their end. */
import type { Size } from "./viewport";

export type Context = CanvasRenderingContext2D;
export type Rectangle = readonly [left: number, top: number, width: number, height: number];

export function contextOf(canvas: HTMLCanvasElement): Context {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no 2D canvas: close some pages and reload this one.");
  return context;
}

/** Browsers count canvas memory against a small budget and collect it late: this gives it back at once. */
export function release(canvas: HTMLCanvasElement): void {
  canvas.width = 0;
  canvas.height = 0;
  canvas.remove();
}

/** The context of a canvas of its own, which goes when the signal aborts. */
export function createLayer(signal: AbortSignal): Context {
  const canvas = document.createElement("canvas");
  signal.addEventListener("abort", () => release(canvas), { once: true });
  return contextOf(canvas);
}

/** Empties a canvas and gives it the size of a pane; what is drawn then is in CSS pixels. */
export function begin(context: Context, { width, height }: Size): void {
  const { canvas } = context;
  const ratio = devicePixelRatio;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
}
