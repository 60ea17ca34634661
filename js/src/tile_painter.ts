/** Paints the tiles that are in view: their maps from the atlas, number and score below. */

import type { ActivationState, Sheet } from "./activation_state";
import type { Atlas } from "./atlas";
import { begin, type Context, createLayer } from "./canvas";
import { significant, wholePercent } from "./format";
import type { Ranking } from "./rankings";
import { sameValues } from "./same";
import { statisticsOf } from "./sheet";
import { CAPTION, cornerOf, mapLeft, type Tiling, visibleTiles } from "./tiles";
import type { Size } from "./viewport";

export interface TileScene {
  readonly sheet: Sheet;
  readonly state: ActivationState;
  readonly ranking: Ranking;
  readonly tiling: Tiling;
  readonly pane: Size;
  /** How far the tiles are scrolled. */
  readonly top: number;
}

export interface TilePainter {
  readonly canvas: HTMLCanvasElement;
  paint(scene: TileScene): void;
  /** Takes all tiles away. */
  clear(): void;
}

/** From this width on a caption is set in the larger type. */
const LARGE_FROM = 48;

interface Ink {
  readonly font: string;
  readonly text: string;
  readonly quiet: string;
  readonly well: string;
  /** Width of a digit. */
  readonly digit: number;
}

function inkOf(context: Context, tileWidth: number): Ink {
  const style = getComputedStyle(context.canvas);
  const font = `${tileWidth >= LARGE_FROM ? 11 : 9}px ${style.fontFamily}`;
  context.font = font;
  return {
    font,
    text: style.getPropertyValue("--cnnw-fg"),
    quiet: style.getPropertyValue("--cnnw-muted"),
    well: style.getPropertyValue("--cnnw-well"),
    digit: context.measureText("0").width,
  };
}

/** The scores as they stand below the tiles, longer and shorter; each is worded when it is first seen. */
const worded = new WeakMap<Ranking, (readonly string[] | undefined)[]>();

export function scoreWords({ scores, units }: Ranking, channel: number): string {
  if (!scores) return "";
  return units === "share" ? wholePercent(scores[channel]) : significant(scores[channel]);
}

/** The value before the cap of a function that clips, where a channel's score stands at that; null where not. */
export function beforeCap({ scores, preactivation, cap }: Ranking, channel: number): string | null {
  // Scores were rounded on the way: what was larger than the cap before it is at the cap.
  return scores && preactivation && preactivation[channel] > cap ? significant(preactivation[channel]) : null;
}

/** What may stand below a tile, the longest first: "11.2→6" at the cap of a ReLU6. */
function captionsOf({ ranking, sheet }: TileScene, channel: number): readonly string[] {
  if (statisticsOf(sheet).dead[channel]) return ["dead"];
  const known = worded.get(ranking) ?? [];
  worded.set(ranking, known);
  const before = beforeCap(ranking, channel);
  const score = scoreWords(ranking, channel);
  known[channel] ??= before === null ? [score] : [`${before}→${Number(ranking.cap.toPrecision(3))}`, score];
  return known[channel];
}

export function createTilePainter(atlas: Atlas, signal: AbortSignal): TilePainter {
  const context = createLayer(signal);
  const { canvas } = context;
  let painted: readonly unknown[] = [];

  const paintTile = (scene: TileScene, ink: Ink, position: number) => {
    const { tiling, ranking, top } = scene;
    const { mapWidth, mapHeight, tileWidth, pictures } = tiling;
    const [x, corner] = cornerOf(tiling, position);
    const y = corner - top;
    const channel = ranking.order[position];
    for (let picture = 0; picture < pictures; picture++) {
      const target = [x + mapLeft(tiling, picture), y, mapWidth, mapHeight] as const;
      context.fillStyle = ink.well;
      context.fillRect(...target);
      atlas.draw(context, picture, channel, target);
    }
    const baseline = y + mapHeight + CAPTION - 2;
    const name = String(channel);
    context.fillStyle = ink.text;
    context.fillText(name, x, baseline);
    const fits = (words: string) => (name.length + 1 + words.length) * ink.digit <= tileWidth;
    const score = captionsOf(scene, channel).find(fits);
    if (score === undefined) return;
    context.fillStyle = ink.quiet;
    context.textAlign = "right";
    context.fillText(score, x + tileWidth, baseline);
    context.textAlign = "left";
  };

  return {
    canvas,
    clear() {
      context.clearRect(0, 0, canvas.width, canvas.height);
      painted = [];
    },
    paint(scene) {
      const { sheet, state, ranking, tiling, pane, top } = scene;
      const ratio = devicePixelRatio;
      const { color } = getComputedStyle(canvas);
      const needs = [
        sheet,
        ranking,
        state.scale,
        state.sign,
        state.quantile,
        state.colormap,
        state.colormaps,
        tiling.mapWidth,
        tiling.stepX,
        tiling.perRow,
        pane.width,
        pane.height,
        top,
        ratio,
        color,
      ];
      if (sameValues(needs, painted)) return;
      if (!atlas.open(sheet, state)) return;
      painted = needs;
      begin(context, pane);
      context.imageSmoothingEnabled = false;
      const ink = inkOf(context, tiling.tileWidth);
      context.font = ink.font;
      const [from, to] = visibleTiles(tiling, top, pane.height);
      atlas.prepare(ranking.order, from, to);
      for (let position = from; position < to; position++) paintTile(scene, ink, position);
    },
  };
}
