import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LogHarness, logContract } from './log-contract.ts'
import { MemoryLog, memoryLogRecords } from './memory/memory-log.ts'
import { SqliteLog, type SqliteLogOptions } from './sqlite/sqlite-log.ts'

async function sqlite(more: Partial<SqliteLogOptions> = {}): Promise<LogHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'log-'))
  return {
    open: () => SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 3, ...more }),
    close: () => rm(folder, { recursive: true }),
  }
}

logContract('sqlite', () => sqlite())
logContract('sqlite, in tiny blocks, commits and queues', () =>
  sqlite({ blockBytesMax: 20, commitBytesMax: 30, waitingBytesMax: 40 }),
)
logContract('memory', async () => {
  const records = memoryLogRecords({ partitions: 3 })
  return { open: async () => new MemoryLog({ records }), close: async () => {} }
})
