/** Chooses the explained class, and the one to contrast it with, among all names. */
import { h } from "../dom";
import { searchIndex, searchNames } from "../search";
import { className } from "../state";
import { createCombobox, type Suggestions } from "./combobox";
import type { Part, ViewContext } from "./context";

const MOST = 50;

export function createClassPicker({ session, signal }: ViewContext): Part {
  const suggest = (query: string, except: number | null): Suggestions => {
    const { state } = session;
    const { class_names: names, predictions } = state;
    const choice = (index: number) => ({ index, label: className(state, index) });
    const allowed = (index: number) => index !== except;
    if (query === "") {
      const likely = predictions.map(({ index }) => index).filter(allowed);
      return {
        choices: likely.map(choice),
        count: names.length ? `Type to search ${names.length} names` : "Type a number",
      };
    }
    const { indices, total } = names.length ? searchNames(names, query, MOST) : searchIndex(query);
    const choices = indices.filter(allowed).map(choice);
    if (!names.length) return { choices, count: total ? "" : "No names: type the number of a class" };
    const cut = total > indices.length ? `, first ${indices.length} shown` : "";
    return { choices, count: `${total} of ${names.length}${cut}` };
  };

  const target = createCombobox({
    label: "Explain",
    placeholder: "Search classes",
    suggest: (query) => suggest(query, null),
    pick(index) {
      const { target: now, instead_of } = session.state;
      if (index === now) return;
      session.ask({ target: index, ...(instead_of === index ? { instead_of: null } : {}) });
    },
    signal,
  });
  const contrast = createCombobox({
    label: "Instead of",
    placeholder: "No contrast",
    suggest: (query) => suggest(query, session.state.target),
    pick: (index) => index !== session.state.instead_of && session.ask({ instead_of: index }),
    clear: () => session.ask({ instead_of: null }),
    signal,
  });

  return {
    element: h("div", { class: "cnnw-pickers" }, target.element, contrast.element),
    update(state) {
      target.update(className(state, state.target));
      contrast.update(state.instead_of === null ? "" : className(state, state.instead_of));
    },
  };
}
