import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readSample } from './read-sample.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-sample-'))
})
afterEach(() => rm(folder, { recursive: true }))

test.each([
  ['a repeated name in the header', 'x.csv', Buffer.from('id,at,id\n1,2026-01-01,2\n')],
  ['an array that is not closed', 'x.json', Buffer.from('[{"id":1},')],
  ['a gzip file that ends too early', 'x.csv.gz', gzipSync('id,at\n1,2026-01-01\n').subarray(0, 25)],
  ['a damaged Parquet file', 'x.parquet', Buffer.from('PAR1 and nothing else')],
])('%s is a fault of the input, a missing file is one of the storage', async (_what, name, bytes) => {
  const file = join(folder, name)
  await expect(readSample(file, {})).rejects.toHaveProperty('exit', 'storage')
  await writeFile(file, bytes)
  await expect(readSample(file, {})).rejects.toHaveProperty('exit', 'definition')
})
