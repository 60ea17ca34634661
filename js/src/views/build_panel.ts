/** How far the index is: progress with the time left, stop and resume. */
import { h, setAttribute, setText } from "../dom";
import { inGroups, seconds } from "../format";
import type { Build, GalleryState } from "../gallery_state";
import { NO_NEWS, SAY_SILENT_AFTER } from "../notice";
import { plural } from "../patch_words";
import { createStopwatch } from "../stopwatch";
import type { Part, PlainContext } from "./context";

const ACTIONS: Readonly<Record<Build["state"], string>> = {
  building: "Stop",
  stopped: "Resume",
  error: "Try again",
  done: "",
};

/** `indexed`: there is an index, though it may be an old one. */
function headline({ state, done, total }: Build, indexed: boolean): string {
  const how = total === null ? plural(done, "image") : `${inGroups(done)} of ${plural(total, "image")}`;
  if (state === "building") return done > 0 ? `Indexing: ${how}` : "Indexing the images";
  if (state === "stopped") return `Stopped at ${how}`;
  return indexed ? "The index does not hold any more" : "The index could not be made";
}

/** "about 41 s left · 2 skipped · reading the pictures". */
function detail({ state, seconds_left, skipped, message, remedy, done }: Build): string {
  if (state === "error") return [message, remedy].filter((part) => part).join(" ");
  const left = seconds_left === null ? "" : `about ${seconds(seconds_left)} left`;
  const lost = skipped > 0 ? `${skipped} skipped` : "";
  const kept = done > 0 ? "what is indexed so far is kept" : "";
  // That it was stopped stands above.
  const words = state === "stopped" ? [kept, lost] : [left, lost, message];
  return words.filter((part) => part).join(" · ");
}

export function createBuildPanel({
  session,
  signal,
  refresh,
}: PlainContext<GalleryState>): Part<GalleryState> {
  const fill = h("div", { class: "cnnw-progress-fill" });
  const bar = h(
    "div",
    {
      class: "cnnw-build-bar",
      role: "progressbar",
      "aria-label": "Images indexed",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    },
    fill,
  );
  const head = h("p", { class: "cnnw-heading" });
  const words = h("p", { class: "cnnw-quiet" });
  const button = h("button", { type: "button", class: "cnnw-button" });
  const text = h("div", { class: "cnnw-build-words", role: "status" }, head, words);
  const panel = h("div", { class: "cnnw-build" }, h("div", { class: "cnnw-build-line" }, text, button), bar);
  const silence = createStopwatch([SAY_SILENT_AFTER], refresh, signal);
  /** The state under which the button was pressed: until it changes, pressing again would change nothing. */
  let pressedUnder: Build | null = null;

  button.addEventListener(
    "click",
    () => {
      const { build } = session.state;
      if (!build || pressedUnder === build) return;
      pressedUnder = build;
      session.send({ kind: build.state === "building" ? "stop" : "resume" });
    },
    { signal },
  );

  return {
    element: panel,
    update({ build, layers }) {
      const busy = build !== null && build.state !== "done";
      panel.hidden = !busy && layers.length > 0;
      button.hidden = !busy;
      bar.hidden = !busy || build.state === "error";
      setAttribute(panel, "data-state", build?.state);
      const silent = silence(build?.state === "building" ? build : null) >= SAY_SILENT_AFTER;
      if (!build || !busy) {
        setText(head, "No images are indexed yet");
        setText(words, "");
        return;
      }
      setText(head, headline(build, layers.length > 0));
      setText(words, silent ? `${NO_NEWS} The kernel is busy or stopped.` : detail(build));
      const anew = build.state === "error" && layers.length > 0;
      setText(button, anew ? "Index anew" : ACTIONS[build.state]);
      const share = build.total ? Math.min(1, build.done / build.total) : null;
      setAttribute(bar, "data-endless", share === null && build.state === "building");
      setAttribute(bar, "aria-valuenow", share === null ? undefined : Math.round(100 * share));
      fill.style.width = share === null ? "" : `${100 * share}%`;
    },
  };
}
