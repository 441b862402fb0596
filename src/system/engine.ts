import { setFlagsFromString } from 'node:v8'

// Half of a short run's CPU goes into loading and compiling. By V8 11's default a function is optimized after 130 KB of
// its bytecode have run, which takes milliseconds: of a run for one picture, most of that is never earned back. A loop
// over pixels is optimized at 1 MB nearly as soon. Later releases of V8 have no such flag, and a compiler in between.
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=1000000')

// An old heap is searched when it has grown by this share, not when it has doubled. What images leave behind is freed without
// the collector (`../free-bytes.ts`), so nothing else would make it look: a run grew by 40 MB every 1,000 images.
setFlagsFromString('--heap-growing-percent=40')
