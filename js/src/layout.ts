/** Sizes that follow from the width of the cell. */
import type { Size } from "./viewport";

export interface Layout {
  /** The controls stand beside the picture rather than below it. */
  readonly wide: boolean;
  /** Width of the column that holds the picture or the panels. */
  readonly column: number;
  readonly pane: Size;
  /** Panels in a row while comparing. */
  readonly perRow: number;
}

export const WIDE_FROM = 720;
const GAP = 16;
const PANEL_GAP = 12;
const MAX_HEIGHT = 560;
const MAX_COMPARE_HEIGHT = 760;
/** Height of a panel's title, maximum and value lines, with the gap to the next row. */
const PANEL_WORDS = 84;
const MIN_COLUMN = 280;
const MIN_PANEL = 150;

function paneFor(picture: Size, width: number, maxHeight: number): Size {
  const height = Math.min(maxHeight, width * (picture.height / picture.width));
  return { width: Math.floor(width), height: Math.max(64, Math.round(height)) };
}

/** The number of columns that gives the largest panels within the height; at about the same size, the most. */
function panelsPerRow(picture: Size, width: number, count: number): number {
  let best = 1;
  let bestWidth = 0;
  for (let columns = 1; columns <= count; columns++) {
    const panel = (width - PANEL_GAP * (columns - 1)) / columns;
    if (columns > 1 && panel < MIN_PANEL) break;
    const rows = Math.ceil(count / columns);
    const room = (MAX_COMPARE_HEIGHT - rows * PANEL_WORDS) / rows;
    const shown = Math.min(panel, room * (picture.width / picture.height));
    if (shown > 0.88 * bestWidth) best = columns;
    bestWidth = Math.max(bestWidth, shown);
  }
  return best;
}

/** `count` is the number of panels while comparing, 0 otherwise. */
export function layoutFor(width: number, picture: Size, count: number): Layout {
  const wide = width >= WIDE_FROM;
  const side = Math.min(340, Math.max(256, 0.3 * width));
  const room = Math.floor(wide ? width - side - GAP : width);
  if (count > 0) {
    const perRow = panelsPerRow(picture, room, count);
    const rows = Math.ceil(count / perRow);
    const maxHeight = Math.max(160, MAX_COMPARE_HEIGHT / rows - PANEL_WORDS);
    const natural = Math.max(MIN_PANEL, Math.ceil(maxHeight * (picture.width / picture.height)));
    const panel = Math.min(natural, (room - PANEL_GAP * (perRow - 1)) / perRow);
    return { wide, column: room, pane: paneFor(picture, panel, maxHeight), perRow };
  }
  const natural = Math.ceil(MAX_HEIGHT * (picture.width / picture.height));
  const column = wide ? Math.min(room, Math.max(MIN_COLUMN, natural)) : room;
  return { wide, column, pane: paneFor(picture, column, MAX_HEIGHT), perRow: 1 };
}
