import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { loadConfiguration } from '../settings/configuration.ts'
import { RoleSupervisor } from './role-supervisor.ts'

interface Supervised {
  readonly role: RoleSupervisor
  readonly scratchFolder: string
  /** resolves with the event of that name, also when it has happened already */
  happened(name: string): Promise<PlatformEvent>
}

async function supervise(script: string, runsIn: 'thread' | 'process'): Promise<Supervised> {
  const scratchFolder = mkdtempSync(join(tmpdir(), 'watershed-role-'))
  onTestFinished(() => rmSync(scratchFolder, { recursive: true }))
  writeFileSync(join(scratchFolder, 'script'), script)
  const events: PlatformEvent[] = []
  const waiting = new Map<string, (event: PlatformEvent) => void>()
  const role = new RoleSupervisor({
    name: 'fixture',
    module: new URL('./dying-role.fixture.ts', import.meta.url),
    runsIn,
    input: { configuration: await loadConfiguration({}), scratchFolder, platformPid: process.pid, yields: 10 },
    emit: (event) => {
      events.push(event)
      waiting.get(event.name)?.(event)
    },
  })
  const happened = (name: string): Promise<PlatformEvent> =>
    new Promise((resolve) => {
      const past = events.find((event) => event.name === name)
      if (past) resolve(past)
      else waiting.set(name, resolve)
    })
  return { role, scratchFolder, happened }
}

describe.each(['thread', 'process'] as const)('a role in a %s', (runsIn) => {
  test('runs a role, passes its events and state on, and stops it cleanly', async () => {
    const { role, scratchFolder, happened } = await supervise('live', runsIn)
    await role.start()
    await happened('life-1')
    expect(role.state()).toMatchObject({ state: 'running', restarts: 0, parts: [{ name: 'part', state: 'running' }] })
    await role.stop()
    expect(role.state()).toMatchObject({ state: 'stopped', fault: null })
    expect(readFileSync(join(scratchFolder, 'stops'), 'utf8')).toBe('|')
  })

  test('a role that dies of something uncaught stops its parts first, says so, and starts again', async () => {
    const { role, scratchFolder, happened } = await supervise('reject live', runsIn)
    await role.start()
    const died = await happened('role-restarted')
    expect(died.message).toContain('nothing caught this')
    expect(role.state()).toMatchObject({ state: 'restarting', restarts: 1, fault: 'nothing caught this' })
    expect(readFileSync(join(scratchFolder, 'stops'), 'utf8')).toBe('|')
    await happened('life-2')
    await role.stop()
    expect(role.state()).toMatchObject({ state: 'stopped', restarts: 1 })
  })

  test('a role that cannot start the first time tells why and is not tried again', async () => {
    const { role } = await supervise('refuse', runsIn)
    await expect(role.start()).rejects.toThrow('the configuration is wrong')
    expect(role.state()).toMatchObject({ state: 'stopped', restarts: 0 })
  })

  test('a role that fails while it stops is told of, and the stop goes on', async () => {
    const { role, happened } = await supervise('stumble', runsIn)
    await role.start()
    await role.stop()
    expect((await happened('role-stop-failed')).message).toContain('could not flush')
  })

  test('a role that leaves something open when it is stopped ends all the same', async () => {
    const { role } = await supervise('leave', runsIn)
    await role.start()
    await role.stop()
    expect(role.state()).toMatchObject({ state: 'stopped', fault: null })
  })
})

test('a process that Ctrl-C ends before it ignores that is started again at once', async () => {
  const { role, happened } = await supervise('interrupt live', 'process')
  await role.start()
  await happened('life-2')
  expect(role.state()).toMatchObject({ state: 'running', restarts: 0 })
  await role.stop()
})
