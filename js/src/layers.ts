/** The layers of a network: what is known of each before anything is computed. */
import { bool, just, number, optional, pairOrNull, type Reader, record, text } from "./readers";

/** One call of a module or function that returned a map. */
export interface Layer {
  readonly name: string;
  /** The class of the module ("Conv2d"), or the function's name ("add"). */
  readonly kind: string;
  readonly shape: readonly [channels: number, rows: number, columns: number];
  readonly parameters: number;
  /** Pixels of the network's input from cell to cell, down and across; null where that varies. */
  readonly stride: readonly [down: number, across: number] | null;
  /** The unclipped receptive field in pixels of the network's input; null where it is only measured. */
  readonly field: readonly [rows: number, columns: number] | null;
  readonly sees_all: boolean;
  /** Layers of one call have the same value: a container and the last module in it. */
  readonly call: number;
  /** Channels that never change, where that is known. */
  readonly dead?: number;
}

/** What every view in which a layer is chosen has. */
export interface LayersState {
  /** In order of execution. */
  readonly layers: readonly Layer[];
  /** The name of a layer; empty until the kernel has chosen one. */
  readonly layer: string;
}

export function layerOf({ layers, layer }: LayersState): Layer | null {
  return layers.find(({ name }) => name === layer) ?? null;
}

export const readLayer: Reader<Layer> = record<Layer>({
  name: text,
  kind: optional(text, ""),
  shape: just(3) as Reader<Layer["shape"]>,
  parameters: optional(number, 0),
  stride: pairOrNull,
  field: pairOrNull,
  sees_all: optional(bool, false),
  call: number,
});
