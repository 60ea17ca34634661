/** Layers in words. */
import { inGroups } from "./format";
import type { Layer } from "./layers";

/** The name that a person sees; the network itself has none of its own. */
export const nameOf = ({ name }: Layer): string => name || "(the network)";

/** "64×112×112". */
export const shapeWords = ({ shape }: Layer): string => shape.join("×");

const square = (sides: readonly [number, number]) =>
  sides[0] === sides[1] ? String(sides[0]) : sides.join("×");

/** "36,928 parameters". */
const parameterWords = (count: number) => `${inGroups(count)} parameter${count === 1 ? "" : "s"}`;

/** "stride 4 · receptive field 35×35 px · 36,928 parameters", as far as each is known. */
export function factWords({ stride, field, sees_all, parameters, dead }: Layer): string {
  const facts: string[] = [];
  if (stride) facts.push(`stride ${square(stride)}`);
  if (sees_all) facts.push("each cell sees the whole picture");
  else if (field) facts.push(`receptive field ${field.join("×")} px`);
  if (parameters > 0) facts.push(parameterWords(parameters));
  if (dead) facts.push(`${dead} dead channel${dead === 1 ? "" : "s"}`);
  return facts.join(" · ");
}

/** Everything about a layer, in one line. */
export function layerWords(layer: Layer): string {
  return [nameOf(layer), layer.kind, shapeWords(layer), factWords(layer)].filter((part) => part).join(" · ");
}
