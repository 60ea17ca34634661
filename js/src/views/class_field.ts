/** Finds one class among all names. */
import { searchIndex, searchNames } from "../search";
import { className, type Named } from "../state";
import { type Combobox, createCombobox, type Suggestions } from "./combobox";

export interface ClassFieldOptions {
  readonly label: string;
  readonly placeholder: string;
  looked(): Named;
  /** Suggested before anything is typed, best first. */
  likely(): readonly number[];
  /** A class that is not offered. */
  except?(): number;
  pick(index: number): void;
  clear?(): void;
  readonly signal: AbortSignal;
}

const MOST = 50;

export function createClassField(options: ClassFieldOptions): Combobox {
  const { looked, likely } = options;

  const suggest = (query: string): Suggestions => {
    const state = looked();
    const { class_names: names } = state;
    const except = options.except?.();
    const choice = (index: number) => ({ index, label: className(state, index) });
    const allowed = (index: number) => index !== except;
    if (query === "") {
      return {
        choices: likely().filter(allowed).map(choice),
        count: names.length ? `Type to search ${names.length} names` : "Type a number",
      };
    }
    const { indices, total } = names.length ? searchNames(names, query, MOST) : searchIndex(query);
    const choices = indices.filter(allowed).map(choice);
    if (!names.length) return { choices, count: total ? "" : "No names: type the number of a class" };
    const cut = total > indices.length ? `, first ${indices.length} shown` : "";
    return { choices, count: `${total} of ${names.length}${cut}` };
  };

  return createCombobox({ ...options, suggest });
}
