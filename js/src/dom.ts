/** Elements in one call. */

type Tag = keyof HTMLElementTagNameMap;
type Child = Node | string;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Line breaks, and what cannot be seen: control characters, directions of writing that nobody ends, half characters. */
const BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066\u2067\ufeff\ufffe\uffff]|\p{Surrogate}/gu;

/** Text as it can be shown; the names in it are the user's, and may hold any character. The twin of cnnwidgets/text.py. */
export function displayable(text: string): string {
  return text.replace(BREAKS, " ").replace(UNSEEN, "\ufffd");
}

/** Attributes that are read to a person. A tooltip may have lines. */
const READ = /^(title|alt|placeholder|aria-)/;

/** Creates an element; `true` sets a bare attribute, `false` and `undefined` leave it out. */
export function h<T extends Tag>(
  tag: T,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children.map((child) => (typeof child === "string" ? displayable(child) : child)));
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
  const given = value === true ? "" : String(value);
  const wanted = READ.test(name) ? given.split("\n").map(displayable).join("\n") : given;
  if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
}

/** Sets the text, touching the page only if it differs, so that live regions speak only of news. */
export function setText(element: Element, text: string): void {
  const shown = displayable(text);
  if (element.textContent !== shown) element.textContent = shown;
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
