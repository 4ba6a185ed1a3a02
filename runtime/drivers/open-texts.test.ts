import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DataFolder } from './data-folder.ts'
import { openSessions } from './open-texts.ts'

test('sessions in a folder are for its owner only', async () => {
  const ground = mkdtempSync(join(tmpdir(), 'watershed-open-texts-'))
  try {
    const folder = DataFolder.open(join(ground, 'data'))
    await (await openSessions(folder, { lake: undefined, s3: { lockMs: 1_000 } })).replace('a.json', '{}')
    expect(statSync(folder.sessionsFolder).mode & 0o077).toBe(0)
  } finally {
    rmSync(ground, { recursive: true })
  }
})
