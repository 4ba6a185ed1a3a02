/** The dictionary store that the configuration chooses. A driver's library is loaded only where it is chosen. */
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'

/** @throws if it cannot be opened; an unavailable Redis is not a reason */
export async function openDictionary(
  configuration: Configuration,
  folder: DataFolder,
  emit: Emit,
): Promise<DictionaryStore> {
  if (configuration.dictionary === 'sqlite') return SqliteDictionary.open({ file: folder.dictionaryFile })
  const { RedisDictionary } = await import('#storage/dictionary/redis/redis-dictionary.ts')
  const { url, keyPrefix } = configuration.redis
  let lost = false
  const onLost = (message: string): void => {
    lost = true
    emit({ name: 'redis-lost', level: 'warn', message })
  }
  const onReady = (): void => {
    if (lost) emit({ name: 'redis-back', level: 'info', message: 'Redis is available again' })
    lost = false
  }
  return RedisDictionary.open({ url, keyPrefix, onLost, onReady })
}
