/** Renders OcclusionCanvas on the mock model, plays a hand over it, and reads its canvases. */
import { afterEach } from "vitest";
import type { Traits } from "../demo/example";
import { MockModel } from "../demo/mock_model";
import { occlusionTraits } from "../demo/occlusion_example";
import { type KernelOptions, playOcclusion } from "../demo/occlusion_kernel";
import type { Box } from "../src/protocol";
import { flat, nextFrame, type Rendered, type Rgba, renderOn, until } from "./harness";

const kernels: AbortController[] = [];

afterEach(() => {
  for (const kernel of kernels.splice(0)) kernel.abort();
});

export const SEEN: Box = [10, 0, 50, 40];

export interface Hand {
  /** Dispatches one pointer event over a point of the picture. */
  point(type: string, x: number, y: number, more?: PointerEventInit): void;
  /** Presses, moves in steps of a frame, and lets go. */
  drag(from: readonly [number, number], to: readonly [number, number], steps?: number): Promise<void>;
  press(key: string, more?: KeyboardEventInit): void;
}

export interface Occluding extends Rendered {
  readonly hand: Hand;
  readonly stage: HTMLElement;
  /** The colour that the occluders' canvas adds at a point of the picture; transparent where it adds none. */
  readonly overAt: (x: number, y: number) => Rgba;
  /** The colour of the canvas below: photograph and map. */
  readonly underAt: (x: number, y: number) => Rgba;
  readonly boxes: () => Box[];
  readonly requests: () => { id: number; boxes: Box[]; active: number }[];
  readonly fact: (name: string) => string | null;
}

/** A 60 by 40 grey picture of which the network sees the middle, one pixel of its input for each, and one occluder. */
export async function tinyOcclusion(change: Traits = {}): Promise<Traits> {
  const traits = await occlusionTraits(flat(60, 40));
  return { ...traits, _seen: SEEN, _grain: [1, 1], boxes: [[20, 10, 32, 22]], ...change };
}

export function occludingOn(model: MockModel, width = 1000): Occluding {
  const rendered = renderOn(model, width);
  const stage = rendered.find(".cnnw-occlusion-pane");
  const size = () => (model.get("_photo") as { width: number }).width;
  const [under, over] = rendered.all<HTMLCanvasElement>(".cnnw-occlusion-pane canvas");

  const pixel = (canvas: HTMLCanvasElement) => (x: number, y: number) => {
    const context = canvas.getContext("2d");
    const scale = canvas.width / size();
    if (!context) throw new Error("no canvas");
    return [...context.getImageData(Math.floor(x * scale), Math.floor(y * scale), 1, 1).data] as Rgba;
  };
  const point: Hand["point"] = (type, x, y, more = {}) => {
    const frame = stage.getBoundingClientRect();
    const scale = frame.width / size();
    const place = { clientX: frame.left + x * scale, clientY: frame.top + y * scale };
    const init = { bubbles: true, cancelable: true, isPrimary: true, pointerId: 1, ...place, ...more };
    stage.dispatchEvent(new PointerEvent(type, init));
  };
  // Made-up pointers cannot be captured.
  stage.setPointerCapture = () => undefined;

  return {
    ...rendered,
    stage,
    underAt: pixel(under),
    overAt: pixel(over),
    boxes: () => model.get("boxes") as Box[],
    requests: () =>
      model.sent.filter((each) => (each as { kind: string }).kind === "place") as ReturnType<
        Occluding["requests"]
      >,
    fact: (name) => rendered.find(".cnnw").getAttribute(`data-${name}`),
    hand: {
      point,
      async drag([x0, y0], [x1, y1], steps = 4) {
        point("pointerdown", x0, y0);
        for (let step = 1; step <= steps; step++) {
          point("pointermove", x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps);
          await nextFrame();
        }
        point("pointerup", x1, y1);
        await nextFrame();
      },
      press(key, more = {}) {
        stage.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
      },
    },
  };
}

/** Renders, waits for the picture, and lets a kernel answer where options are given. */
export async function renderOcclusion(
  change: Traits = {},
  kernel: KernelOptions | null = null,
  width?: number,
): Promise<Occluding> {
  const model = new MockModel(await tinyOcclusion(change));
  if (kernel) {
    const life = new AbortController();
    kernels.push(life);
    playOcclusion(model, life.signal, kernel);
  }
  const view = occludingOn(model, width);
  await until(() => view.underAt(30, 30)[3] === 255, "the picture is painted");
  return view;
}

export const close = (box: Box | undefined, wanted: readonly number[]): boolean =>
  box?.every((edge, i) => Math.abs(edge - wanted[i]) < 0.15) ?? false;
