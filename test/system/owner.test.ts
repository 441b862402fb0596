import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { ownerIsDead, ownerIsOfEarlierBoot, processOwner } from '../../src/system/owner.ts'

const [place, pid, startedAt] = processOwner().split(' ') as [string, string, string]
const [host, machine, boot, namespace] = place.split('/')

describe('the owner of a lock or a lease', () => {
  it('is three words: place, pid and start', () => {
    expect(processOwner()).toMatch(/^\S+ \d+ \S*$/)
  })

  it('lives as long as its process', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const started = execFileSync('cat', [`/proc/${child.pid}/stat`], { encoding: 'utf8' })
    const owner = `${place} ${child.pid} ${started.split(') ').at(-1)!.split(' ')[19]}`
    expect([processOwner(), owner].map(ownerIsDead)).toEqual([false, false])
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(ownerIsDead(owner)).toBe(true)
  })

  it('is dead when its pid belongs to a process started at another time', () => {
    expect(ownerIsDead(`${place} ${pid} ${Number(startedAt) - 1}`)).toBe(true)
  })

  it.each([
    ['host', ['elsewhere', machine, boot, namespace]],
    ['boot', [host, machine, 'another', namespace]],
    ['pid namespace', [host, machine, boot, 'pid:[1]']],
  ])('of another %s may live, whatever pids say here', (_, parts) => {
    expect(ownerIsDead(`${parts.join('/')} 4194305 1`)).toBe(false)
  })

  it('of an earlier boot is told only on the same machine, and never in a container', () => {
    const earlier = [host, machine, 'another', namespace].join('/')
    const inContainer = namespace !== 'pid:[4026531836]'
    expect(ownerIsOfEarlierBoot(`${earlier} ${pid} 1`)).toBe(!inContainer && machine !== '')
    expect(ownerIsOfEarlierBoot(processOwner())).toBe(false)
    const elsewhere = [host, 'another', 'another', namespace].join('/')
    expect(ownerIsOfEarlierBoot(`${elsewhere} ${pid} 1`)).toBe(false)
  })
})
