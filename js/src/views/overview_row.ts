/** One row of the overview: the channel in words, its best patches. */
import { begin, contextOf, release } from "../canvas";
import { h, setAttribute, setClippedText, setText } from "../dom";
import { significant } from "../format";
import type { Pictures } from "../gallery_pictures";
import type { Row } from "../gallery_rows";
import { sameValues } from "../same";

export const ROW_HEIGHT = 68;
const TILE = 60;
const STEP = 64;

/** Patches that have room beside the words. */
export const tilesIn = (width: number): number => Math.max(1, Math.floor((width + STEP - TILE) / STEP));

export interface RowScene {
  readonly channel: number;
  readonly position: number;
  readonly count: number;
  readonly score: string;
  /** The class that is looked for or the commonest: "9 of 16: dunes". */
  readonly classes: string;
  readonly dead: boolean;
  readonly row: Row | null;
  readonly pictures: Pictures;
  /** Patches that have room. */
  readonly room: number;
  readonly pinned: boolean;
  readonly active: boolean;
}

export interface OverviewRow {
  readonly element: HTMLElement;
  update(scene: RowScene): void;
  /** The words of the patch at a distance from the left edge of the pictures. */
  wordsAt(x: number): string;
  end(): void;
}

export function createOverviewRow(id: string): OverviewRow {
  const name = h("span", { class: "cnnw-row-name" });
  const score = h("span", { class: "cnnw-row-score" });
  const classes = h("span", { class: "cnnw-quiet cnnw-row-classes" });
  const canvas = h("canvas", { class: "cnnw-row-patches" });
  const note = h("span", { class: "cnnw-quiet cnnw-row-note" });
  const words = h("span", { class: "cnnw-row-words" }, name, score, classes);
  const element = h("div", { id, class: "cnnw-row", role: "option" }, words, canvas, note);
  const context = contextOf(canvas);
  let painted: readonly unknown[] = [];
  let shown: Row | null = null;

  const paint = ({ row, pictures, room }: RowScene) => {
    const shownPatches = row?.patches.slice(0, room) ?? [];
    const style = getComputedStyle(canvas);
    const bitmap = row && pictures.tile(row.tiles, row.first)?.bitmap;
    const needs = [row, room, bitmap, devicePixelRatio, style.color];
    if (sameValues(needs, painted)) return;
    painted = needs;
    begin(context, { width: STEP * room - (STEP - TILE), height: TILE });
    if (!row) {
      context.fillStyle = style.getPropertyValue("--cnnw-well");
      for (let i = 0; i < room; i++) context.fillRect(i * STEP, 0, TILE, TILE);
    }
    shownPatches.forEach(({ missing }, i) => {
      const x = i * STEP;
      const tile = pictures.tile(row?.tiles ?? null, (row?.first ?? 0) + i);
      if (tile) {
        const [, , width, height] = tile.place;
        const scale = TILE / Math.max(width, height);
        const [across, down] = [width * scale, height * scale];
        context.imageSmoothingEnabled = scale < 4;
        context.imageSmoothingQuality = "high";
        context.drawImage(
          tile.bitmap,
          ...tile.place,
          x + (TILE - across) / 2,
          (TILE - down) / 2,
          across,
          down,
        );
        return;
      }
      context.strokeStyle = style.getPropertyValue("--cnnw-edge");
      context.setLineDash(missing ? [3, 3] : []);
      context.strokeRect(x + 0.5, 0.5, TILE - 1, TILE - 1);
      if (!missing) return;
      context.fillStyle = style.getPropertyValue("--cnnw-muted");
      context.font = `11px ${style.fontFamily}`;
      context.textAlign = "center";
      context.fillText("missing", x + TILE / 2, TILE / 2 + 4);
    });
  };

  return {
    element,
    update(scene) {
      const { channel, position, count, dead, row, pinned, active } = scene;
      shown = row;
      element.style.top = `${position * ROW_HEIGHT}px`;
      setText(name, `channel ${channel}`);
      setClippedText(score, dead ? "dead" : scene.score);
      setClippedText(classes, scene.classes);
      setAttribute(element, "data-channel", channel);
      setAttribute(element, "data-there", row !== null || dead);
      setAttribute(element, "data-active", active);
      setAttribute(element, "aria-selected", String(pinned));
      setAttribute(element, "aria-posinset", position + 1);
      setAttribute(element, "aria-setsize", count);
      const spoken = [`channel ${channel}`, dead ? "dead" : scene.score, scene.classes];
      setAttribute(element, "aria-label", spoken.filter((part) => part).join(", "));
      canvas.hidden = dead;
      setText(note, dead ? "The same value in every cell of every image" : "");
      if (!dead) paint(scene);
    },
    wordsAt(x) {
      const patch = shown?.patches[Math.floor(x / STEP)];
      if (!patch) return "";
      const { value, source, label, missing } = patch;
      return [significant(value), source, label ?? "", missing && `missing: ${missing}`]
        .filter((part) => part)
        .join("\n");
    },
    end() {
      release(canvas);
      element.remove();
    },
  };
}
