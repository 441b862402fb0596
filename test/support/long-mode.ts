/** Long mode (`npm run test:long`) tries every combination; otherwise tests try some of each. */
export const isLong = process.env.RMBG_FAULTS === 'long'
