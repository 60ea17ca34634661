// Fails when the bundle outgrows its budget: it travels inside every notebook that is saved with widget state.
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const BUDGET = 100_000;
const path = fileURLToPath(new URL("../cnnwidgets/static/widget.js", import.meta.url));

let bytes;
try {
  bytes = statSync(path).size;
} catch {
  process.stderr.write(`${path} does not exist: run "npm run build" first.\n`);
  process.exit(1);
}
process.stdout.write(`widget.js: ${bytes} bytes of ${BUDGET}\n`);
if (bytes > BUDGET) {
  process.stderr.write(`widget.js is ${bytes - BUDGET} bytes over its budget of ${BUDGET}.\n`);
  process.exit(1);
}
