/** Renders NeuronGallery at a layer of a made-up network, with a kernel that answers at once, or with none. */
import { afterEach } from "vitest";
import { liteNetwork, tinyNetwork } from "../demo/activation_networks";
import type { Traits } from "../demo/example";
import { galleryAnswer, playGallery } from "../demo/gallery_kernel";
import { galleryTraits } from "../demo/gallery_scenes";
import { MockModel } from "../demo/mock_model";
import { nextFrame, type Rendered, type Rgba, renderOn, until } from "./harness";

export const LAYERS = [...tinyNetwork(), ...liteNetwork().slice(-1)];
/** 1,280 channels. */
export const LARGE = "act2";
/** 8 channels of 112×112 cells. */
export const SMALL = "1";

const kernels: AbortController[] = [];

afterEach(() => {
  for (const kernel of kernels.splice(0)) kernel.abort();
});

export interface Place {
  readonly width?: number;
  /** Nobody answers. */
  readonly dead?: boolean;
  /** Items that are missing. */
  readonly gone?: ReadonlySet<number>;
}

/** The traits as the kernel leaves them once everything is answered. */
export async function answeredTraits(
  change: Traits = {},
  gone: ReadonlySet<number> = new Set(),
): Promise<Traits> {
  const traits = { ...galleryTraits(LAYERS), layer: LARGE, channel: 3, ...change };
  return { ...traits, ...(await galleryAnswer(traits, LAYERS, gone)), ...change };
}

export interface Gallery extends Rendered {
  readonly root: HTMLElement;
  /** The tiles in the order in which keys walk them. */
  readonly tiles: () => HTMLElement[];
  readonly values: () => string[];
  /** The colour in the middle of a tile, or at a share of its width and height. */
  colourOf(tile: number, x?: number, y?: number): Rgba;
  /** What the kernel was asked for, oldest first. */
  readonly asks: () => number[];
  /** Waits until the wall of a channel is painted: "layer/channel/mode". */
  painted(what: string): Promise<void>;
  button(label: string): HTMLButtonElement;
}

export async function renderGallery(change: Traits = {}, place: Place = {}): Promise<Gallery> {
  const { width = 1100, dead = false, gone = new Set() } = place;
  const model = new MockModel(await answeredTraits(change, gone));
  if (!dead) {
    const life = new AbortController();
    kernels.push(life);
    playGallery(model, life.signal, { layers: LAYERS, delay: 0, gone });
  }
  const view = renderOn(model, width);
  const root = view.find(".cnnw");
  const tiles = () => view.all(".cnnw-patch");
  await nextFrame();
  await nextFrame();
  return {
    ...view,
    root,
    tiles,
    values: () => view.all(".cnnw-patch-value").map((value) => value.textContent),
    colourOf(tile, x = 0.5, y = 0.5) {
      const canvas = tiles()[tile].querySelector("canvas");
      const context = canvas?.getContext("2d");
      if (!canvas || !context) throw new Error("no canvas");
      const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)] as const;
      return [...context.getImageData(...at, 1, 1).data] as Rgba;
    },
    asks: () => model.saved.flatMap((saved) => ("_ask" in saved ? [saved._ask as number] : [])),
    painted: (what) => until(() => root.dataset.painted === what, `${what} is painted`),
    button(label) {
      const found = view.all<HTMLButtonElement>("button").filter((each) => each.textContent === label);
      if (found.length !== 1) throw new Error(`${found.length} buttons are called ${label}, not one.`);
      return found[0];
    },
  };
}

export function press(element: Element, key: string): void {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
}

export function type(input: HTMLInputElement, text: string): void {
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

export function hover(element: Element, x = 0.5, y = 0.5): void {
  const { left, top, width, height } = element.getBoundingClientRect();
  const at = { clientX: left + x * width, clientY: top + y * height };
  element.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...at }));
}
