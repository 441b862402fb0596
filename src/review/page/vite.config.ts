/** Builds the pages into dist/review/page: one script and one style, which need nothing from elsewhere. */
import { fileURLToPath } from 'node:url'
import preact from '@preact/preset-vite'
import { defineConfig, type Plugin } from 'vite'
import { look } from '../../terminal/texts/look.ts'

/** The colors that all pages of ours share, as a style that can be imported. */
const sharedLook: Plugin = {
  name: 'shared-look',
  resolveId: (id) => (id === 'virtual:look.css' ? '\0look.css' : undefined),
  load: (id) => (id === '\0look.css' ? look : undefined),
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [preact(), sharedLook],
  logLevel: 'warn',
  build: {
    outDir: fileURLToPath(new URL('../../../dist/review/page', import.meta.url)),
    emptyOutDir: true,
    reportCompressedSize: false,
    lib: {
      entry: fileURLToPath(new URL('main.tsx', import.meta.url)),
      formats: ['iife'],
      name: 'rmbgReview',
      fileName: () => 'app.js',
      cssFileName: 'app',
    },
  },
})
