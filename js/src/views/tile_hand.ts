/** Pointer and keys on the tiles. */
import { type Cell, pin, TILE_SIZES } from "../activation_state";
import { listenToPointer } from "../pointer";
import { cellInLayer, planeOf } from "../sheet";
import { placeAt } from "../tiles";
import { type ActivationContext, pinnedUnit, type Unit } from "./activation_context";
import { ARROWS } from "./explore";
import type { Shown } from "./tile_grid";

export interface TileHand {
  /** The tiles have moved under a pointer that may not have; `anew` where they are those of another sheet. */
  moved(anew: boolean): void;
}

const sameCell = (a: Cell | null, b: Cell | null) => a?.[0] === b?.[0] && a?.[1] === b?.[1];

/** `reveal` brings a position into view. */
export function followTiles(
  element: HTMLElement,
  shownNow: () => Shown | null,
  context: ActivationContext,
  reveal: (position: number) => void,
): TileHand {
  const { session, pointing, signal, refresh } = context;
  /** Where the pointer is over the pane; null while it is elsewhere. */
  let at: readonly [x: number, y: number] | null = null;
  /** Arrow keys walk the cells of the tile rather than the tiles. */
  let inside = false;

  const point = (unit: Unit | null, byKeyboard: boolean) => {
    pointing.unit = unit;
    pointing.byKeyboard = byKeyboard;
    refresh();
  };

  const unitAt = (x: number, y: number): Unit | null => {
    const shown = shownNow();
    const place = shown && placeAt(shown.tiling, x, y + element.scrollTop);
    if (!place) return null;
    const { position, picture, cell } = place;
    return { channel: shown.ranking.order[position], picture, cell };
  };

  /** Pins a unit, or unpins it if it is the pinned one. */
  const toggle = (unit: Unit) => {
    const { state } = session;
    const shown = shownNow();
    // The tiles of another layer, on show until the chosen one is there, cannot be pinned in it.
    if (shown?.sheet.layer !== state.layer) return;
    const pinned = pinnedUnit(state, shown.sheet);
    if (pinned?.channel === unit.channel && sameCell(pinned.cell, unit.cell)) pin(session, null);
    else pin(session, unit.channel, unit.cell && cellInLayer(shown.sheet, unit.cell));
  };

  listenToPointer(
    element,
    {
      hover(x, y) {
        at = [x, y];
        point(unitAt(x, y), false);
      },
      leave() {
        at = null;
        if (!pointing.byKeyboard) point(null, false);
      },
      press: () => false,
      drag: () => undefined,
      pan: () => undefined,
      zoom(factor) {
        const { tile_size } = session.state;
        const size = Math.min(TILE_SIZES.most, Math.max(TILE_SIZES.least, tile_size * factor));
        if (size !== tile_size) session.show({ tile_size: Math.round(size) });
      },
      reset: () => undefined,
    },
    signal,
  );
  element.addEventListener(
    "click",
    (event) => {
      const frame = element.getBoundingClientRect();
      const unit = unitAt(event.clientX - frame.left, event.clientY - frame.top);
      if (unit) toggle(unit);
    },
    { signal },
  );

  /** The cell with the largest magnitude: where walking a tile begins. */
  const strongest = ({ sheet }: Shown, channel: number): Cell => {
    const plane = planeOf(sheet, 0, channel);
    let best = 0;
    plane.forEach((value, i) => {
      if (Math.abs(value) > Math.abs(plane[best])) best = i;
    });
    return [Math.floor(best / sheet.columns), best % sheet.columns];
  };

  const start = (shown: Shown): Unit => {
    const pinned = pinnedUnit(session.state, shown.sheet);
    return pointing.unit ?? pinned ?? { channel: shown.ranking.order[0], picture: 0, cell: null };
  };

  const stepTile = (shown: Shown, unit: Unit, by: number) => {
    const { order } = shown.ranking;
    const from = order.indexOf(unit.channel);
    const to = pointing.unit ? Math.min(order.length - 1, Math.max(0, from + by)) : Math.max(0, from);
    if (Math.abs(by) > 1 && Number.isFinite(by) && to !== from + by && pointing.unit) return;
    point({ channel: order[to], picture: 0, cell: null }, true);
    reveal(to);
  };

  const stepCell = ({ sheet, ranking }: Shown, unit: Unit, dx: number, dy: number) => {
    const [row, column] = unit.cell ?? [0, 0];
    const to = (from: number, by: number, count: number) => Math.min(count - 1, Math.max(0, from + by));
    const cell = [to(row, dy, sheet.rows), to(column, dx, sheet.columns)] as const;
    point({ ...unit, cell }, true);
    reveal(ranking.order.indexOf(unit.channel));
  };

  const enter = (shown: Shown, unit: Unit) => {
    inside = true;
    point({ ...unit, cell: unit.cell ?? strongest(shown, unit.channel) }, true);
  };

  const stepBack = (): boolean => {
    if (inside) {
      inside = false;
      point(pointing.unit && { ...pointing.unit, cell: null }, true);
    } else if (session.state.channel !== null) pin(session, null);
    else if (pointing.unit) point(null, false);
    else return false;
    return true;
  };

  const walk = (shown: Shown, event: KeyboardEvent): boolean => {
    const unit = start(shown);
    const arrow = ARROWS[event.key];
    const page = Math.max(1, Math.floor(element.clientHeight / shown.tiling.stepY)) * shown.tiling.perRow;
    if (arrow && (event.shiftKey || event.altKey || inside)) {
      if (inside && unit.cell) stepCell(shown, unit, ...arrow);
      else enter(shown, unit);
    } else if (arrow) stepTile(shown, unit, arrow[0] + arrow[1] * shown.tiling.perRow);
    else if (event.key === "PageDown" || event.key === "PageUp")
      stepTile(shown, unit, event.key === "PageDown" ? page : -page);
    else if (event.key === "Home") stepTile(shown, unit, Number.NEGATIVE_INFINITY);
    else if (event.key === "End") stepTile(shown, unit, Number.POSITIVE_INFINITY);
    else if (event.key === "Enter" && !inside) enter(shown, unit);
    else if (event.key === "Enter" || event.key === " ") toggle(unit);
    else return false;
    return true;
  };

  element.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey) return;
      const shown = shownNow();
      const handled =
        event.key === "Escape"
          ? stepBack()
          : shown !== null && shown.ranking.order.length > 0 && walk(shown, event);
      if (!handled) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
  element.addEventListener(
    "blur",
    () => {
      inside = false;
      if (pointing.byKeyboard) point(null, false);
    },
    { signal },
  );

  return {
    moved(anew) {
      if (anew) {
        inside = false;
        pointing.unit = null;
      }
      if (at && !pointing.byKeyboard) pointing.unit = unitAt(...at);
    },
  };
}
