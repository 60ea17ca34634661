/**
 * The views in a plain page, without a kernel. The URL's hash chooses: #scene=compare&theme=dark&width=720, and
 * &bare leaves the page's own controls out; &photo=URL shows a picture of your own; &delay=1000 sets how long the
 * kernel of an occlusion scene takes, in milliseconds.
 */
import { ACTIVATION_SCENES } from "./activation_scenes";
import { GALLERY_SCENES } from "./gallery_scenes";
import { MockModel } from "./mock_model";
import { playOcclusion } from "./occlusion_kernel";
import { OCCLUSION_SCENES } from "./occlusion_scenes";
import { fromUrl } from "./pictures";
import { SCENES, type Scene, sceneTraits } from "./scenes";
import { render } from "./widgets";

const WIDTHS = ["1200", "720", "500", "360"];
const THEMES = ["light", "dark", "system"];

const ALL: Readonly<Record<string, Scene>> = {
  ...SCENES,
  ...OCCLUSION_SCENES,
  ...ACTIVATION_SCENES,
  ...GALLERY_SCENES,
};

let life = new AbortController();

function link(key: string, value: string, current: URLSearchParams): HTMLAnchorElement {
  const wanted = new URLSearchParams(current);
  wanted.set(key, value);
  const anchor = document.createElement("a");
  anchor.href = `#${wanted}`;
  anchor.textContent = value;
  if (current.get(key) === value) anchor.setAttribute("aria-current", "true");
  return anchor;
}

async function show(): Promise<void> {
  life.abort();
  life = new AbortController();
  const { signal } = life;
  const hash = new URLSearchParams(location.hash.slice(1));
  if (!hash.has("scene")) hash.set("scene", "plain");
  if (!hash.has("theme")) hash.set("theme", "light");
  if (!hash.has("width")) hash.set("width", "1200");
  document.body.dataset.theme = hash.get("theme") ?? "light";

  const navigation = document.createElement("nav");
  navigation.hidden = hash.has("bare");
  for (const [key, values] of [
    ["scene", Object.keys(ALL)],
    ["width", WIDTHS],
    ["theme", THEMES],
  ] as const) {
    const line = document.createElement("p");
    line.append(...values.flatMap((value) => [link(key, value, hash), " "]));
    navigation.append(line);
  }

  const host = document.createElement("main");
  host.style.width = `${hash.get("width")}px`;
  document.body.replaceChildren(navigation, host);

  const name = hash.get("scene") ?? "plain";
  const url = hash.get("photo");
  const scene = ALL[name] ?? SCENES.plain;
  const model = new MockModel(await sceneTraits(scene, url ? await fromUrl(url) : undefined));
  if (signal.aborted) return;
  const delay = hash.get("delay");
  if (delay) playOcclusion(model, signal, { delay: Number(delay) });
  else scene.play?.(model, signal);
  const end = render(model, host);
  signal.addEventListener("abort", end, { once: true });
}

addEventListener("hashchange", () => void show());
void show();
