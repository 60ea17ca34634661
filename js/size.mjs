// Fails when a bundle outgrows its budget: it travels inside every notebook that is saved with widget state.
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BUDGET = 100_000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

for (const entry of readdirSync(here("src/widgets"))) {
  const name = entry.replace(/\.ts$/, ".js");
  const bytes = statSync(here(`../cnnwidgets/static/${name}`), { throwIfNoEntry: false })?.size;
  if (bytes === undefined) {
    process.stderr.write(`cnnwidgets/static/${name} does not exist: run "npm run build" first.\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${name}: ${bytes} bytes of ${BUDGET}\n`);
    if (bytes > BUDGET) {
      process.stderr.write(`${name} is ${bytes - BUDGET} bytes over its budget of ${BUDGET}.\n`);
      process.exitCode = 1;
    }
  }
}
