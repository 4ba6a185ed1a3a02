/** Where presented indices are kept. The driver's library is loaded only where it is chosen. */
import type { PresentedStore } from '#storage/presented-store/presented-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import { elasticsearchOf } from './open-speed-store.ts'

/** @throws ElasticsearchError when the server cannot be used */
export async function openPresentedStore(
  configuration: Pick<Configuration, 'elasticsearch'>,
  dataset: string,
  emit: Emit,
): Promise<PresentedStore> {
  const { ElasticsearchPresentedStore } = await import(
    '#storage/presented-store/elasticsearch/elasticsearch-presented-store.ts'
  )
  return ElasticsearchPresentedStore.open(elasticsearchOf(configuration, dataset, emit))
}
