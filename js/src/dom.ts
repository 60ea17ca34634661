/** Elements in one call. */

type Tag = keyof HTMLElementTagNameMap;
type Child = Node | string;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Creates an element; `true` sets a bare attribute, `false` and `undefined` leave it out. */
export function h<T extends Tag>(
  tag: T,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children);
  return element;
}

/** Sets or removes an attribute, touching the page only if it differs. */
export function setAttribute(
  element: Element,
  name: string,
  value: string | number | boolean | undefined | null,
): void {
  if (value === false || value == null) {
    element.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
}

/** Sets the text, touching the page only if it differs, so that live regions speak only of news. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets the text and repeats it as a tooltip, for places that may cut it off. */
export function setClippedText(element: HTMLElement, text: string): void {
  setText(element, text);
  setAttribute(element, "title", text || undefined);
}

/** Every widget on a page loads this code anew, and would count the same numbers. */
const LOAD = Math.random().toString(36).slice(2);
let serial = 0;

/** An id that no other view on the page has. */
export function uniqueId(purpose: string): string {
  serial += 1;
  return `cnnw-${purpose}-${LOAD}-${serial}`;
}
