/** Finds channels of the overview by number or class, and sets their order. */
import { h } from "../dom";
import { chooseOrder } from "../gallery_asking";
import type { GalleryState, Order } from "../gallery_state";
import { createChoice } from "./choice";
import { createClassField } from "./class_field";
import type { Part } from "./context";
import type { GalleryContext } from "./gallery_context";
import { createSearchField } from "./search_field";

function orderOptions({ alike, channel }: GalleryState) {
  const pinned = alike ?? channel;
  return [
    { value: "channel", label: "Channel number" },
    { value: "maximum", label: "Strongest patch" },
    {
      value: "likeness",
      label: pinned === null ? "Likeness (pick a channel first)" : `Likeness to channel ${pinned}`,
    },
    { value: "class", label: "Characteristic for a class" },
  ];
}

/** `list` is what is searched and sorted. */
export function createOverviewControls(
  { session, signal, memory }: GalleryContext,
  list: HTMLElement,
): Part<GalleryState> {
  const search = createSearchField({
    label: "Find channels",
    placeholder: "Number, or class of a patch",
    type: (text) => session.show({ search: text }),
    controls: list,
    enter: () => list.focus(),
    leave: () => list.focus(),
    signal,
  });
  const order = createChoice(
    "Sort by",
    (value) => {
      const chosen = value as Order;
      // Likeness is to the channel that is pinned when it is chosen.
      const alike = chosen === "likeness" ? { alike: session.state.channel ?? session.state.alike } : {};
      chooseOrder(session, memory, { order: chosen, ...alike });
    },
    signal,
  );
  const target = createClassField({
    label: "Class",
    placeholder: "Search classes",
    looked: () => ({ class_names: session.state.classes }),
    likely: () => session.state.classes.slice(0, 8).map((_, i) => i),
    pick: (index) => chooseOrder(session, memory, { target: session.state.classes[index] ?? null }),
    signal,
  });

  return {
    element: h("div", { class: "cnnw-overview-controls" }, search.element, order.element, target.element),
    update(state) {
      search.show(state.search);
      order.update(orderOptions(state), state.order);
      target.element.hidden = state.order !== "class";
      target.update(state.target ?? "");
    },
  };
}
