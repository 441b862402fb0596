import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'

/** The name of a test file says which project it is in; all that is in neither of these is `unit`. */
const integration = ['test/end-to-end/**/*.test.ts', 'test/**/*.integration.test.ts']
const faults = ['test/faults/**/*.test.ts']
const globalSetup = 'test/support/global-setup.ts'

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...integration, ...faults],
          env: { RMBG_TEST_UNIT: 'true' },
        },
      },
      { extends: true, test: { name: 'integration', include: integration, globalSetup } },
      { extends: true, test: { name: 'faults', include: faults, globalSetup } },
    ],
    tags: [{ name: 'servers', description: 'needs a server that .ci/run starts' }],
    // Integration tests start the built program, which loads a model and opens a database.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Real servers, real clocks and two busy cores: a second try tells chance from a fault. .ci/run names such tests.
    retry: 1,
    // Two cores, and tests that wait for a quarter of their time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    execArgv: ['--import', new URL('./test/support/tsx-in-thread.mjs', import.meta.url).href],
    // The program sets the first for itself; tests also talk to S3 directly. CI=true alone would color what they read.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', NO_COLOR: '1' },
    reporters: ['default', 'json'],
    outputFile: { json: 'reports/tests.json' },
    coverage: {
      reportsDirectory: 'reports/coverage',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
    },
  },
})
