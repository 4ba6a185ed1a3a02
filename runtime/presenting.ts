/** Keeps indices of presented rows in Elasticsearch, for its own users, while this process answers queries. Several processes may: rows come out equal. */
import { PresentLoop } from '#serving/presented-indices/present-loop.ts'
import { Presenter } from '#serving/presented-indices/presenter.ts'
import type { Emit } from '#telemetry/emit.ts'
import { elasticsearchAuth } from './drivers/open-speed-store.ts'
import type { OpenDataset } from './open-dataset.ts'
import type { Configuration } from './settings.ts'

export interface Presenting {
  /** Resolves when the rounds at work are done and the connections are closed. */
  stop(): Promise<void>
}

export function presents({ speedStore, elasticsearch }: Configuration): boolean {
  return elasticsearch.present ?? speedStore === 'elasticsearch'
}

/** @throws ElasticsearchError when the server can not be reached or is of another major */
export async function startPresenting(
  datasets: readonly OpenDataset[],
  { elasticsearch }: Configuration,
  emit: Emit,
): Promise<Presenting> {
  const { ElasticsearchPresentedStore } = await import('#storage/presented-store/elasticsearch-presented-store.ts')
  const { node, replicas, presentEveryMs: everyMs, windowRetentionMs, eventRetentionMs } = elasticsearch
  const auth = elasticsearchAuth(elasticsearch)
  const store = await ElasticsearchPresentedStore.open({ node, auth, replicas })
  const loops = datasets.map((served) => {
    const presenter = new Presenter({ served, store, emit, windowRetentionMs, eventRetentionMs })
    return new PresentLoop({ dataset: served.dataset.name, presenter, everyMs, emit })
  })
  for (const loop of loops) loop.start()
  return {
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()))
      await store.close()
    },
  }
}
