/** Which patches are on show, of which class, and how each is drawn. */
import { h } from "../dom";
import { chooseMode } from "../gallery_asking";
import { type GalleryState, type Kind, type Mode, PATCH_SIZES, type Wall } from "../gallery_state";
import { groupsOf, kindWords, labelsOf } from "../patch_words";
import { quantileAt, quantilePosition, quantileWords } from "../quantile";
import { createChoice, type Option } from "./choice";
import type { GalleryContext, WallPart } from "./gallery_context";
import { createRadioRow, type RadioOption } from "./radio_row";
import { createSlider } from "./slider";

const MODES: readonly (RadioOption & { readonly value: Mode })[] = [
  { value: "patches", label: "Patches", title: "What the unit sees: cut at its receptive field" },
  { value: "images", label: "Images", title: "Whole images with the patch outlined" },
  {
    value: "highlight",
    label: "Highlight",
    title: "Whole images, darkened where the channel is not among its highest",
  },
  {
    value: "guided_backprop",
    label: "Guided backprop",
    title: "Which pixels raise the unit, by guided backpropagation (Springenberg 2014)",
  },
  {
    value: "deconvnet",
    label: "Deconvnet",
    title: "Which pixels raise the unit, by a deconvnet (Zeiler 2014)",
  },
];

const EVERY = "";

/** Equal steps of the slider are equal factors of the size. */
const SPAN = Math.log(PATCH_SIZES.most / PATCH_SIZES.least);
const sizeAt = (position: number) => Math.round(PATCH_SIZES.least * Math.exp(SPAN * position));

/** Every class with how many of the patches on show have it; the one chosen even where none has. */
function classOptions(state: GalleryState, wall: Wall | null): Option[] {
  const labels = wall ? labelsOf(state, wall) : [];
  const total = wall ? groupsOf({ ...state, label: null }, wall).reduce((sum, { of }) => sum + of, 0) : 0;
  const options = labels.map(([label, count]) => ({
    value: label,
    label: `${label} (${count} of ${total})`,
  }));
  const { label } = state;
  if (label !== null && !labels.some(([known]) => known === label))
    options.push({ value: label, label: `${label} (0 of ${total})` });
  return [{ value: EVERY, label: "All classes" }, ...options];
}

export function createGalleryControls({ session, signal, memory }: GalleryContext): WallPart {
  const kinds = createRadioRow("Which patches", (value) => session.put({ kind: value as Kind }), signal);
  const modes = createRadioRow("Shown as", (value) => chooseMode(session, memory, value as Mode), signal);
  modes.offer(MODES);
  const label = createChoice(
    "Class",
    (value) => session.put({ label: value === EVERY ? null : value }),
    signal,
  );
  const size = createSlider(
    "Size",
    (position) => session.show({ patch_size: sizeAt(position) }),
    signal,
    (position) => `${sizeAt(position)} px`,
  );
  const quantile = createSlider(
    "Highlight",
    (position) => session.show({ quantile: quantileAt(position) }),
    signal,
    quantileWords,
  );
  quantile.element.title = "Bright where the channel is among its highest activations over the data set";
  const opacity = createSlider("Darken", (share) => session.show({ opacity: share }), signal);
  let offered = "";

  return {
    element: h(
      "div",
      { class: "cnnw-gallery-controls" },
      h("div", { class: "cnnw-gallery-choices" }, kinds.element, modes.element),
      h(
        "div",
        { class: "cnnw-gallery-settings" },
        label.element,
        size.element,
        quantile.element,
        opacity.element,
      ),
    ),
    update(state, wall) {
      const bottom = kindWords("bottom", wall);
      if (bottom !== offered) {
        offered = bottom;
        kinds.offer([
          { value: "top", label: kindWords("top", wall), title: "The highest values, one for each image" },
          {
            value: "sample",
            label: kindWords("sample", wall),
            title: "Drawn at random: the same places for every channel",
          },
          { value: "bottom", label: bottom, title: "The lowest values, one for each image" },
          { value: "compare", label: "Compare", title: "All three side by side" },
        ]);
      }
      kinds.update(state.kind);
      modes.update(state.mode);
      label.update(classOptions(state, wall), state.label ?? EVERY, wall === null);
      size.update(Math.log(state.patch_size / PATCH_SIZES.least) / SPAN);
      quantile.element.hidden = state.mode !== "highlight";
      opacity.element.hidden = state.mode !== "highlight";
      quantile.update(quantilePosition(state.quantile));
      opacity.update(state.opacity);
    },
  };
}
