/** A canvas over the photograph for the strokes of the brush. */
import type { Stroke } from "./activation_state";
import { begin, createLayer } from "./canvas";
import { toPane, type Viewport } from "./viewport";

export interface StrokeScene {
  readonly viewport: Viewport;
  readonly strokes: readonly Stroke[];
  /** Where the brush is held and how wide it is, in pixels of the picture; null while it is put away. */
  readonly brush: { readonly at: readonly [x: number, y: number]; readonly width: number } | null;
}

export interface StrokeLayer {
  readonly canvas: HTMLCanvasElement;
  paint(scene: StrokeScene): void;
}

export function createStrokeLayer(signal: AbortSignal): StrokeLayer {
  const context = createLayer(signal);
  const { canvas } = context;
  canvas.className = "cnnw-strokes";

  const trace = (viewport: Viewport, { points, width }: Stroke) => {
    context.lineWidth = width * viewport.scale;
    context.beginPath();
    points.forEach((point, i) => {
      const [x, y] = toPane(viewport, ...point);
      if (i > 0) context.lineTo(x, y);
      else {
        context.moveTo(x, y);
        // A line without length is not drawn, not even its round ends.
        context.lineTo(x + 0.01, y);
      }
    });
    context.stroke();
  };

  return {
    canvas,
    paint({ viewport, strokes, brush }) {
      begin(context, viewport);
      context.lineCap = "round";
      context.lineJoin = "round";
      // Painted opaque and then thinned as one, so that strokes that cross are not darker there.
      context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--cnnw-accent");
      for (const stroke of strokes) trace(viewport, stroke);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = context.strokeStyle;
      context.globalAlpha = 0.5;
      context.fillRect(0, 0, viewport.width, viewport.height);
      context.globalAlpha = 1;
      context.globalCompositeOperation = "source-over";
      if (!brush) return;
      const [x, y] = toPane(viewport, ...brush.at);
      for (const [colour, width] of [
        ["rgb(0 0 0 / 0.6)", 3],
        ["#fff", 1],
      ] as const) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        context.arc(x, y, (brush.width * viewport.scale) / 2, 0, 7);
        context.stroke();
      }
    },
  };
}
