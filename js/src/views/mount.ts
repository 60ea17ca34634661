/** What every view does with its cell: a labelled frame, laid out by its width, drawn again on change. */
import { h } from "../dom";
import { framed } from "../frame";
import { type Layout, layoutFor, WIDE_FROM } from "../layout";
import { createPhotoSource } from "../photo";
import type { PictureState } from "../protocol";
import type { Session } from "../session";
import type { PlainContext, ViewContext } from "./context";

/** The shape of the space that is kept while there is no picture. */
const NO_PHOTO = { width: 3, height: 2 };

export interface Place<S> {
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

/** A view without a picture of its own to be laid out around. */
export interface PlainView<S> {
  readonly content: readonly HTMLElement[];
  /** Draws the whole view; called only while it has a width, in CSS pixels. */
  update(state: S, width: number): void;
}

/** Puts what `build` returns into the host until the signal aborts. `root` is the element around the whole view. */
export function mountPlain<S>(
  { session, host, signal, label }: Place<S>,
  build: (context: PlainContext<S>, root: HTMLElement) => PlainView<S>,
): void {
  const refresh = framed(() => update(), signal);
  const frame = h("div", { class: "cnnw-frame" });
  const root = h("div", { class: "cnnw", role: "group", "aria-label": label }, frame);
  const view = build({ session, signal, refresh }, root);
  frame.append(...view.content);

  const update = () => {
    const width = Math.floor(frame.clientWidth);
    // Not laid out (a hidden tab): the observer calls again when it is.
    if (width === 0) return;
    root.dataset.layout = width >= WIDE_FROM ? "wide" : width >= 480 ? "narrow" : "slim";
    view.update(session.state, width);
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

/** The same for a view with a picture: it is laid out around it. */
export function mountView<S extends PictureState>(
  place: Place<S>,
  build: (context: ViewContext<S>, root: HTMLElement) => View<S>,
): void {
  mountPlain(place, (context, root) => {
    const photo = createPhotoSource(context.refresh, context.signal);
    const cursor = { point: null, byKeyboard: false };
    const view = build({ ...context, photo, cursor }, root);
    return {
      content: view.content,
      update(state, width) {
        const layout = layoutFor(width, state.photo ?? NO_PHOTO, view.panels?.(state) ?? 0);
        root.style.setProperty("--cnnw-column", `${layout.column}px`);
        view.update(state, layout);
      },
    };
  });
}
