/** What follows from the state of any view with a picture. */
import type { Looked } from "./protocol";

/** What has names for its classes. */
export type Named = Pick<Looked, "class_names">;

const repeated = new WeakMap<readonly string[], ReadonlySet<string>>();

/** Names that more than one class has (ImageNet has two cranes). */
function repeatedNames(names: readonly string[]): ReadonlySet<string> {
  let found = repeated.get(names);
  if (!found) {
    const once = new Set<string>();
    found = new Set(names.filter((name) => once.has(name) || !once.add(name)));
    repeated.set(names, found);
  }
  return found;
}

/** The name of a class; its index is added where the name alone would be ambiguous. */
export function className(state: Named, index: number): string {
  const name = state.class_names[index];
  if (!name) return `class ${index}`;
  return repeatedNames(state.class_names).has(name) ? `${name} (${index})` : name;
}

/** Whether a picture point lies in the region that the network saw. */
export function isSeen({ seen: [left, top, right, bottom] }: Looked, x: number, y: number): boolean {
  return x >= left && x < right && y >= top && y < bottom;
}
