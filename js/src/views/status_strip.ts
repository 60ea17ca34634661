/** The line below the picture: caption, progress, waiting, cancelled, error; its usual height is always kept. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import type { Notice } from "../notice";

export interface StatusStrip {
  readonly element: HTMLElement;
  update(notice: Notice): void;
}

/** `act` hears of presses on the button, whose label says what it does. */
export function createStatusStrip(act: (action: string) => void, signal: AbortSignal): StatusStrip {
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
  button.addEventListener("click", () => act(button.textContent), { signal });

  return {
    element,
    update(notice) {
      setAttribute(element, "data-kind", notice.kind);
      if (notice.kind === "quiet") setClippedText(text, notice.text);
      else {
        setText(text, notice.text);
        text.removeAttribute("title");
      }
      setText(remedy, notice.remedy ?? "");
      remedy.hidden = !notice.remedy;
      setText(button, notice.action ?? "");
      button.hidden = notice.action === undefined;
      setAttribute(progress, "data-shown", notice.kind === "progress");
      setAttribute(progress, "aria-hidden", notice.kind === "progress" ? undefined : "true");
      const percent = notice.done === undefined ? undefined : Math.round(100 * notice.done);
      setAttribute(progress, "aria-valuenow", percent);
      fill.style.width = `${percent ?? 0}%`;
    },
  };
}
