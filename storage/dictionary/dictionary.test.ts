import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dictionaryContract } from './dictionary-contract.ts'
import { DICTIONARY_VERSIONS_MAX, SqliteDictionary } from './sqlite-dictionary.ts'

dictionaryContract('sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dictionary-'))
  return {
    versionsMax: DICTIONARY_VERSIONS_MAX,
    open: () => SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') }),
    close: () => rm(folder, { recursive: true }),
  }
})
