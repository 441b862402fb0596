/** The long form (`npm run faults`) tries every combination; the short one, CI's, some of each. */
export const isLong = process.env.RMBG_FAULTS === 'long'
