/**
 * What the thread that called gives and takes. Whole pictures stay with it; only the rows in work lie in this memory, and
 * stay in the processor's cache. All samples are as deep as the picture's, except masks, which have 8 bits.
 */

/** Copies rows of the picture to `into`. */
export declare function readPicture(row: i32, rows: i32, into: usize): void

/** Copies rows of a finished mask to `into`. */
export declare function readMask(row: i32, rows: i32, into: usize): void

/** Keeps rows of alpha. */
export declare function writeAlpha(row: i32, rows: i32, from: usize): void

/** Copies rows of alpha that were kept before to `into`. */
export declare function readAlpha(row: i32, rows: i32, into: usize): void

/** Keeps rows of the mask of a deep picture; that of others is its alpha. */
export declare function writeMask(row: i32, rows: i32, from: usize): void

/** Keeps rows of interleaved RGBA. */
export declare function writeColors(row: i32, rows: i32, from: usize): void

/** Keeps so many rows of clear pixels. */
export declare function clearColors(row: i32, rows: i32): void

/** Appends bytes to a file. */
export declare function writeFile(file: i32, from: usize, bytes: i32): void
