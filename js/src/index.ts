/** The one bundle behind every widget: `_widget` on the model says which view to render. */
import type { AnyModel, AnyWidget } from "@anywidget/types";
import { openSession, type Session } from "./session";
import "./styles/index.css";
import { renderHeatmapView } from "./views/heatmap_view";

type RenderView = (session: Session, host: HTMLElement, signal: AbortSignal) => void;

const VIEWS: Readonly<Record<string, RenderView>> = { HeatmapView: renderHeatmapView };

function render({ model, el }: { model: AnyModel; el: HTMLElement }): () => void {
  const name: string = model.get("_widget");
  const view = VIEWS[name];
  if (!view) {
    throw new Error(
      `This page has no widget named ${name}, only ${Object.keys(VIEWS).join(", ")}. Reload the page: it comes from another version of cnnwidgets.`,
    );
  }
  const life = new AbortController();
  view(openSession(model, life.signal), el, life.signal);
  return () => life.abort();
}

export default { render } satisfies AnyWidget;
