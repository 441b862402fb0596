/** A picture in memory, as the codec and the arithmetic hand it to each other. */

/** Samples of 8 or 16 bits: 0..255 or 0..65535. */
export type Samples = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>

/** An upright picture: row-major, interleaved RGB, or RGBA when the file has transparency. */
export interface Picture {
  data: Samples
  width: number
  height: number
  channels: 3 | 4
}

/** A rectangle in whole pixels. */
export interface Box {
  left: number
  top: number
  width: number
  height: number
}
