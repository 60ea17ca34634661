/** What every part of one view shares. */
import type { LayersState } from "../layers";
import type { PhotoSource } from "../photo";
import type { PictureState } from "../protocol";
import type { Session } from "../session";

/** The picture point that is read out; every panel shows the same one. */
export interface Cursor {
  point: readonly [x: number, y: number] | null;
  /** Set by the arrow keys rather than the pointer: drawn everywhere and spoken. */
  byKeyboard: boolean;
}

export interface PlainContext<S> {
  readonly session: Session<S>;
  readonly signal: AbortSignal;
  /** Asks for an update of the whole view in the next frame. */
  refresh(): void;
}

/** What the parts share in a view that shows one picture. */
export interface ViewContext<S extends PictureState = PictureState> extends PlainContext<S> {
  readonly photo: PhotoSource;
  readonly cursor: Cursor;
}

/** What the parts need with which a layer is chosen. */
export interface LayersContext {
  readonly session: { readonly state: LayersState };
  readonly signal: AbortSignal;
  choose(layer: string): void;
  refresh(): void;
}

export interface Part<S = PictureState> {
  readonly element: HTMLElement;
  update(state: S): void;
}

/** JupyterLab reads single keys as commands; inside these elements keys belong to the widget. */
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" } as const;
