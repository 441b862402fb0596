/** How `src/image/formats.ts` writes PNGs; also sharp's own defaults, which the peer writes with. */
export const png = { compressionLevel: 3, adaptiveFiltering: false }
