import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lakeContract } from './lake-contract.ts'
import { DATASET } from './lake-contract-fixture.ts'
import { LocalLake } from './local/local-lake.ts'
import { memoryLakeFolder } from './memory/memory-folder.ts'
import { MemoryLake } from './memory/memory-lake.ts'

lakeContract('local', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lake-'))
  return {
    open: (step) => LocalLake.open({ folder, dataset: DATASET, step }),
    write: (_lake, staged, contents) => writeFile(staged.writePath, contents),
    read: (lake, file) => readFile(lake.resolve(file), 'utf8'),
    close: () => rm(folder, { recursive: true }),
  }
})

lakeContract('memory', async () => {
  const folder = memoryLakeFolder()
  return {
    open: async (step) => new MemoryLake({ dataset: DATASET, folder, step }),
    write: async (lake, staged, contents) => (lake as MemoryLake).put(staged.writePath, contents),
    read: async (lake, file) => (lake as MemoryLake).get(file),
    close: async () => {},
  }
})
