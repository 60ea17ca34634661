/** The score over the last answers as a line, with the score of the untouched picture as a dashed one. */
import { createLayer } from "./canvas";

export interface TraceScene {
  /** Oldest first. */
  readonly scores: readonly number[];
  readonly clean: number;
  /** The lowest and highest score of the vertical axis. */
  readonly ends: readonly [low: number, high: number];
}

export interface Trace {
  readonly canvas: HTMLCanvasElement;
  paint(scene: TraceScene): void;
}

/** As many answers as are drawn. */
export const LENGTH = 200;
/** Room for the dots at the edges, in CSS pixels. */
const MARGIN = 4;

export function createTrace(signal: AbortSignal): Trace {
  const context = createLayer(signal);
  const { canvas } = context;
  canvas.className = "cnnw-trace";

  return {
    canvas,
    paint({ scores, clean, ends: [low, high] }) {
      const { clientWidth: width, clientHeight: height } = canvas;
      const ratio = devicePixelRatio;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      const style = getComputedStyle(canvas);
      const step = (width - 2 * MARGIN) / (LENGTH - 1);
      const x = (i: number) => MARGIN + i * step;
      const y = (score: number) =>
        height - MARGIN - ((score - low) / (high - low || 1)) * (height - 2 * MARGIN);

      context.strokeStyle = style.getPropertyValue("--cnnw-edge");
      context.lineWidth = 1;
      context.setLineDash([4, 3]);
      context.beginPath();
      context.moveTo(0, y(clean));
      context.lineTo(width, y(clean));
      context.stroke();
      context.setLineDash([]);
      if (scores.length === 0) return;

      context.strokeStyle = style.getPropertyValue("--cnnw-accent");
      context.lineWidth = 1.5;
      context.lineJoin = "round";
      context.beginPath();
      scores.forEach((score, i) => {
        context.lineTo(x(i), y(score));
      });
      context.stroke();

      const dot = (i: number, radius: number) => {
        context.beginPath();
        context.arc(x(i), y(scores[i]), radius, 0, 7);
        context.fill();
      };
      // Nothing calls when the theme changes: these colours can be read on either until the next answer.
      context.fillStyle = style.getPropertyValue("--cnnw-edge");
      for (const extreme of [Math.min(...scores), Math.max(...scores)]) dot(scores.lastIndexOf(extreme), 2);
      context.fillStyle = style.getPropertyValue("--cnnw-accent");
      dot(scores.length - 1, 3);
    },
  };
}
