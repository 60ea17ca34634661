import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

declare const process: { env: Record<string, string | undefined> };

// Debian's Chromium by default; CHROMIUM names another one, CHROMIUM=playwright asks for Playwright's own.
const { CHROMIUM = "/usr/bin/chromium" } = process.env;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      viewport: { width: 1240, height: 1000 },
      provider: playwright({
        launchOptions: {
          ...(CHROMIUM === "playwright" ? {} : { executablePath: CHROMIUM }),
          args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
          ],
        },
      }),
      instances: [{ browser: "chromium" }],
    },
  },
});
