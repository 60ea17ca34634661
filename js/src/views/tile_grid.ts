/** The tiles of a layer in a pane that scrolls: only those in view are painted. */
import type { ActivationState, Sheet } from "../activation_state";
import { createAtlas } from "../atlas";
import { h, setAttribute, setText } from "../dom";
import type { Ranking } from "../rankings";
import { cellAt, isEvery } from "../territory";
import { onRecoloured } from "../theme";
import { createTileMarks, type MarkedUnit } from "../tile_marks";
import { createTilePainter } from "../tile_painter";
import { cornerOf, revealing, type Tiling, tilingFor } from "../tiles";
import { type ActivationContext, pinnedUnit, type Unit } from "./activation_context";
import { OWN_KEYS } from "./context";
import { followTiles } from "./tile_hand";

export interface TileGrid {
  readonly element: HTMLElement;
  update(state: ActivationState): void;
  /** The layer whose tiles are on the canvas, the first of them, and how far one stands from the next. */
  readonly painted: { readonly layer: string; readonly first: number; readonly step: number } | null;
}

/** What is on the canvas, for the hand that points at it. */
export interface Shown {
  readonly sheet: Sheet;
  readonly ranking: Ranking;
  readonly tiling: Tiling;
}

const KEYS =
  "Arrow keys walk the tiles, Shift with arrow keys or Enter the cells of one, Space pins, Escape unpins.";

export function createTileGrid(context: ActivationContext): TileGrid {
  const { signal, pointing, cursors, brush } = context;
  const atlas = createAtlas(signal);
  const painter = createTilePainter(atlas, signal);
  const marks = createTileMarks(signal);
  const sizer = h("div");
  const scroller = h(
    "div",
    { class: "cnnw-tiles-scroll", role: "application", tabindex: 0, ...OWN_KEYS },
    sizer,
  );
  const note = h("p", { class: "cnnw-pane-note" });
  const element = h("div", { class: "cnnw-tiles" }, painter.canvas, marks.canvas, scroller, note);
  let shown: Shown | null = null;

  const hand = followTiles(
    scroller,
    () => shown,
    context,
    (position) => {
      if (!shown) return;
      const { scrollTop, clientHeight } = scroller;
      scroller.scrollTop = revealing(shown.tiling, position, scrollTop, clientHeight);
    },
  );
  scroller.addEventListener(
    "scroll",
    () => {
      hand.moved(false);
      context.refresh();
    },
    { signal, passive: true },
  );
  // The captions are painted in its colours.
  onRecoloured(element, context.refresh, signal);

  const markOf = (ranking: Ranking, unit: Unit | null): MarkedUnit | null => {
    const position = unit ? ranking.order.indexOf(unit.channel) : -1;
    return unit && position >= 0 ? { position, cell: unit.cell } : null;
  };

  /** Keeps a tile where it was on screen, when the tiles around it have been laid out anew. */
  const anchored = (before: Shown, now: Shown, state: ActivationState): number => {
    const { scrollTop, clientHeight } = scroller;
    const place = ({ tiling, ranking }: Shown, channel: number) => {
      const position = ranking.order.indexOf(channel);
      return position < 0 ? null : cornerOf(tiling, position)[1];
    };
    const pinned = pinnedUnit(state, before.sheet)?.channel;
    const inView = (y: number | null) =>
      y !== null && y > scrollTop - before.tiling.mapHeight && y < scrollTop + clientHeight;
    const first = before.ranking.order[Math.round(scrollTop / before.tiling.stepY) * before.tiling.perRow];
    const anchors = [pinned, pointing.unit?.channel].filter(
      (channel) => channel !== undefined && inView(place(before, channel)),
    );
    const anchor = anchors[0] ?? first;
    if (anchor === undefined) return scrollTop;
    const [from, to] = [place(before, anchor), place(now, anchor)];
    return from === null || to === null ? scrollTop : scrollTop + to - from;
  };

  /** Where to scroll to for what is shown now. */
  const scrollFor = (before: Shown | null, now: Shown, state: ActivationState): number => {
    const { scrollTop } = scroller;
    if (!before || before.sheet !== now.sheet || before.ranking.by !== now.ranking.by) return 0;
    const same =
      before.ranking === now.ranking &&
      before.tiling.stepY === now.tiling.stepY &&
      before.tiling.perRow === now.tiling.perRow;
    // The order follows the brush: what answers best is at the top, and stays in view.
    if (same || (before.ranking !== now.ranking && now.ranking.by === "region")) return scrollTop;
    return anchored(before, now, state);
  };

  return {
    element,
    get painted() {
      const first = shown?.ranking.order[0];
      return shown && first !== undefined
        ? { layer: shown.sheet.layer, first, step: shown.tiling.stepX }
        : null;
    },
    update(state) {
      const { sheet } = state;
      const stale = sheet !== null && sheet.layer !== state.layer;
      setAttribute(element, "data-stale", stale);
      setText(note, stale ? `Waiting for ${state.layer}` : sheet ? "" : "No activations yet.");
      note.hidden = sheet !== null && !stale;
      if (!sheet) {
        shown = null;
        hand.moved(true);
        sizer.style.height = "0";
        painter.clear();
        marks.clear();
        return;
      }
      const ranking = context.rankingOf(sheet, state);
      const pane = { width: scroller.clientWidth, height: scroller.clientHeight };
      const tiling = tilingFor(sheet, ranking.order.length, state.tile_size, pane.width);
      const now = { sheet, ranking, tiling };
      sizer.style.height = `${tiling.height}px`;
      const wanted = scrollFor(shown, now, state);
      const anew = shown?.sheet !== sheet;
      shown = now;
      if (wanted !== scroller.scrollTop) scroller.scrollTop = wanted;
      hand.moved(anew);
      const top = scroller.scrollTop;
      setAttribute(
        scroller,
        "aria-label",
        `Tiles of ${sheet.layer}: ${ranking.order.length} of ${sheet.channels} channels. ${KEYS}`,
      );
      painter.paint({ sheet, state, ranking, tiling, pane, top });
      const placed = sheet.grids.map((grid, picture) => {
        const { point } = cursors[picture];
        const range = point && !brush.on ? cellAt(grid, ...point) : null;
        // Outlines around whole tiles would tell nothing.
        return range && isEvery(sheet, range) ? null : range;
      });
      marks.paint({
        tiling,
        pane,
        top,
        pinned: markOf(ranking, pinnedUnit(state, sheet)),
        pointed: markOf(ranking, pointing.unit),
        placed,
      });
    },
  };
}
