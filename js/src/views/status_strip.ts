/** The line below the picture: caption, progress, waiting, cancelled, error; its usual height is always kept. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import type { HeatmapState } from "../protocol";
import { createStopwatch } from "../stopwatch";
import type { ViewContext } from "./context";
import { type Action, noticeFor, SAY_SILENT_AFTER, SAY_WAITING_AFTER, SHOW_PROGRESS_AFTER } from "./notice";

export interface StatusStrip {
  readonly element: HTMLElement;
  update(state: HeatmapState, refusal: string): void;
}

const ACTION_LABELS: Readonly<Record<Action, string>> = {
  cancel: "Cancel",
  retry: "Retry",
  compute: "Compute",
};

export function createStatusStrip(context: ViewContext): StatusStrip {
  const { session, signal, refresh } = context;
  const fill = h("div", { class: "cnnw-progress-fill" });
  const progress = h(
    "div",
    {
      class: "cnnw-progress",
      role: "progressbar",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-label": "Progress",
    },
    fill,
  );
  const text = h("p", { class: "cnnw-notice-text" });
  const remedy = h("p", { class: "cnnw-remedy" });
  const button = h("button", { type: "button", class: "cnnw-button cnnw-action" });
  const words = h("div", { class: "cnnw-words", role: "status" }, text, remedy);
  const element = h("div", { class: "cnnw-status" }, progress, words, button);

  const silence = createStopwatch([SAY_WAITING_AFTER, SAY_SILENT_AFTER], refresh, signal);
  const working = createStopwatch([SHOW_PROGRESS_AFTER], refresh, signal);
  let action: Action | undefined;
  /** The status that a "retry" was sent under: until it changes, the kernel owes an answer. */
  let retriedUnder: unknown = null;

  button.addEventListener(
    "click",
    () => {
      if (action === "cancel") {
        session.cancel();
        return;
      }
      retriedUnder = session.state.status;
      session.retry();
      refresh();
    },
    { signal },
  );

  return {
    element,
    update(state, refusal) {
      const { status } = state;
      const owed = status.ask < state.ask || retriedUnder === status;
      const notice = noticeFor(state, {
        fault: session.fault,
        refusal,
        owed,
        silence: silence(owed || status.state === "busy" ? status : null),
        working: working(status.state === "busy" ? `${status.method} ${status.ask}` : null),
      });
      action = notice.action;
      setAttribute(element, "data-kind", notice.kind);
      if (notice.kind === "quiet") setClippedText(text, notice.text);
      else {
        setText(text, notice.text);
        text.removeAttribute("title");
      }
      setText(remedy, notice.remedy ?? "");
      remedy.hidden = !notice.remedy;
      setText(button, action ? ACTION_LABELS[action] : "");
      button.hidden = action === undefined;
      setAttribute(progress, "data-shown", notice.kind === "progress");
      setAttribute(progress, "aria-hidden", notice.kind === "progress" ? undefined : "true");
      const percent = notice.done === undefined ? undefined : Math.round(100 * notice.done);
      setAttribute(progress, "aria-valuenow", percent);
      fill.style.width = `${percent ?? 0}%`;
    },
  };
}
