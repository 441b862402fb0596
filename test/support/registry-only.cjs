// With `node --require`: the network of a closed company, whose DNS knows no host but that of its npm registry, which is
// this machine. Child processes inherit it through NODE_OPTIONS.
const dns = require('node:dns')

const { lookup } = dns
dns.lookup = (host, options, callback = options) => {
  if (/^(127\.0\.0\.1|localhost)$/.test(host)) return lookup(host, options, callback)
  const error = new Error(`getaddrinfo ENOTFOUND ${host}`)
  process.nextTick(
    callback,
    Object.assign(error, { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: host }),
  )
}
