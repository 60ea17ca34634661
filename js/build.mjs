// Builds a bundle for every widget (cnnwidgets/static/), or, with --demo, serves the demo page.
import { readdirSync, unlinkSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const built = here("../cnnwidgets/static");

const common = {
  bundle: true,
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  logLevel: "info",
};

const widgets = {
  ...common,
  entryPoints: readdirSync(here("src/widgets")).map((name) => here(`src/widgets/${name}`)),
  outdir: built,
  format: "esm",
  minify: true,
  metafile: true,
};

const demo = {
  ...common,
  entryPoints: { demo: here("demo/demo.ts") },
  outdir: here("demo/dist"),
  format: "esm",
  sourcemap: "inline",
};

if (process.argv.includes("--demo")) {
  const page = await context(demo);
  await page.watch();
  await page.serve({ servedir: here("demo"), host: "127.0.0.1", port: 8000 });
} else if (process.argv.includes("--watch")) {
  const bundles = await context({ ...widgets, minify: false, sourcemap: "inline" });
  await bundles.watch();
} else {
  const { metafile } = await build(widgets);
  // What an earlier version built would go into the wheel, too.
  const names = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
  for (const name of readdirSync(built)) {
    if (!names.has(name)) unlinkSync(`${built}/${name}`);
  }
}
