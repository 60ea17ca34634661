/** Where keys lead on a wall of tiles that flows by its width. */

/** The tile in the row above or below (`way` −1 or 1) whose middle is nearest; null at the edge. */
function across(tiles: readonly Element[], at: number, way: 1 | -1): number | null {
  const boxes = tiles.map((tile) => tile.getBoundingClientRect());
  const { top, left, width } = boxes[at];
  const middle = left + width / 2;
  let best: number | null = null;
  let bestCost = Number.POSITIVE_INFINITY;
  boxes.forEach((box, i) => {
    const down = way * (box.top - top);
    if (down < 1) return;
    // The nearest row first, the nearest column in it.
    const cost = 10_000 * down + Math.abs(box.left + box.width / 2 - middle);
    if (cost >= bestCost) return;
    best = i;
    bestCost = cost;
  });
  return best;
}

/** The tile that a key leads to from another; null for any other key, and at an edge. */
export function nextPatch(tiles: readonly Element[], at: number, key: string): number | null {
  const last = tiles.length - 1;
  switch (key) {
    case "ArrowRight":
      return Math.min(last, at + 1);
    case "ArrowLeft":
      return Math.max(0, at - 1);
    case "ArrowDown":
      return across(tiles, at, 1) ?? at;
    case "ArrowUp":
      return across(tiles, at, -1) ?? at;
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}
