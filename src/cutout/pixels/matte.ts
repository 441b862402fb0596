/** A matte as a model gives it. */
export interface MattePlane {
  /** 0..1, width * height values. */
  values: Float32Array<ArrayBuffer>
  width: number
  height: number
}
