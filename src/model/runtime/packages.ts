/** ONNX Runtime's Node binding: which release, and the packages that hold it. docs/install.md says why there are several. */

/** The package that Microsoft publishes. It holds all platforms, and its install script asks a host outside npm. */
export const upstreamPackage = 'onnxruntime-node'

export const runtimeVersion = '1.30.0'

/** Of the tarball of `upstreamPackage` in the npm registry, as package-lock.json has it. */
export const upstreamIntegrity =
  'sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw=='

/** What this release is built for; on Linux, with glibc only. */
export const runtimePlatforms = [
  'darwin-arm64',
  'linux-arm64',
  'linux-x64',
  'win32-arm64',
  'win32-x64',
] as const
export type RuntimePlatform = (typeof runtimePlatforms)[number]

/** Our package for one platform. `deploy/release/pack.ts` makes it, and a released rmbg-batch depends on it optionally. */
export const platformPackage = (platform: string): string => `@rmbg-batch/onnxruntime-${platform}`

/** Where the binaries of one platform lie in each of these packages, relative to its folder. */
export const binaryFolder = (platform: string): string => `bin/napi-v6/${platform.replace('-', '/')}`

/** The file in `binaryFolder` that Node loads. */
export const bindingFile = 'onnxruntime_binding.node'
