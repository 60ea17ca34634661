/** What every part of ActivationGrid shares: where the person points, and what follows from it. */
import type { ActivationState, Cell, Sheet } from "../activation_state";
import type { Ranking } from "../rankings";
import { cellOnSheet } from "../sheet";
import type { Brush } from "./brush";
import type { Cursor, ViewContext } from "./context";

/** A tile, and perhaps a cell in it, in cells of the sheet. */
export interface Unit {
  readonly channel: number;
  readonly cell: Cell | null;
  /** In which of the pictures. */
  readonly picture: number;
}

/** What the pointer or the keys are at among the tiles. */
export interface Pointing {
  unit: Unit | null;
  /** Set by keys rather than the pointer: spoken. */
  byKeyboard: boolean;
}

export interface ActivationContext extends ViewContext<ActivationState> {
  readonly pointing: Pointing;
  /** What is read out on each photograph. */
  readonly cursors: readonly [Cursor, Cursor];
  /** The order of the tiles. */
  rankingOf(sheet: Sheet, state: ActivationState): Ranking;
  readonly brush: Brush;
}

/** The pinned channel and cell, as far as the sheet has them. */
export function pinnedUnit({ channel, cell, layer }: ActivationState, sheet: Sheet): Unit | null {
  if (channel === null || sheet.layer !== layer || channel < 0 || channel >= sheet.channels) return null;
  return { channel, cell: cell && cellOnSheet(sheet, cell), picture: 0 };
}

/** What is on show: what is pointed at, else what is pinned. */
export function shownUnit(context: ActivationContext, state: ActivationState, sheet: Sheet): Unit | null {
  const { unit } = context.pointing;
  return unit && unit.channel < sheet.channels ? unit : pinnedUnit(state, sheet);
}
