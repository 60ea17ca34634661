/** Channels that answer to much the same patches: one press goes there. */
import { h, setAttribute } from "../dom";
import { wholePercent } from "../format";
import { chooseChannel } from "../gallery_asking";
import type { Alike, GalleryState, Wall } from "../gallery_state";
import type { PlainContext } from "./context";
import type { WallPart } from "./gallery_context";

export function createAlikeChips({ session, signal }: PlainContext<GalleryState>): WallPart {
  const list = h("div", { class: "cnnw-chips" });
  const all = h("button", { type: "button", class: "cnnw-button" }, "Sort the layer by likeness");
  const element = h(
    "section",
    { class: "cnnw-alike", "aria-label": "Channels with alike patches" },
    h("p", { class: "cnnw-heading" }, "Channels with alike patches"),
    list,
    all,
  );
  let wall: Wall | null = null;
  let shown: readonly Alike[] | null = null;

  list.addEventListener(
    "click",
    (event) => {
      const at = [...list.children].findIndex((chip) => chip.contains(event.target as Node));
      const alike = shown?.[at];
      if (alike) chooseChannel(session, alike.channel, alike.layer);
    },
    { signal },
  );
  all.addEventListener(
    "click",
    () => {
      if (!wall) return;
      const { channel: alike } = wall;
      session.put({ view: "overview", order: "likeness", alike, search: "", ask: session.state.ask + 1 });
    },
    { signal },
  );

  const chip = ({ layer, channel, score }: Alike, of: Wall) => {
    const name = layer === of.layer ? `${channel}` : `${layer} ${channel}`;
    const share = score < 0.005 ? "< 1 %" : wholePercent(score); // without any overlap there is no chip
    const title = `Channel ${channel} of ${layer}: the patches overlap by ${share}`;
    return h(
      "button",
      { type: "button", class: "cnnw-button cnnw-chip", title, "aria-label": title },
      name,
      h("span", { class: "cnnw-quiet" }, share),
    );
  };

  return {
    element,
    update(_state, now) {
      wall = now;
      element.hidden = !wall || wall.alike.length === 0;
      if (!wall || wall.alike === shown) return;
      shown = wall.alike;
      const of = wall;
      list.replaceChildren(...shown.map((alike) => chip(alike, of)));
      setAttribute(element, "data-count", shown.length);
    },
  };
}
