/**
 * How sharp is told to write PNG where it stands for others: in the floor, and in peers, which write with sharp too.
 * It is the point that the program took while it wrote with sharp, and does not move with the program's own encoder.
 */
export const sharpPng = { compressionLevel: 3, adaptiveFiltering: false }
