// Builds the one bundle that serves every widget (cnnwidgets/static/), or, with --demo, serves the demo page.
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const common = {
  bundle: true,
  target: ["es2022", "chrome111", "firefox113", "safari16.4"],
  legalComments: "none",
  logLevel: "info",
};

const widget = {
  ...common,
  entryPoints: { widget: here("src/index.ts") },
  outdir: here("../cnnwidgets/static"),
  format: "esm",
  minify: true,
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
  const bundle = await context({ ...widget, minify: false, sourcemap: "inline" });
  await bundle.watch();
} else {
  await build(widget);
}
