/** The patch pointed at or selected, in numbers and words; the space is always kept. */
import { h, setClippedText, setText } from "../dom";
import { significant } from "../format";
import { classWords, kindWords, placeWords } from "../patch_words";
import { type GalleryContext, readPatch, type WallPart } from "./gallery_context";

export function createGalleryReadout({ pointing }: GalleryContext): WallPart {
  const value = h("span", { class: "cnnw-value" });
  const units = h("span", { class: "cnnw-value-units" });
  const source = h("p", { class: "cnnw-place" });
  const label = h("p", { class: "cnnw-place" });
  const place = h("p", { class: "cnnw-place cnnw-field" });
  const line = h("p", { class: "cnnw-value-line" }, value, units);
  const element = h("div", { class: "cnnw-readout" }, line, source, label, place);

  return {
    element,
    update(state, wall) {
      const patch = wall && readPatch(state, wall, pointing);
      if (!wall || !patch) {
        setText(value, "");
        setClippedText(units, wall ? "Point at a patch to read it" : "");
        setClippedText(source, wall ? "Click to select it and its image." : "");
        for (const each of [label, place]) setClippedText(each, "");
        return;
      }
      const { image, source: name, missing } = wall.pictures[patch.picture];
      const of = wall.patches.filter(({ kind }) => kind === patch.kind).length;
      setText(value, significant(patch.value));
      const rank = `${kindWords(patch.kind, wall).toLowerCase()}, ${patch.rank + 1} of ${of}`;
      setClippedText(units, wall.units ? `${wall.units} · ${rank}` : rank);
      setClippedText(source, `${name} · image ${image}${missing ? ` · missing: ${missing}` : ""}`);
      setClippedText(label, classWords(wall, patch) || "no class");
      setClippedText(place, placeWords(wall, patch));
    },
  };
}
