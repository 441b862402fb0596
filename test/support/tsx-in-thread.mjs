// `--import tsx` registers nothing in a worker thread (tsx 4.23 on Node 20); this does. Never built or shipped.
import { register } from 'tsx/esm/api'

register()
