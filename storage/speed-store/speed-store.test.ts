import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { MemorySpeedStore, memorySpeedContents } from './memory/memory-speed-store.ts'
import { speedStoreContract } from './speed-store-contract.ts'
import { SqliteSpeedStore } from './sqlite/sqlite-speed-store.ts'

speedStoreContract('sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'speed-'))
  return {
    atomic: true,
    open: () => SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'd' }),
    close: () => rm(folder, { recursive: true }),
  }
})

for (const [name, pause] of [
  ['memory', undefined],
  ['memory, pausing', () => turn()],
] as const) {
  speedStoreContract(name, async () => {
    const contents = memorySpeedContents()
    return { atomic: false, open: async () => new MemorySpeedStore({ contents, pause }), close: async () => {} }
  })
}
