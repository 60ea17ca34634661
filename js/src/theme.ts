/** Changes of the page's theme, for what is painted in its colours. */

/** Milliseconds within which a page has exchanged its style sheets. */
const SETTLED = 250;

/**
 * Calls when the colour of an element has changed. Its style must have a transition of `color`. Pages that exchange
 * their style sheets cut it short, and set the last colours after its last event: so it calls once more a little later.
 */
export function onRecoloured(element: HTMLElement, act: () => void, signal: AbortSignal): void {
  let later = 0;
  const change = () => {
    act();
    clearTimeout(later);
    later = window.setTimeout(act, SETTLED);
  };
  for (const type of ["transitionrun", "transitionend", "transitioncancel"] as const)
    element.addEventListener(type, change, { signal });
  signal.addEventListener("abort", () => clearTimeout(later), { once: true });
}
