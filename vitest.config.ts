import { defineConfig } from 'vitest/config'

const report = process.env.RMBG_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // End-to-end tests start the built CLI, which loads a model and opens a database.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: more files at once only makes every one of them slower.
    maxWorkers: 2,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
})
