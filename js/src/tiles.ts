/** Where the tiles lie: plain arithmetic between an order of channels and a scrolled pane, in CSS pixels. */

export interface TileShape {
  /** Cells of one map. */
  readonly rows: number;
  readonly columns: number;
  /** Maps side by side in a tile. */
  readonly pictures: number;
}

export interface Tiling extends TileShape {
  /** Tiles in all, and in a row. */
  readonly count: number;
  readonly perRow: number;
  /** One map on screen. */
  readonly mapWidth: number;
  readonly mapHeight: number;
  /** The maps of a tile together. */
  readonly tileWidth: number;
  /** From a tile to the next one. */
  readonly stepX: number;
  readonly stepY: number;
  /** Of all rows together. */
  readonly height: number;
}

/** A place in a tile; the cell is null over the caption. */
export interface TilePlace {
  readonly position: number;
  readonly picture: number;
  readonly cell: readonly [row: number, column: number] | null;
}

export const CAPTION = 14;
const GAP = 6;
/** Between the two maps of one tile. */
const SEAM = 2;
export const MARGIN = 4;
/** The gap between tiles grows by no more than this part of a tile. */
const MOST_SPARE = 4;

/** `size` is the longer side of a map. */
export function tilingFor(shape: TileShape, count: number, size: number, width: number): Tiling {
  const { rows, columns, pictures } = shape;
  const shrink = size / Math.max(rows, columns);
  const mapWidth = Math.max(1, Math.round(columns * shrink));
  const mapHeight = Math.max(1, Math.round(rows * shrink));
  // The caption needs its place under the slimmest map too.
  const tileWidth = Math.max(24, pictures * mapWidth + (pictures - 1) * SEAM);
  const room = width - 2 * MARGIN;
  const perRow = Math.max(1, Math.floor((room + GAP) / (tileWidth + GAP)));
  // What is left of a full row goes between its tiles, as long as they stay together.
  const spare = count < perRow || perRow === 1 ? 0 : (room - perRow * tileWidth) / (perRow - 1) - GAP;
  const stepX = tileWidth + GAP + Math.floor(Math.min(spare, tileWidth / MOST_SPARE));
  const stepY = mapHeight + CAPTION + GAP;
  const height = Math.ceil(count / perRow) * stepY + 2 * MARGIN;
  return { ...shape, count, perRow, mapWidth, mapHeight, tileWidth, stepX, stepY, height };
}

/** Top left corner of a tile, before scrolling. */
export function cornerOf(
  { perRow, stepX, stepY }: Tiling,
  position: number,
): readonly [x: number, y: number] {
  return [MARGIN + (position % perRow) * stepX, MARGIN + Math.floor(position / perRow) * stepY];
}

/** Left edge of one of a tile's maps, from the tile's. */
export const mapLeft = ({ mapWidth }: Tiling, picture: number): number => picture * (mapWidth + SEAM);

/** First position that shows between two heights, and the first after it that does not. */
export function visibleTiles(
  { perRow, stepY, count }: Tiling,
  top: number,
  height: number,
): readonly [from: number, to: number] {
  const first = Math.max(0, Math.floor((top - MARGIN) / stepY));
  const after = Math.ceil((top + height - MARGIN) / stepY);
  return [Math.min(count, first * perRow), Math.min(count, Math.max(0, after) * perRow)];
}

/** The tile at a point, before scrolling; null between tiles. */
export function placeAt(tiling: Tiling, x: number, y: number): TilePlace | null {
  const { perRow, stepX, stepY, count, mapWidth, mapHeight, tileWidth, pictures, rows, columns } = tiling;
  const column = Math.floor((x - MARGIN) / stepX);
  const row = Math.floor((y - MARGIN) / stepY);
  const position = row * perRow + column;
  if (column < 0 || column >= perRow || row < 0 || position >= count) return null;
  const inX = x - MARGIN - column * stepX;
  const inY = y - MARGIN - row * stepY;
  const picture = Math.min(pictures - 1, Math.floor(inX / (mapWidth + SEAM)));
  const inMap = inX - mapLeft(tiling, picture);
  if (inMap >= mapWidth || inY >= mapHeight) {
    const inTile = inX < tileWidth && inY < stepY - GAP;
    return inTile ? { position, picture, cell: null } : null;
  }
  const cell = [Math.floor((inY / mapHeight) * rows), Math.floor((inMap / mapWidth) * columns)] as const;
  return { position, picture, cell };
}

/** The scroll position that brings a tile into the pane with the least movement. */
export function revealing(tiling: Tiling, position: number, top: number, height: number): number {
  const [, y] = cornerOf(tiling, position);
  const bottom = y + tiling.stepY;
  if (y < top) return Math.max(0, y - MARGIN);
  return bottom > top + height ? bottom - height : top;
}
