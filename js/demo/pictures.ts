/** Pictures for the demo page, painted on the spot. */

export interface Picture {
  readonly canvas: HTMLCanvasElement;
  readonly title: string;
}

/** A canvas to paint on. */
export function blank(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no 2D canvas.");
  return [canvas, context];
}

/** Hills below an evening sky, with a tree: soft and hard edges, dark and bright parts. */
export function landscape(width: number, height: number): Picture {
  const [canvas, context] = blank(width, height);
  const sky = context.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, "#5f86ad");
  sky.addColorStop(0.65, "#f2c99a");
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#fff1c9";
  context.beginPath();
  context.arc(0.72 * width, 0.38 * height, 0.07 * width, 0, 7);
  context.fill();
  ["#8a9a86", "#5d7a5c", "#3a5a40"].forEach((colour, ridge) => {
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width; x += 2) {
      const wave = Math.sin((x / width) * (5 + ridge) + 2 * ridge) + 0.3 * Math.sin((x / width) * 17 + ridge);
      context.lineTo(x, height * (0.58 + 0.13 * ridge - 0.05 * wave));
    }
    context.lineTo(width, height);
    context.fill();
  });
  context.fillStyle = "#4a3426";
  context.fillRect(0.29 * width, 0.48 * height, 0.03 * width, 0.34 * height);
  context.fillStyle = "#27472d";
  for (const [x, y, r] of [
    [0.3, 0.36, 0.11],
    [0.24, 0.45, 0.08],
    [0.37, 0.44, 0.08],
  ]) {
    context.beginPath();
    context.arc(x * width, y * height, r * width, 0, 7);
    context.fill();
  }
  return { canvas, title: "landscape" };
}

/** A handwritten-looking 3 on eight by eight grey pixels. */
export function digit(): Picture {
  const rows = [
    "03bff920",
    "0ac41ce0",
    "00001cd0",
    "0006fc20",
    "00014dd0",
    "03000af0",
    "0cb55ee0",
    "04dffa10",
  ];
  const [canvas, context] = blank(8, 8);
  rows.forEach((row, y) => {
    for (let x = 0; x < 8; x++) {
      const level = 17 * Number.parseInt(row[x], 16);
      context.fillStyle = `rgb(${level} ${level} ${level})`;
      context.fillRect(x, y, 1, 1);
    }
  });
  return { canvas, title: "digit" };
}

/** Any picture that the page can reach, for trying a photograph of one's own. */
export async function fromUrl(url: string): Promise<Picture> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const [canvas, context] = blank(image.naturalWidth, image.naturalHeight);
  context.drawImage(image, 0, 0);
  return { canvas, title: url.split("/").pop() ?? url };
}
