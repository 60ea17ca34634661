/** Pointing, zooming and panning on a pane, by pointer and by keyboard. */
import { listenToPointer } from "../pointer";
import type { Photo } from "../protocol";
import { revealing, type Size, toPicture } from "../viewport";
import type { ViewContext } from "./context";
import { createNavigation } from "./navigation";

/** Keyboard steps across the visible part of the picture; Shift takes five at once. */
const STEPS = 50;

/** Where the arrow keys point. */
export const ARROWS: Readonly<Record<string, readonly [dx: number, dy: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

const clamp = (value: number, high: number) => Math.min(high, Math.max(0, value));

/** What a press on the picture does instead of moving it; points are in coordinates of the picture. */
export interface Tool {
  /** False leaves the gesture to the pane. */
  press(x: number, y: number): boolean;
  drag(x: number, y: number): void;
  release(): void;
  /** A second finger has come down: what the first began is void. */
  cancel(): void;
  /** A key other than the pane's own; false if it means nothing. `at` is where the arrow keys point. */
  key(event: KeyboardEvent, at: readonly [x: number, y: number] | null): boolean;
}

export function explore(
  element: HTMLElement,
  sizeOf: () => Size,
  context: ViewContext,
  signal: AbortSignal,
  tool?: Tool,
): void {
  const { session, cursor, refresh } = context;

  const navigation = createNavigation(session, sizeOf);
  const point = (at: readonly [number, number] | null, byKeyboard: boolean) => {
    cursor.point = at;
    cursor.byKeyboard = byKeyboard;
    refresh();
  };

  const step = (photo: Photo, dx: number, dy: number) => {
    const now = navigation.viewport(photo);
    const [shownX, shownY] = [
      Math.min(photo.width, now.width / now.scale),
      Math.min(photo.height, now.height / now.scale),
    ];
    const stride = Math.max(1, Math.round(Math.min(shownX, shownY) / STEPS));
    const [x, y] = cursor.point ?? toPicture(now, now.width / 2, now.height / 2);
    // On the centre of a pixel, so that a step always means the same pixel in every pane.
    const to = (from: number, by: number, end: number) =>
      clamp(Math.floor(from) + by * stride, end - 1) + 0.5;
    const next = [to(x, dx, photo.width), to(y, dy, photo.height)] as const;
    const view = revealing(now, photo, session.state.zoom, ...next);
    if (view) session.show(view);
    point(next, true);
  };

  const pictureAt = (x: number, y: number) => {
    const { photo } = session.state;
    return photo && toPicture(navigation.viewport(photo), x, y);
  };
  const read = (x: number, y: number) => {
    const { photo } = session.state;
    const at = pictureAt(x, y);
    if (!photo || !at) return;
    const inside = at[0] >= 0 && at[1] >= 0 && at[0] < photo.width && at[1] < photo.height;
    point(inside ? at : null, false);
  };
  let inUse = false;
  /** A finger that has left still points: what it tapped is read after it. */
  let touched = false;

  listenToPointer(
    element,
    {
      hover(x, y, event) {
        touched = event.pointerType === "touch";
        read(x, y);
      },
      leave() {
        if (!touched) point(null, false);
      },
      press(x, y, event) {
        touched = event.pointerType === "touch";
        if (touched) read(x, y);
        const at = pictureAt(x, y);
        inUse = at !== null && (tool?.press(...at) ?? false);
        return inUse || session.state.zoom > 1;
      },
      release() {
        if (inUse) tool?.release();
        inUse = false;
      },
      pinch() {
        if (inUse) tool?.cancel();
        inUse = false;
      },
      drag(dx, dy, x, y) {
        const at = inUse && pictureAt(x, y);
        if (at) tool?.drag(...at);
        else navigation.panBy(dx, dy);
      },
      pan: navigation.panBy,
      zoom: navigation.zoomBy,
      reset: navigation.reset,
    },
    signal,
  );

  element.addEventListener(
    "keydown",
    (event) => {
      const { photo } = session.state;
      if (!photo || event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      const times = event.shiftKey ? 5 : 1;
      if (arrow) step(photo, arrow[0] * times, arrow[1] * times);
      else if (event.key === "Escape" && cursor.point) point(null, false);
      else if (!tool?.key(event, cursor.point) && !navigation.zoomByKey(event.key, cursor.point)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
  element.addEventListener("blur", () => cursor.byKeyboard && point(null, false), { signal });
}
