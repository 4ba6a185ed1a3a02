import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SqliteFile } from './sqlite-file.ts'

/** Linux reports here how much memory of the process is anonymous, i.e. not backed by a file. */
const SMAPS = '/proc/self/smaps_rollup'

function anonymousKib(): number {
  return Number(/^Anonymous:\s+(\d+) kB/m.exec(readFileSync(SMAPS, 'utf8'))![1])
}

test.skipIf(!existsSync(SMAPS))('a connection keeps few of the pages that it wrote', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-cache-'))
  const file = await SqliteFile.open({
    ...{ file: join(folder, 'own.sqlite'), what: 'test', applicationId: 1, format: 1 },
    ...{ schema: 'CREATE TABLE records (bytes BLOB)', synchronous: 'NORMAL' },
  })
  try {
    const numbers = 'WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 2000)'
    const insert = file.prepare(`${numbers} INSERT INTO records SELECT randomblob(3000) FROM r`)
    const before = anonymousKib()
    for (let batch = 0; batch < 10; batch++) await file.write('writing', () => insert.run())
    expect(anonymousKib() - before).toBeLessThan(8_000)
  } finally {
    file.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
