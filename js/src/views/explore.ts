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

export function explore(
  element: HTMLElement,
  sizeOf: () => Size,
  context: ViewContext,
  signal: AbortSignal,
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

  listenToPointer(
    element,
    {
      hover(x, y) {
        const { photo } = session.state;
        if (!photo) return;
        const [px, py] = toPicture(navigation.viewport(photo), x, y);
        const inside = px >= 0 && py >= 0 && px < photo.width && py < photo.height;
        point(inside ? [px, py] : null, false);
      },
      leave: () => point(null, false),
      press: () => session.state.zoom > 1,
      pinch: () => undefined,
      drag: navigation.panBy,
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
      else if (!navigation.zoomByKey(event.key, cursor.point)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
  element.addEventListener("blur", () => cursor.byKeyboard && point(null, false), { signal });
}
