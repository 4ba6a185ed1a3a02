import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { UnopenedSource } from './unopened-source.ts'

test('what cannot be opened is refused, but not as long as it is paused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-unopened-'))
  const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'posts', partitions: 1 })
  const events: string[] = []
  const source = new UnopenedSource({
    dataset: 'posts',
    definition: { name: 'search', kind: 'polling', url: 'https://api.example/{env:TOKEN}', every: '60s', paused: true },
    reason: 'the environment variable TOKEN is not set',
    ledger: log.sources,
    emit: ({ name }) => events.push(name),
  })
  const states: string[] = []
  const look = async (): Promise<void> => {
    await source.look()
    states.push(source.status().state)
  }
  try {
    await look()
    await log.sources.change('search', { paused: false })
    await look()
    await look()
    await log.sources.change('search', { paused: true })
    await look()
    expect(states).toEqual(['paused', 'refused', 'refused', 'paused'])
    expect(events).toEqual(['source-refused'])
    expect(source.status().reason).toBe('the environment variable TOKEN is not set')
  } finally {
    await log.close()
    rmSync(folder, { recursive: true })
  }
})
