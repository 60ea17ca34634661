/** Renders a view on the mock model, and reads pixels back. */
import { afterEach } from "vitest";
import { COLORMAPS } from "../demo/colormaps";
import { exampleTraits, type Traits } from "../demo/example";
import { MockModel } from "../demo/mock_model";
import type { Picture } from "../demo/pictures";
import { render as renderWidget } from "../demo/widgets";
import { wireMap } from "../demo/wire";

export type Rgba = [red: number, green: number, blue: number, alpha: number];

export interface Rendered {
  readonly model: MockModel;
  readonly host: HTMLElement;
  end(): void;
  /** The only element that matches. */
  find<T extends HTMLElement = HTMLElement>(selector: string): T;
  all<T extends HTMLElement = HTMLElement>(selector: string): T[];
  /** The colour on the large pane at a point of the picture. */
  pixelAt(x: number, y: number): Rgba;
}

const living: (() => void)[] = [];

afterEach(() => {
  for (const end of living.splice(0)) end();
});

export const nextFrame = () => new Promise<void>((done) => requestAnimationFrame(() => done()));

/** Waits, frame by frame, until the condition holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let frame = 0; frame < 300; frame++) {
    if (condition()) return;
    await nextFrame();
  }
  throw new Error(`Waited 300 frames in vain until ${what}.`);
}

/** A picture of one grey level. */
export function flat(width: number, height: number, level = 90): Picture {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  context.fillStyle = `rgb(${level} ${level} ${level})`;
  context.fillRect(0, 0, width, height);
  return { canvas, title: "flat" };
}

/** A 60 by 40 grey picture of which the network saw the middle 40 by 40, and one map of 2 by 2 cells on it. */
export async function tinyTraits(change: Traits = {}): Promise<Traits> {
  const traits = await exampleTraits(flat(60, 40));
  const map = wireMap([0, 1, 2, 4], [20, 40], [10, 30], { units: "logit", score: "logit of lynx = 1" });
  return {
    ...traits,
    _seen: [10, 0, 50, 40],
    _maps: { grad_cam: map },
    _colormaps: { ...COLORMAPS, inferno: COLORMAPS.gray },
    opacity: 1,
    ...change,
  };
}

export function renderOn(model: MockModel, width = 1000): Rendered {
  const host = document.createElement("div");
  host.style.width = `${width}px`;
  document.body.append(host);
  const cleanUp = renderWidget(model, host);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    cleanUp();
    host.remove();
  };
  living.push(end);

  const all = <T extends HTMLElement>(selector: string) => [...host.querySelectorAll<T>(selector)];
  const find = <T extends HTMLElement>(selector: string): T => {
    const found = all<T>(selector);
    if (found.length !== 1) throw new Error(`${found.length} elements match ${selector}, not one.`);
    return found[0];
  };

  return {
    model,
    host,
    end,
    find,
    all,
    pixelAt(x, y) {
      const canvas = find<HTMLCanvasElement>(".cnnw-picture > .cnnw-pane canvas");
      const context = canvas.getContext("2d");
      const { width: across } = model.get("_photo") as { width: number };
      const scale = canvas.width / across;
      if (!context) throw new Error("no canvas");
      return [...context.getImageData(Math.floor(x * scale), Math.floor(y * scale), 1, 1).data] as Rgba;
    },
  };
}

/** Renders and waits until the photograph is painted. */
export async function render(traits: Traits, width?: number): Promise<Rendered> {
  const rendered = renderOn(new MockModel(traits), width);
  const empty = () => {
    const canvas = rendered
      .all<HTMLCanvasElement>(".cnnw-pane canvas")
      .find((each) => each.checkVisibility());
    if (!canvas || canvas.width < 2) return true;
    const data = canvas.getContext("2d")?.getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data;
    return !data || data[3] === 0;
  };
  await until(() => !empty(), "the picture is painted");
  return rendered;
}
