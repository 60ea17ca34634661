/**
 * The whole network at a glance: a bar for every layer in order of execution, as high as it has channels (on a log
 * scale), stronger the coarser it is. It is a slider: arrow keys walk the layers.
 */
import { h, setAttribute, setClippedText, setText } from "../dom";
import { factWords, layerWords, nameOf, shapeWords } from "../layer_words";
import type { Layer, LayersState } from "../layers";
import { type LayersContext, OWN_KEYS, type Part } from "./context";

const SVG = "http://www.w3.org/2000/svg";
/** The fill of the finest layers; the coarsest are opaque. */
const FAINTEST = 0.3;
/** Two captions below the bars are at least this share of the width apart. */
const APART = 0.05;
/** A caption that says what all of them count takes this share of the width. */
const ROOM_FOR_WORDS = 0.2;
/** Up to so many bars there is room for gaps. */
const GAPS_UP_TO = 150;
const PAGE = 10;
const LEGEND = "Height: channels (log scale). Stronger: coarser, with the rows of cells below.";

const sides = ({ shape: [, rows, columns] }: Layer) => (rows === columns ? `${rows}` : `${rows}×${columns}`);
const cells = ({ shape: [, rows, columns] }: Layer) => rows * columns;

/** A bar's share of its place. */
const barWidth = (layers: readonly Layer[]) => (layers.length > GAPS_UP_TO ? 1 : 0.8);

/** Heights as shares of the strip: 64 channels stand half as high as 4,096. */
function heightsOf(layers: readonly Layer[]): readonly number[] {
  const logs = layers.map(({ shape: [channels] }) => Math.log2(1 + channels));
  const highest = Math.max(...logs);
  return logs.map((log) => log / highest);
}

/** The bars, a path for every resolution. */
function paintBars(svg: SVGElement, layers: readonly Layer[], heights: readonly number[]): void {
  const width = barWidth(layers);
  const steps = [...new Set(layers.map(cells))].sort((a, b) => b - a);
  const paths = steps.map((step, rank) => {
    const bars = layers.map((layer, i) =>
      cells(layer) === step ? `M${i} 1v${-heights[i]}h${width}V1z` : "",
    );
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", bars.join(""));
    const share = steps.length > 1 ? rank / (steps.length - 1) : 1;
    path.setAttribute("fill-opacity", String(FAINTEST + (1 - FAINTEST) * share));
    return path;
  });
  svg.setAttribute("viewBox", `0 0 ${layers.length} 1`);
  svg.replaceChildren(...paths);
}

/** The resolution under the first bar that has it; one that soon gives way to the next is left out. */
function captionsFor(layers: readonly Layer[]): HTMLElement[] {
  const found: { at: number; words: string }[] = [];
  let finest = Number.POSITIVE_INFINITY;
  layers.forEach((layer, i) => {
    const at = i / layers.length;
    if (cells(layer) >= finest || at > 1 - APART / 2) return;
    finest = cells(layer);
    if (at - (found.at(-1)?.at ?? -1) < APART) found.pop();
    found.push({ at, words: sides(layer) });
  });
  const telling = found.find(({ at }, i) => (found[i + 1]?.at ?? 1) - at >= ROOM_FOR_WORDS);
  if (telling) telling.words += telling.words.includes("×") ? " cells" : " cells a side";
  return found.map(({ at, words }) => h("span", { style: `left:${100 * at}%` }, words));
}

export function createLayerMap({ session, choose, signal, refresh }: LayersContext): Part<LayersState> {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("preserveAspectRatio", "none");
  const marker = h("span", { class: "cnnw-map-mark" });
  const finger = h("span", { class: "cnnw-map-mark cnnw-map-finger" });
  const strip = h(
    "div",
    {
      class: "cnnw-map-strip",
      role: "slider",
      tabindex: 0,
      "aria-label": "Layers in order of execution",
      "aria-valuemin": 1,
      title: LEGEND,
      ...OWN_KEYS,
    },
    svg,
    finger,
    marker,
  );
  const captions = h("div", { class: "cnnw-map-captions", "aria-hidden": "true" });
  const name = h("bdi", { dir: "ltr" });
  const head = h("span", { class: "cnnw-map-name" }, name);
  const shape = h("span", { class: "cnnw-map-shape" });
  const facts = h("span", { class: "cnnw-map-facts" });
  const line = h("p", { class: "cnnw-map-line" }, head, shape, facts);

  let layers: readonly Layer[] = [];
  let heights: readonly number[] = [];
  let hovered = -1;

  const current = () => layers.findIndex((layer) => layer.name === session.state.layer);
  const at = (event: MouseEvent) => {
    const { left, width } = strip.getBoundingClientRect();
    const position = Math.floor(((event.clientX - left) / width) * layers.length);
    return Math.min(layers.length - 1, Math.max(0, position));
  };
  const walk = (position: number) => {
    const layer = layers[Math.min(layers.length - 1, Math.max(0, position))];
    if (layer) choose(layer.name);
  };
  const point = (position: number) => {
    if (position === hovered) return;
    hovered = position;
    refresh();
  };
  const place = (mark: HTMLElement, position: number) => {
    mark.hidden = position < 0;
    mark.style.left = `${(100 * position) / layers.length}%`;
    mark.style.width = `${(100 * barWidth(layers)) / layers.length}%`;
    mark.style.setProperty("--cnnw-bar", `${100 * (heights[position] ?? 0)}%`);
  };

  const keys: Readonly<Record<string, () => void>> = {
    ArrowRight: () => walk(current() + 1),
    ArrowLeft: () => walk(current() - 1),
    PageDown: () => walk(current() + PAGE),
    PageUp: () => walk(current() - PAGE),
    Home: () => walk(0),
    End: () => walk(layers.length - 1),
  };
  strip.addEventListener(
    "keydown",
    (event) => {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    },
    { signal },
  );
  strip.addEventListener("pointermove", (event) => point(at(event)), { signal });
  strip.addEventListener("pointerleave", () => point(-1), { signal });
  strip.addEventListener("click", (event) => walk(at(event)), { signal });

  return {
    element: h("section", { class: "cnnw-map", "aria-label": "Network" }, line, strip, captions),
    update(state) {
      if (state.layers !== layers) {
        layers = state.layers;
        heights = heightsOf(layers);
        hovered = -1;
        paintBars(svg, layers, heights);
        captions.replaceChildren(...captionsFor(layers));
        setAttribute(strip, "aria-valuemax", Math.max(1, layers.length));
      }
      const position = current();
      place(marker, position);
      place(finger, hovered === position ? -1 : hovered);
      setAttribute(strip, "aria-valuenow", position < 0 ? undefined : position + 1);
      const chosen = layers[position];
      setAttribute(strip, "aria-valuetext", chosen ? layerWords(chosen) : state.layer || "none");
      const shown = layers[hovered] ?? chosen;
      setAttribute(line, "data-hovered", shown !== chosen);
      setText(name, shown ? nameOf(shown) : state.layer);
      setAttribute(head, "title", name.textContent);
      setText(shape, shown ? shapeWords(shown) : "");
      setClippedText(facts, shown ? `${shown.kind} · ${factWords(shown)}` : "");
    },
  };
}
