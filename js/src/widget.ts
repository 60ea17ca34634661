/** From a view to what anywidget renders. */
import type { AnyModel } from "@anywidget/types";
import type { Readers } from "./readers";
import { type HostModel, openSession, type Session } from "./session";

type RenderView<S> = (session: Session<S>, host: HTMLElement, signal: AbortSignal) => void;

export interface Widget {
  render(place: { model: AnyModel; el: HTMLElement }): () => void;
}

/** A widget out of the traits that it reads and the view that shows them. */
export function asWidget<S extends object>(readers: Readers<S>, empty: S, view: RenderView<S>): Widget {
  return {
    render({ model, el }) {
      const life = new AbortController();
      view(openSession(model as unknown as HostModel, readers, empty, life.signal), el, life.signal);
      return () => life.abort();
    },
  };
}
