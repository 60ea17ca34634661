/** What every view with a picture does with its cell: a labelled frame, laid out by its width, drawn again on change. */
import { h } from "../dom";
import { framed } from "../frame";
import { type Layout, layoutFor } from "../layout";
import { createPhotoSource } from "../photo";
import type { PictureState } from "../protocol";
import type { Session } from "../session";
import type { ViewContext } from "./context";

/** The shape of the space that is kept while there is no picture. */
const NO_PHOTO = { width: 3, height: 2 };

export interface Place<S extends PictureState> {
  readonly session: Session<S>;
  readonly host: HTMLElement;
  readonly signal: AbortSignal;
  /** What a screen reader calls the view. */
  readonly label: string;
}

export interface View<S extends PictureState> {
  readonly content: readonly HTMLElement[];
  /** The number of panels while comparing, 0 otherwise (the default). */
  panels?(state: S): number;
  /** Draws the whole view; called only while it has a width. */
  update(state: S, layout: Layout): void;
}

/** Puts what `build` returns into the host until the signal aborts. `root` is the element around the whole view. */
export function mountView<S extends PictureState>(
  { session, host, signal, label }: Place<S>,
  build: (context: ViewContext<S>, root: HTMLElement) => View<S>,
): void {
  const refresh = framed(() => update(), signal);
  const frame = h("div", { class: "cnnw-frame" });
  const root = h("div", { class: "cnnw", role: "group", "aria-label": label }, frame);
  const photo = createPhotoSource(refresh, signal);
  const cursor = { point: null, byKeyboard: false };
  const view = build({ session, signal, photo, cursor, refresh }, root);
  frame.append(...view.content);

  const update = () => {
    const width = Math.floor(frame.clientWidth);
    // Not laid out (a hidden tab): the observer calls again when it is.
    if (width === 0) return;
    const { state } = session;
    const layout = layoutFor(width, state.photo ?? NO_PHOTO, view.panels?.(state) ?? 0);
    root.dataset.layout = layout.wide ? "wide" : width >= 480 ? "narrow" : "slim";
    frame.style.setProperty("--cnnw-column", `${layout.column}px`);
    view.update(state, layout);
  };

  host.append(root);
  session.subscribe(refresh);
  const observer = new ResizeObserver(refresh);
  observer.observe(frame);
  const leave = () => {
    observer.disconnect();
    root.remove();
  };
  signal.addEventListener("abort", leave, { once: true });
  update();
}
