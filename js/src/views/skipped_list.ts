/** What could not be read, and why; closed until somebody looks. */
import { h, setText } from "../dom";
import type { GalleryState, Skipped } from "../gallery_state";
import { plural } from "../patch_words";
import type { Part } from "./context";

export function createSkippedList(): Part<GalleryState> {
  const summary = h("summary");
  const list = h("ul");
  const element = h("details", { class: "cnnw-skipped" }, summary, list);
  let shown: readonly Skipped[] | null = null;
  return {
    element,
    update({ build }) {
      element.hidden = !build || build.skipped_list.length === 0;
      if (!build || build.skipped_list === shown) return;
      shown = build.skipped_list;
      const more = build.skipped > shown.length ? `; the first ${shown.length} of them` : "";
      setText(summary, `${plural(build.skipped, "image")} could not be read${more}`);
      list.replaceChildren(
        ...shown.map(({ name, reason }) => h("li", {}, h("span", {}, name), `: ${reason}`)),
      );
    },
  };
}
