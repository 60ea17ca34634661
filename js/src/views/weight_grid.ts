/** Tiles of weights in a pane that scrolls: only those in view are painted, and one is told in numbers. */
import type { Weights } from "../activation_state";
import { begin, createLayer, release } from "../canvas";
import { h, setAttribute, setText } from "../dom";
import { framed } from "../frame";
import { onRecoloured } from "../theme";
import { CAPTION, cornerOf, placeAt, revealing, type Tiling, tilingFor, visibleTiles } from "../tiles";
import { paintWeights, type WeightLook, type WeightSheet } from "../weights";
import { OWN_KEYS } from "./context";
import { ARROWS } from "./explore";
import { createWeightTip, type TipScene, tileWords } from "./weight_tip";

export interface WeightScene {
  readonly weights: Weights;
  readonly look: WeightLook;
  /** Stands below a tile; a number. */
  readonly captions: (tile: number) => string;
  readonly labels: (tile: number) => string;
  /** The tile that is marked; -1 for none. */
  readonly chosen: number;
  /** Longer side of a tile in CSS pixels. */
  readonly size: number;
}

export interface WeightGrid {
  readonly element: HTMLElement;
  update(scene: WeightScene | null): void;
}

interface Pointed {
  readonly tile: number;
  readonly place: readonly [row: number, column: number] | null;
}

/** The tallest pane, in CSS pixels; more rows are scrolled to. */
const MOST_HEIGHT = 380;
/** Around the marked tiles, and around every tile: a weight of 0 may be as white as the page. */
const FRAME = 2;
const EDGE = 1;

interface Ink {
  readonly family: string;
  readonly text: string;
  readonly edge: string;
  readonly chosen: string;
}

function inkOf(canvas: HTMLCanvasElement): Ink {
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(`--cnnw-${name}`);
  return { family: style.fontFamily, text: style.color, edge: colour("line"), chosen: colour("accent") };
}

export function createWeightGrid(
  label: string,
  pick: ((tile: number) => void) | null,
  signal: AbortSignal,
): WeightGrid {
  const context = createLayer(signal);
  const { canvas } = context;
  const sizer = h("div");
  const scroller = h(
    "div",
    { class: "cnnw-weights-scroll", role: "application", tabindex: 0, ...OWN_KEYS },
    sizer,
  );
  const tip = createWeightTip();
  const spoken = h("span", { class: "cnnw-aloud", "aria-live": "polite" });
  const element = h("div", { class: "cnnw-weights" }, canvas, scroller, tip.element, spoken);

  let scene: WeightScene | null = null;
  let sheet: WeightSheet | null = null;
  let painted: readonly unknown[] = [];
  let tiling: Tiling | null = null;
  let pointed: Pointed | null = null;
  /** Where the pointer is over the pane; null while it is elsewhere. */
  let at: readonly [x: number, y: number] | null = null;

  const paintTile = (
    { captions, chosen }: WeightScene,
    tiles: Tiling,
    atlas: WeightSheet,
    ink: Ink,
    tile: number,
  ) => {
    const { columns, rows, mapWidth, mapHeight } = tiles;
    const [x, corner] = cornerOf(tiles, tile);
    const y = corner - scroller.scrollTop;
    const [left, top] = [(tile % atlas.perRow) * columns, Math.floor(tile / atlas.perRow) * rows];
    context.drawImage(atlas.canvas, left, top, columns, rows, x, y, mapWidth, mapHeight);
    context.fillText(captions(tile), x, y + mapHeight + CAPTION - 4);
    const marked = tile === chosen || tile === pointed?.tile;
    const width = marked ? FRAME : EDGE;
    context.lineWidth = width;
    context.strokeStyle = tile === chosen ? ink.chosen : marked ? ink.text : ink.edge;
    context.strokeRect(x - width / 2, y - width / 2, mapWidth + width, mapHeight + width);
  };

  const tipScene = ({ weights, labels }: WeightScene, tiles: Tiling): TipScene | null => {
    if (!pointed) return null;
    const [x, y] = cornerOf(tiles, pointed.tile);
    const around = [x, y - scroller.scrollTop, tiles.mapWidth, tiles.mapHeight] as const;
    return { weights, tile: pointed.tile, label: labels(pointed.tile), place: pointed.place, around };
  };

  const draw = () => {
    if (!scene || scroller.clientWidth === 0) return;
    const { weights, look, size } = scene;
    if (painted[0] !== weights || painted[1] !== look.colormap) {
      painted = [weights, look.colormap];
      if (sheet) release(sheet.canvas);
      sheet = paintWeights(weights, look);
      pointed = null;
      scroller.scrollTop = 0;
    }
    if (!sheet) return;
    const shape = { rows: weights.rows, columns: weights.columns, pictures: 1 };
    tiling = tilingFor(shape, weights.tiles, size, scroller.clientWidth);
    sizer.style.height = `${tiling.height}px`;
    element.style.height = `${Math.min(MOST_HEIGHT, tiling.height)}px`;
    const pane = { width: scroller.clientWidth, height: scroller.clientHeight };
    begin(context, pane);
    context.imageSmoothingEnabled = false;
    const ink = inkOf(canvas);
    context.font = `${tiling.mapWidth < 40 ? 9 : 11}px ${ink.family}`;
    context.fillStyle = ink.text;
    const [from, to] = visibleTiles(tiling, scroller.scrollTop, pane.height);
    for (let tile = from; tile < to; tile++) paintTile(scene, tiling, sheet, ink, tile);
    tip.update(tipScene(scene, tiling));
  };
  const refresh = framed(draw, signal);

  const pointedAt = (): Pointed | null => {
    const found = at && tiling && placeAt(tiling, at[0], at[1] + scroller.scrollTop);
    return found ? { tile: found.position, place: found.cell } : null;
  };
  const point = (to: Pointed | null) => {
    pointed = to;
    refresh();
  };
  const walk = (to: number) => {
    if (!scene || !tiling || tiling.count === 0) return;
    const tile = Math.min(tiling.count - 1, Math.max(0, to));
    scroller.scrollTop = revealing(tiling, tile, scroller.scrollTop, scroller.clientHeight);
    point({ tile, place: null });
    const told = tipScene(scene, tiling);
    // Spoken only when moved by keys: a pointer would talk without end.
    setText(spoken, told ? tileWords(told) : "");
  };

  const listen = <K extends keyof HTMLElementEventMap>(
    type: K,
    listener: (event: HTMLElementEventMap[K]) => void,
  ) => scroller.addEventListener(type, listener, { signal });

  listen("pointermove", (event) => {
    const frame = scroller.getBoundingClientRect();
    at = [event.clientX - frame.left, event.clientY - frame.top];
    point(pointedAt());
  });
  listen("pointerleave", () => {
    at = null;
    point(null);
  });
  listen("blur", () => point(pointedAt()));
  listen("scroll", () => point(at ? pointedAt() : pointed));
  listen("click", () => {
    const found = pointedAt();
    if (found) pick?.(found.tile);
  });
  listen("keydown", (event) => {
    if (!tiling || event.ctrlKey || event.metaKey || event.altKey) return;
    const { count, perRow, stepY } = tiling;
    const from = pointed?.tile ?? scene?.chosen ?? -1;
    const page = perRow * Math.max(1, Math.floor(scroller.clientHeight / stepY));
    const arrow = ARROWS[event.key];
    if (arrow) walk(from < 0 ? 0 : from + arrow[0] + arrow[1] * perRow);
    else if (event.key === "PageDown") walk(from + page);
    else if (event.key === "PageUp") walk(from - page);
    else if (event.key === "Home") walk(0);
    else if (event.key === "End") walk(count - 1);
    else if ((event.key === "Enter" || event.key === " ") && pointed) pick?.(pointed.tile);
    else if (event.key === "Escape" && pointed) point(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // The captions are painted in its colours.
  onRecoloured(element, refresh, signal);
  signal.addEventListener("abort", () => sheet && release(sheet.canvas), { once: true });

  return {
    element,
    update(wanted) {
      scene = wanted;
      element.hidden = wanted === null;
      const keys = `Arrow keys walk the tiles${pick ? ", Enter pins a channel" : ""}.`;
      setAttribute(scroller, "aria-label", wanted && `${label}: ${wanted.weights.tiles} tiles. ${keys}`);
      draw();
    },
  };
}
