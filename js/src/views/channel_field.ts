/** The channel by its number: buttons and arrow keys to the ones before and after. */
import { h, setAttribute, uniqueId } from "../dom";
import { chooseChannel } from "../gallery_asking";
import type { GalleryState } from "../gallery_state";
import { layerOf } from "../layers";
import { OWN_KEYS, type Part, type PlainContext } from "./context";

const PAGE = 10;

export function createChannelField({ session, signal }: PlainContext<GalleryState>): Part<GalleryState> {
  const id = uniqueId("channel");
  const input = h("input", {
    id,
    class: "cnnw-input cnnw-channel-number",
    type: "text",
    inputmode: "numeric",
    role: "spinbutton",
    autocomplete: "off",
    "aria-valuemin": 0,
    title: "Arrow keys go to the channel before and after, Page Up and Page Down ten further",
    ...OWN_KEYS,
  });
  const step = (label: string, sign: string, by: number) => {
    const button = h(
      "button",
      { type: "button", class: "cnnw-button", "aria-label": label, title: label },
      sign,
    );
    button.addEventListener("click", () => go(by), { signal });
    return button;
  };
  const before = step("Previous channel", "‹", -1);
  const after = step("Next channel", "›", 1);
  const of = h("span", { class: "cnnw-quiet" });

  /** What is being typed stays. */
  let typing = false;

  const count = () => layerOf(session.state)?.shape[0] ?? 0;
  const choose = (channel: number) => {
    const last = count() - 1;
    if (last >= 0) chooseChannel(session, Math.min(last, Math.max(0, channel)));
  };
  const go = (by: number) => choose((session.state.channel ?? 0) + by);
  const show = () => {
    typing = false;
    const now = session.state.channel === null ? "" : String(session.state.channel);
    if (input.value !== now) input.value = now;
  };
  const commit = () => {
    const typed = /^\s*(\d+)\s*$/.exec(input.value)?.[1];
    if (typed !== undefined) choose(Number(typed));
    show();
  };
  const keys: Readonly<Record<string, () => void>> = {
    ArrowUp: () => go(1),
    ArrowDown: () => go(-1),
    PageUp: () => go(PAGE),
    PageDown: () => go(-PAGE),
    Enter: commit,
    Escape: show,
  };
  input.addEventListener(
    "input",
    () => {
      typing = true;
    },
    { signal },
  );
  input.addEventListener("change", commit, { signal });
  input.addEventListener("focus", () => input.select(), { signal });
  input.addEventListener(
    "keydown",
    (event) => {
      const act = keys[event.key];
      if (!act || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      act();
      show();
    },
    { signal },
  );

  return {
    element: h(
      "div",
      { class: "cnnw-channel" },
      h("label", { for: id, class: "cnnw-label" }, "Channel"),
      h("span", { class: "cnnw-zoom" }, before, input, after),
      of,
    ),
    update(state) {
      const channels = count();
      if (!typing) show();
      setAttribute(input, "aria-valuenow", state.channel);
      setAttribute(input, "aria-valuemax", Math.max(0, channels - 1));
      setAttribute(before, "aria-disabled", (state.channel ?? 0) <= 0 ? "true" : undefined);
      setAttribute(after, "aria-disabled", (state.channel ?? 0) >= channels - 1 ? "true" : undefined);
      of.textContent = channels > 0 ? `of ${channels}` : "";
    },
  };
}
