/** One patch of the wall: its picture, its value, its class; or the name of the picture that is missing. */
import { release } from "../canvas";
import { h, setAttribute, setClippedText, setText } from "../dom";
import { significant } from "../format";
import { type PatchScene, paintPatch, tileSize } from "../patch_painter";
import { patchWords } from "../patch_words";
import { sameValues } from "../same";

export interface PatchTile {
  readonly element: HTMLElement;
  update(scene: PatchScene, marks: PatchMarks): void;
  /** Gives the memory of the canvas back. */
  end(): void;
}

export interface PatchMarks {
  readonly selected: boolean;
  readonly pointed: boolean;
  /** The Tab key reaches it. */
  readonly reachable: boolean;
  readonly position: number;
  readonly count: number;
}

export function createPatchTile(): PatchTile {
  const canvas = h("canvas", { class: "cnnw-patch-picture" });
  const missing = h("span", { class: "cnnw-patch-missing" });
  const frame = h("span", { class: "cnnw-patch-frame" }, canvas, missing);
  const value = h("span", { class: "cnnw-patch-value" });
  const label = h("span", { class: "cnnw-patch-label" });
  const element = h("div", { class: "cnnw-patch", role: "option" }, frame, value, label);
  let painted: readonly unknown[] = [];

  const paint = (scene: PatchScene) => {
    const { wall, patch, mode, drawn, pictures, side, cut, opacity } = scene;
    const at = wall.patches.indexOf(patch);
    const needs = [
      wall,
      patch,
      mode,
      side,
      devicePixelRatio,
      pictures.tile(wall.images, patch.picture)?.bitmap,
      pictures.tile(wall.crops, at)?.bitmap,
      drawn,
      pictures.tile(drawn?.tiles ?? null, at)?.bitmap,
      ...(mode === "highlight" ? [cut, opacity] : []),
    ];
    if (sameValues(needs, painted)) return;
    painted = needs;
    paintPatch(canvas, scene);
  };

  return {
    element,
    update(scene, { selected, pointed, reachable, position, count }) {
      const { wall, patch, mode, side } = scene;
      const source = wall.pictures[patch.picture];
      const words = patchWords(wall, patch);
      const { width, height } = tileSize(mode, side);
      element.style.width = `${width}px`;
      frame.style.height = `${height}px`;
      canvas.hidden = source.missing !== "";
      missing.hidden = source.missing === "";
      if (source.missing) setText(missing, source.source);
      else paint(scene);
      setText(value, significant(patch.value));
      setClippedText(label, source.label ?? "");
      setAttribute(element, "data-kind", patch.kind);
      setAttribute(element, "data-rank", patch.rank);
      setAttribute(element, "data-missing", source.missing !== "");
      setAttribute(element, "data-pointed", pointed);
      setAttribute(element, "aria-label", words);
      setAttribute(element, "title", words.replaceAll(", ", "\n"));
      setAttribute(element, "aria-selected", String(selected));
      setAttribute(element, "tabindex", reachable ? 0 : -1);
      setAttribute(element, "aria-posinset", position + 1);
      setAttribute(element, "aria-setsize", count);
    },
    end() {
      release(canvas);
      element.remove();
    },
  };
}
