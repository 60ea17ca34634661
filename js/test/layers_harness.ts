/** Renders ActivationGrid at a layer of a made-up network, with a kernel that answers at once. */
import { afterEach } from "vitest";
import { answered, lookedAt } from "../demo/activation_example";
import { playActivations } from "../demo/activation_kernel";
import { type DemoLayer, liteNetwork } from "../demo/activation_networks";
import type { Traits } from "../demo/example";
import { MockModel } from "../demo/mock_model";
import { flat, type Rendered, renderOn, until } from "./harness";

const kernels: AbortController[] = [];

afterEach(() => {
  for (const kernel of kernels.splice(0)) kernel.abort();
});

export interface Place {
  readonly layers?: readonly DemoLayer[];
  readonly width?: number;
  /** Nobody answers. */
  readonly dead?: boolean;
}

/** The traits as the kernel leaves them once everything is answered. */
export async function gridTraits(
  layer: string,
  change: Traits = {},
  layers: readonly DemoLayer[] = liteNetwork(),
): Promise<Traits> {
  const traits = { ...(await lookedAt(layers, layer, flat(60, 40))), ...change };
  return { ...traits, ...answered(traits, layers) };
}

export async function renderGrid(
  layer: string,
  change: Traits = {},
  { layers = liteNetwork(), width = 1000, dead = false }: Place = {},
): Promise<Rendered> {
  const model = new MockModel({ ...(await gridTraits(layer, change, layers)), ...(dead ? change : {}) });
  if (!dead) {
    const life = new AbortController();
    kernels.push(life);
    playActivations(model, life.signal, { layers, delay: 0 });
  }
  const view = renderOn(model, width);
  await until(() => view.find(".cnnw-map-name").textContent !== "", "the view is drawn");
  return view;
}

export function press(element: Element, key: string): void {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
}

export function type(input: HTMLInputElement, text: string): void {
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}
