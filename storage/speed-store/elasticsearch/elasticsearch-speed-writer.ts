/**
 * Writes partials, and makes sure that each one is there afterwards: with this version, or with a higher one.
 *
 * The server refuses a version that is lower than what it remembers for an id, and for a while it also remembers ids that were
 * deleted. Where closed segments were cleaned up and the lake then went back, their partials are folded again with lower versions;
 * so what was refused is looked up, and what is not there is written again once the server has forgotten it.
 */
import { Backoff, type RetryLimits } from '#core/backoff.ts'
import { type BulkLimits, writeBulk } from '#storage/elasticsearch/bulk-writer.ts'
import {
  ELASTICSEARCH_RETRY_LIMITS,
  type ElasticsearchConnection,
} from '#storage/elasticsearch/elasticsearch-connection.ts'
import { ElasticsearchError } from '#storage/elasticsearch/elasticsearch-error.ts'
import type { PartialRow } from '../speed-store.ts'
import { partialId, partialOperation } from './elasticsearch-speed-index.ts'

export interface PartialsPlace {
  readonly connection: ElasticsearchConnection
  /** of one partition, by its own name */
  readonly index: string
  readonly doing: string
  readonly limits?: Partial<BulkLimits>
  readonly retry?: Partial<RetryLimits>
}

const LOOK_UP_IDS_MAX = 5_000

/** @throws ElasticsearchError; nothing is acknowledged then */
export async function writePartials(place: PartialsPlace, partials: readonly PartialRow[]): Promise<void> {
  const tries = new Backoff({ ...ELASTICSEARCH_RETRY_LIMITS, ...place.retry })
  let left = partials
  while (left.length > 0) {
    left = await writeOnce(place, left)
    if (left.length === 0) return
    const waitMs = tries.nextMs()
    const { connection, index, doing } = place
    if (waitMs === null) {
      const message = `Elasticsearch at ${connection.node}: ${doing}: index ${index} still rejects ${left.length} rows, because it remembers deleted rows with a higher version`
      throw new ElasticsearchError('unavailable', message, 409)
    }
    await connection.pause(waitMs, doing)
    // Deleted ids are forgotten when the index refreshes.
    await connection.request({ doing, method: 'POST', path: `/${index}/_refresh` })
  }
}

/** Gives back what is not there. */
async function writeOnce(place: PartialsPlace, partials: readonly PartialRow[]): Promise<readonly PartialRow[]> {
  const { connection, index, doing, limits, retry } = place
  const { superseded } = await writeBulk(connection, {
    doing,
    index,
    operations: partials.values().map(partialOperation),
    describe: (at) => `key ${partials[at]!.key} of view ${partials[at]!.view}`,
    limits,
    retry,
  })
  const absent: PartialRow[] = []
  for (let from = 0; from < superseded.length; from += LOOK_UP_IDS_MAX) {
    const some = superseded.slice(from, from + LOOK_UP_IDS_MAX).map((at) => partials[at]!)
    const present = await presentIds(place, some.map(partialId))
    absent.push(...some.filter((partial) => !present.has(partialId(partial))))
  }
  return absent
}

/** Which of the documents are there now, read past the refresh. */
async function presentIds(
  { connection, index, doing }: PartialsPlace,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { body } = await connection.request<{ docs?: readonly { readonly _id: string; readonly found?: boolean }[] }>({
    doing,
    method: 'POST',
    path: `/${index}/_mget`,
    query: { _source: false, filter_path: 'docs._id,docs.found' },
    body: { ids },
  })
  return new Set((body.docs ?? []).flatMap(({ _id, found }) => (found === true ? [_id] : [])))
}
