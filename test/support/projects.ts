/** Called by whatever a unit test must not need; what answers the error is another name for the test file. */
export function refuseInUnitTests(what: string): void {
  if (process.env.RMBG_TEST_UNIT)
    throw new Error(`A unit test must not need ${what}: call the file *.integration.test.ts`)
}
