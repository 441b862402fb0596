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
    execArgv: ['--import', new URL('./test/support/tsx-in-thread.mjs', import.meta.url).href],
    // The store sets this for itself; tests also talk to S3 on their own.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
})
