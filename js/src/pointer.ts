/** Pointer gestures on one element, in CSS pixels from its top left corner. */

export interface Gestures {
  hover(x: number, y: number): void;
  leave(): void;
  drag(dx: number, dy: number): void;
  /** A wheel turned with Ctrl or Cmd held, or a pinch on a touchpad. */
  zoom(factor: number, x: number, y: number): void;
  reset(): void;
  canDrag(): boolean;
}

export function listenToPointer(element: HTMLElement, gestures: Gestures, signal: AbortSignal): void {
  let dragging: number | null = null;
  let last = [0, 0];

  const place = (event: MouseEvent): [number, number] => {
    const frame = element.getBoundingClientRect();
    return [event.clientX - frame.left - element.clientLeft, event.clientY - frame.top - element.clientTop];
  };

  const stop = (event: PointerEvent) => {
    if (event.pointerId !== dragging) return;
    dragging = null;
    element.removeAttribute("data-dragging");
  };

  element.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0 || dragging !== null || !gestures.canDrag()) return;
      dragging = event.pointerId;
      last = [event.clientX, event.clientY];
      element.setPointerCapture(event.pointerId);
      element.setAttribute("data-dragging", "");
    },
    { signal },
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      if (event.pointerId === dragging) {
        gestures.drag(event.clientX - last[0], event.clientY - last[1]);
        last = [event.clientX, event.clientY];
      }
      gestures.hover(...place(event));
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
