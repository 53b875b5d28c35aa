import { readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Compressed siblings of what is built: the server sends them to whoever accepts them (WhiteNoise does). */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async closeBundle() {
      const assets = fileURLToPath(new URL("./dist/assets/", import.meta.url));
      const names = (await readdir(assets)).filter((file) => /\.(js|css|svg)$/.test(file));
      // Both kinds of all files at once: Node does it on as many cores as there are.
      await Promise.all(
        names.map(async (name) => {
          const content = await readFile(assets + name);
          const [gz, br] = await Promise.all([
            promisify(gzip)(content, { level: 9 }),
            promisify(brotliCompress)(content),
          ]);
          await writeFile(`${assets}${name}.gz`, gz);
          await writeFile(`${assets}${name}.br`, br);
        }),
      );
    },
  };
}

// What every annotator loads before the first unit, in one piece: it compresses better than thirty.
const BASE_PACKAGES =
  /node_modules\/(react|react-dom|scheduler|react-router|@tanstack|i18next|react-i18next|openapi-fetch)\//;
const BASE_COMPONENTS =
  /@mantine\/core\/esm\/(core\/|components\/(ActionIcon|Alert|Button|CloseButton|Group|Input|InputBase|Loader|PasswordInput|Skeleton|Stack|Text|TextInput|Textarea|Title|Transition|UnstyledButton)\/)/;
const BASE_SOURCES =
  /src\/(app\/|lib\/(?!differences|choice|metrics|use-suggestions|drafts\/form-fields)|features\/(accounts\/(?!account-page|comfort)|work\/(frame\/(?!terms-page|practice)|[a-z-]+\/kind\.))|components\/(dialog|key-hint|mark|notes|page)\.)/;

// Django serves dist/ under /static/ and its index.html for every address that is not the API's.
export default defineConfig({
  base: "/static/",
  plugins: [react(), compressed()],
  resolve: {
    alias: {
      "@docs": fileURLToPath(new URL("../docs", import.meta.url)),
      "@": fileURLToPath(new URL("./src", import.meta.url)),
    },
  },
  build: {
    outDir: "dist",
    target: "es2022",
    assetsInlineLimit: 0,
    reportCompressedSize: false, // the compressed siblings tell it
    // "base" is one piece on purpose (above); bench/workbench.py measures what crosses the wire.
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            {
              name: "base",
              test: (id) => [BASE_PACKAGES, BASE_COMPONENTS, BASE_SOURCES].some((part) => part.test(id)),
            },
          ],
        },
      },
    },
  },
  // The guide for annotators is a page too, and lies beside this folder.
  server: {
    fs: { allow: [".."] },
    proxy: { "/api": "http://localhost:8000", "/admin": "http://localhost:8000" },
  },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
