/** Pointer gestures on one element, in CSS pixels from its top left corner. */

export interface Gestures {
  hover(x: number, y: number, event: PointerEvent): void;
  leave(): void;
  /** A button or finger goes down; false leaves the gesture to the browser. */
  press(x: number, y: number, event: PointerEvent): boolean;
  drag(dx: number, dy: number, x: number, y: number, event: PointerEvent): void;
  /** The end of what a press began. */
  release?(): void;
  /** A second finger has come down: what the first began is void, and the two zoom and pan. */
  pinch?(): void;
  /** A wheel turned with Ctrl or Cmd held, a pinch on a touchpad, or two fingers. */
  zoom(factor: number, x: number, y: number): void;
  pan(dx: number, dy: number): void;
  reset(): void;
}

type Point = readonly [x: number, y: number];

const middle = ([ax, ay]: Point, [bx, by]: Point): Point => [(ax + bx) / 2, (ay + by) / 2];
const distance = ([ax, ay]: Point, [bx, by]: Point) => Math.max(1, Math.hypot(ax - bx, ay - by));

export function listenToPointer(element: HTMLElement, gestures: Gestures, signal: AbortSignal): void {
  /** Where each pointer that is down was last. */
  const down = new Map<number, Point>();
  let pinching = false;

  const place = (event: MouseEvent): Point => {
    const frame = element.getBoundingClientRect();
    return [event.clientX - frame.left - element.clientLeft, event.clientY - frame.top - element.clientTop];
  };

  const hold = (event: PointerEvent) => {
    down.set(event.pointerId, place(event));
    element.setPointerCapture(event.pointerId);
    element.setAttribute("data-dragging", "");
  };

  const pinchTo = (event: PointerEvent) => {
    const before = [...down.values()] as [Point, Point];
    down.set(event.pointerId, place(event));
    const after = [...down.values()] as [Point, Point];
    const [from, to] = [middle(...before), middle(...after)];
    gestures.zoom(distance(...after) / distance(...before), ...from);
    gestures.pan(to[0] - from[0], to[1] - from[1]);
  };

  const stop = (event: PointerEvent) => {
    if (!down.delete(event.pointerId) || down.size > 0) return;
    element.removeAttribute("data-dragging");
    if (!pinching) gestures.release?.();
    pinching = false;
  };

  element.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      if (down.size === 0) {
        if (gestures.press(...place(event), event)) hold(event);
      } else if (down.size === 1 && !pinching && event.pointerType === "touch" && gestures.pinch) {
        pinching = true;
        gestures.pinch();
        hold(event);
      }
    },
    { signal },
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      const last = down.get(event.pointerId);
      if (pinching) {
        if (last && down.size === 2) pinchTo(event);
        return;
      }
      const now = place(event);
      if (last) {
        down.set(event.pointerId, now);
        gestures.drag(now[0] - last[0], now[1] - last[1], ...now, event);
      }
      gestures.hover(...now, event);
    },
    { signal },
  );
  element.addEventListener("pointerup", stop, { signal });
  element.addEventListener("pointercancel", stop, { signal });
  element.addEventListener("pointerleave", () => gestures.leave(), { signal });
  element.addEventListener("dblclick", () => gestures.reset(), { signal });
  element.addEventListener(
    "wheel",
    (event) => {
      // A plain wheel scrolls the notebook.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      gestures.zoom(Math.exp(Math.max(-0.5, Math.min(0.5, -0.004 * lines * event.deltaY))), ...place(event));
    },
    { signal, passive: false },
  );
}
