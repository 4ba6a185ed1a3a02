import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendOnceContract, type KeyedLogHarness, type KeyedLogOptions } from './append-once-contract.ts'
import { logContract } from './log-contract.ts'
import type { LogHarness } from './log-handles-fixture.ts'
import { MemoryLog, type MemoryLogRecords, memoryLogRecords } from './memory/memory-log.ts'
import { sourceLedgerContract } from './source-ledger-contract.ts'
import { SqliteLog, type SqliteLogOptions } from './sqlite/sqlite-log.ts'

async function sqlite(more: Partial<SqliteLogOptions> = {}): Promise<LogHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'log-'))
  return {
    open: () => SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 3, ...more }),
    close: () => rm(folder, { recursive: true }),
  }
}

const keyedSqlite = async (): Promise<KeyedLogHarness> => {
  const folder = await mkdtemp(join(tmpdir(), 'log-'))
  return {
    open: (options) => SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 3, ...options }),
    close: () => rm(folder, { recursive: true }),
  }
}
const keyedMemory = async (): Promise<KeyedLogHarness> => {
  let records: MemoryLogRecords | null = null
  const open = async (options: KeyedLogOptions = {}): Promise<MemoryLog> => {
    records ??= memoryLogRecords({ partitions: 3, ...options })
    return new MemoryLog({ records, clock: options.clock })
  }
  return { open, close: async () => {} }
}
appendOnceContract('sqlite', keyedSqlite)
appendOnceContract('memory', keyedMemory)
sourceLedgerContract('sqlite', keyedSqlite)
sourceLedgerContract('memory', keyedMemory)
logContract('sqlite', () => sqlite())
logContract('sqlite, in tiny blocks, commits and queues', () =>
  sqlite({ blockBytesMax: 20, commitBytesMax: 30, waitingBytesMax: 40 }),
)
logContract('memory', async () => {
  const records = memoryLogRecords({ partitions: 3 })
  return { open: async () => new MemoryLog({ records }), close: async () => {} }
})
