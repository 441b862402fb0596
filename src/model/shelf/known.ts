/**
 * Models that can be downloaded: where they are, what they are, and what their makers allow. For digests without a note,
 * several projects that download or ship the file state the same.
 */
import type { ModelDescription } from './description.ts'
import { huggingFace, modelScope, npm, type Source, url } from './sources.ts'

export interface Variant {
  /** Where it can be had; the next one is asked when one cannot be reached. */
  sources: readonly [Source, ...Source[]]
  /** Bytes. */
  size?: number
  /** Hex; given when two independent sources agree (noted beside the entry), and checked on download. */
  sha256?: string
  /** Hex, as rembg checks its own downloads. */
  md5?: string
}

export interface FetchableModel
  extends Required<Pick<ModelDescription, 'mean' | 'std' | 'activation' | 'license'>> {
  /** One line for people. */
  summary: string
  /** Where the license can be read. */
  page: string
  /** Commercial use needs an agreement with its makers. */
  nonCommercial: boolean
  /** What else has to be accepted before it is fetched, in whole sentences. */
  terms?: string
  /** A download needs an account, accepted terms and a token. */
  gated: boolean
  inputSize: [number, number]
  /** The first is the default; `auto` prefers them in this order. */
  variants: Record<string, Variant>
}

const imageNet = {
  mean: [0.485, 0.456, 0.406] as [number, number, number],
  std: [0.229, 0.224, 0.225] as [number, number, number],
}
const rembg = (file: string): [Source] => [
  url(`https://github.com/danielgatis/rembg/releases/download/v0.0.0/${file}`),
]
const rmbg2 = (file: string): [Source, Source] => [
  huggingFace('briaai/RMBG-2.0', file),
  modelScope('AI-ModelScope/RMBG-2.0', file),
]
const rmbg1 = (file: string): [Source] => [huggingFace('briaai/RMBG-1.4', file)]
const modnet = (file: string): [Source] => [huggingFace('Xenova/modnet', file)]
const imgly = (resource: string): [Source] => [
  npm({ package: '@imgly/background-removal-data', version: '1.4.5', bytes: 136_455_985, resource }),
]

export const fetchableModels: Readonly<Record<string, FetchableModel>> = {
  'rmbg-2.0': {
    summary: 'BRIA RMBG-2.0: large, the best this program knows; seconds per image on a CPU.',
    page: 'https://huggingface.co/briaai/RMBG-2.0',
    license: 'CC-BY-NC-4.0',
    nonCommercial: true,
    gated: true,
    inputSize: [1024, 1024],
    ...imageNet,
    activation: 'none',
    // fp32: rembg's source and an LFS pointer agree; quantized: an LFS pointer and DeploySharp's release notes; q4f16: an
    // LFS pointer and two projects' catalogs; fp16: two projects' catalogs. No source states the others.
    variants: {
      fp32: {
        sources: rmbg2('onnx/model.onnx'),
        size: 1_024_331_469,
        sha256: '5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958',
      },
      fp16: {
        sources: rmbg2('onnx/model_fp16.onnx'),
        size: 513_576_499,
        sha256: '9dc47db40d113090ba5d7a13d8fcfd9ee4eda510ce92613219b2fe19da4746f6',
      },
      quantized: {
        sources: rmbg2('onnx/model_quantized.onnx'),
        size: 366_087_549,
        sha256: 'fcea23951a378f92634834888896cc1eec54655366ae6e949282646ce17c5420',
      },
      q4f16: {
        sources: rmbg2('onnx/model_q4f16.onnx'),
        size: 233_815_293,
        sha256: '8bfeb5f93220eb19f6747c217b62cf04342840c4e973f55bf64e9762919f446d',
      },
      int8: { sources: rmbg2('onnx/model_int8.onnx') },
      uint8: { sources: rmbg2('onnx/model_uint8.onnx') },
      q4: { sources: rmbg2('onnx/model_q4.onnx') },
      bnb4: { sources: rmbg2('onnx/model_bnb4.onnx') },
    },
  },
  'rmbg-1.4': {
    summary: 'BRIA RMBG-1.4, its smaller predecessor.',
    page: 'https://huggingface.co/briaai/RMBG-1.4',
    license: 'BRIA RMBG-1.4 (non-commercial)',
    nonCommercial: true,
    gated: false,
    inputSize: [1024, 1024],
    mean: [0.5, 0.5, 0.5],
    std: [1, 1, 1],
    activation: 'none',
    // Several projects state the same for each.
    variants: {
      fp32: {
        sources: rmbg1('onnx/model.onnx'),
        size: 176_153_355,
        sha256: '8cafcf770b06757c4eaced21b1a88e57fd2b66de01b8045f35f01535ba742e0f',
      },
      fp16: {
        sources: rmbg1('onnx/model_fp16.onnx'),
        size: 88_217_533,
        sha256: '9fdfdb41866d872e0acf4a010c35c1a8547bf0eebe0d1544406bbf1c824cb59d',
      },
      quantized: {
        sources: rmbg1('onnx/model_quantized.onnx'),
        size: 44_403_226,
        sha256: 'a6648479275dfd0ede0f3a8abc20aa5c437b394681b05e5af6d268250aaf40f3',
      },
    },
  },
  'birefnet-general': {
    summary: 'BiRefNet, the architecture RMBG-2.0 is built on, with open weights.',
    page: 'https://github.com/ZhengPeng7/BiRefNet',
    license: 'MIT',
    nonCommercial: false,
    gated: false,
    inputSize: [1024, 1024],
    ...imageNet,
    activation: 'sigmoid',
    variants: {
      fp32: {
        sources: rembg('BiRefNet-general-epoch_244.onnx'),
        size: 972_666_916,
        sha256: '58f621f00f5d756097615970a88a791584600dcf7c45b18a0a6267535a1ebd3c',
        md5: '7a35a0141cbbc80de11d9c9a28f52697',
      },
    },
  },
  'birefnet-general-lite': {
    summary: 'BiRefNet with a small backbone.',
    page: 'https://github.com/ZhengPeng7/BiRefNet',
    license: 'MIT',
    nonCommercial: false,
    gated: false,
    inputSize: [1024, 1024],
    ...imageNet,
    activation: 'sigmoid',
    variants: {
      fp32: {
        sources: rembg('BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx'),
        size: 224_005_088,
        sha256: '5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333',
        md5: '4fab47adc4ff364be1713e97b7e66334',
      },
    },
  },
  isnet: {
    summary: 'ISNet from the npm registry: good cut-outs where only that is reached.',
    page: 'https://www.npmjs.com/package/@imgly/background-removal-data',
    license: 'AGPL-3.0 package; ISNet: MIT',
    nonCommercial: false,
    terms:
      'isnet comes in the npm package @imgly/background-removal-data by IMG.LY, which is under the GNU AGPL-3.0. Its ThirdPartyLicenses.json names the model: ISNet (https://github.com/xuebinqin/DIS), under the MIT license. Only the weights are used, none of the code; both license texts are kept beside the model.',
    gated: false,
    inputSize: [1024, 1024],
    mean: [0.5, 0.5, 0.5],
    std: [1, 1, 1],
    activation: 'none',
    // Of the files as the package's own list of chunks puts them together; each chunk is named by its own SHA-256, and the
    // registry states the package's.
    variants: {
      medium: {
        sources: imgly('/models/medium'),
        size: 88_188_479,
        sha256: 'b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb',
      },
      small: {
        sources: imgly('/models/small'),
        size: 44_342_436,
        sha256: '7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a',
      },
    },
  },
  'isnet-general-use': {
    summary: 'ISNet, fine edges at middling cost.',
    page: 'https://github.com/xuebinqin/DIS',
    license: 'Apache-2.0',
    nonCommercial: false,
    gated: false,
    inputSize: [1024, 1024],
    mean: [0.5, 0.5, 0.5],
    std: [1, 1, 1],
    activation: 'none',
    variants: {
      fp32: {
        sources: rembg('isnet-general-use.onnx'),
        size: 178_648_008,
        sha256: '60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a',
        md5: 'fc16ebd8b0c10d971d3513d564d01e29',
      },
    },
  },
  u2net: {
    summary: 'U²-Net, the classic.',
    page: 'https://github.com/xuebinqin/U-2-Net',
    license: 'Apache-2.0',
    nonCommercial: false,
    gated: false,
    inputSize: [320, 320],
    ...imageNet,
    activation: 'none',
    variants: {
      fp32: {
        sources: rembg('u2net.onnx'),
        size: 175_997_641,
        sha256: '8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491',
        md5: '60024c5c889badc19c04ad937298a77b',
      },
    },
  },
  u2netp: {
    summary: 'U²-Net in 5 MB: fast, coarse.',
    page: 'https://github.com/xuebinqin/U-2-Net',
    license: 'Apache-2.0',
    nonCommercial: false,
    gated: false,
    inputSize: [320, 320],
    ...imageNet,
    activation: 'none',
    // Half a dozen projects that ship it state the same, one of them with rembg's MD5 beside it.
    variants: {
      fp32: {
        sources: rembg('u2netp.onnx'),
        size: 4_574_861,
        sha256: '309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8',
        md5: '8e83ca70e441ab06c318d82300c84806',
      },
    },
  },
  silueta: {
    summary: 'U²-Net, reduced to 43 MB.',
    page: 'https://github.com/xuebinqin/U-2-Net/issues/295',
    license: 'Apache-2.0',
    nonCommercial: false,
    gated: false,
    inputSize: [320, 320],
    ...imageNet,
    activation: 'none',
    variants: {
      fp32: {
        sources: rembg('silueta.onnx'),
        size: 44_173_029,
        sha256: '75da6c8d2f8096ec743d071951be73b4a8bc7b3e51d9a6625d63644f90ffeedb',
        md5: '55e59e0d8062d2f5d013f4725ee84782',
      },
    },
  },
  modnet: {
    summary: 'MODNet: people only, fast.',
    page: 'https://github.com/ZHKKKe/MODNet',
    license: 'Apache-2.0',
    nonCommercial: false,
    gated: false,
    inputSize: [512, 512],
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    activation: 'none',
    variants: {
      fp32: { sources: modnet('onnx/model.onnx') },
      fp16: { sources: modnet('onnx/model_fp16.onnx') },
      quantized: { sources: modnet('onnx/model_quantized.onnx') },
    },
  },
}

/** Finds `rmbg-2.0` or `rmbg-2.0:q4f16`; undefined for an unknown model or variant. */
export function findFetchable(
  nameAndVariant: string,
): { name: string; model: FetchableModel; variant: string } | undefined {
  const [name = '', variant, more] = nameAndVariant.split(':')
  const model = Object.hasOwn(fetchableModels, name) ? fetchableModels[name] : undefined
  if (!model || more !== undefined) return undefined
  const chosen = variant ?? Object.keys(model.variants)[0]!
  return Object.hasOwn(model.variants, chosen) ? { name, model, variant: chosen } : undefined
}
