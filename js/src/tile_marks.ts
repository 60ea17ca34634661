/** A canvas of its own for what is outlined on the tiles, so that pointing repaints no tile. */
import { begin, createLayer } from "./canvas";
import type { CellRange } from "./territory";
import { cornerOf, mapLeft, type Tiling, visibleTiles } from "./tiles";
import type { Size } from "./viewport";

export interface MarkedUnit {
  /** Position in the order of the tiles. */
  readonly position: number;
  readonly cell: readonly [row: number, column: number] | null;
}

export interface MarksScene {
  readonly tiling: Tiling;
  readonly pane: Size;
  readonly top: number;
  readonly pinned: MarkedUnit | null;
  readonly pointed: MarkedUnit | null;
  /** For each picture the cell at the pixel under the pointer, outlined in every tile. */
  readonly placed: readonly (CellRange | null)[];
}

export interface TileMarks {
  readonly canvas: HTMLCanvasElement;
  paint(scene: MarksScene): void;
  clear(): void;
}

export function createTileMarks(signal: AbortSignal): TileMarks {
  const context = createLayer(signal);
  const { canvas } = context;

  /** Light on dark: it shows on any colour. */
  const outline = (x: number, y: number, width: number, height: number) => {
    context.strokeStyle = "#000";
    context.lineWidth = 3;
    context.strokeRect(x, y, width, height);
    context.strokeStyle = "#fff";
    context.lineWidth = 1;
    context.strokeRect(x, y, width, height);
  };

  const cells = ({ tiling, top }: MarksScene, position: number, picture: number, range: CellRange) => {
    const [x, y] = cornerOf(tiling, position);
    const [across, down] = [tiling.mapWidth / tiling.columns, tiling.mapHeight / tiling.rows];
    outline(
      x + mapLeft(tiling, picture) + range.left * across,
      y - top + range.top * down,
      (range.right - range.left) * across,
      (range.bottom - range.top) * down,
    );
  };

  const unit = (scene: MarksScene, { position, cell }: MarkedUnit, colour: string, width: number) => {
    const { tiling, top } = scene;
    const [x, y] = cornerOf(tiling, position);
    const whole = mapLeft(tiling, tiling.pictures - 1) + tiling.mapWidth;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x - 1.5, y - top - 1.5, whole + 3, tiling.mapHeight + 3);
    if (!cell) return;
    const [row, column] = cell;
    const range = { top: row, bottom: row + 1, left: column, right: column + 1 };
    for (let picture = 0; picture < tiling.pictures; picture++) cells(scene, position, picture, range);
  };

  return {
    canvas,
    clear: () => context.clearRect(0, 0, canvas.width, canvas.height),
    paint(scene) {
      const { tiling, pane, top, pinned, pointed, placed } = scene;
      begin(context, pane);
      const style = getComputedStyle(canvas);
      const [from, to] = visibleTiles(tiling, top, pane.height);
      placed.forEach((range, picture) => {
        if (range && picture < tiling.pictures)
          for (let position = from; position < to; position++) cells(scene, position, picture, range);
      });
      if (pinned) unit(scene, pinned, style.getPropertyValue("--cnnw-accent"), 3);
      if (pointed) unit(scene, pointed, style.getPropertyValue("--cnnw-fg"), 2);
    },
  };
}
