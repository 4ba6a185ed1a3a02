/**
 * Moves a partition's marker, and finds out when the store lost what it had acknowledged.
 *
 * The marker is written last, and only over the marker that was read or written before (compare and set by sequence number). So
 * when the index was restored from a copy, or the marker is gone because the segment was closed by another owner, the owner is told
 * to fold again, instead of putting a new marker over partials that are not there.
 */
import type { Offset } from '#core/offsets.ts'
import type { ElasticsearchConnection } from '#storage/elasticsearch/elasticsearch-connection.ts'
import { ElasticsearchError } from '#storage/elasticsearch/elasticsearch-error.ts'
import type { Marker } from '../speed-store.ts'
import { isIntact, markerDocument, markerId, markerOf, type SpeedDocument } from './elasticsearch-speed-index.ts'

interface StoredMarker {
  readonly through: Offset
  readonly sequence: number
  readonly term: number
}

interface GetAnswer {
  readonly found?: boolean
  readonly _seq_no: number
  readonly _primary_term: number
  readonly _source: SpeedDocument
}

interface WriteAnswer {
  readonly _seq_no: number
  readonly _primary_term: number
}

const TRIES_MAX = 20

export class ElasticsearchSpeedMarker {
  readonly #connection: ElasticsearchConnection
  readonly #index: string
  /** of the segment that this handle flushed last */
  #known: { readonly segmentStart: Offset; readonly flushedThrough: Offset; readonly stored: StoredMarker } | null =
    null

  /** @param index of one partition, by its own name */
  constructor(connection: ElasticsearchConnection, index: string) {
    this.#connection = connection
    this.#index = index
  }

  /** Puts `marker` in place, unless one that reaches further is there. @throws ElasticsearchError 'replaced' when the store went back */
  async move(marker: Marker, doing: string): Promise<void> {
    let stored =
      this.#known?.segmentStart === marker.segmentStart ? this.#known.stored : await this.#read(marker, doing)
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      if (stored !== null && stored.through > marker.through) return this.#note(marker, stored)
      const written = await this.#write(marker, stored, doing)
      if (written !== null) return this.#note(marker, written)
      stored = await this.#read(marker, doing)
    }
    const message = `Elasticsearch at ${this.#connection.node}: ${doing}: the marker changed during all ${TRIES_MAX} attempts; another owner keeps writing it`
    throw new ElasticsearchError('unavailable', message)
  }

  #note({ segmentStart }: Marker, stored: StoredMarker): void {
    this.#known = { segmentStart, flushedThrough: stored.through, stored }
  }

  /** What is stored now, read past the refresh. */
  async #read({ partition, segmentStart }: Marker, doing: string): Promise<StoredMarker | null> {
    const { status, body } = await this.#connection.request<GetAnswer>({
      doing,
      method: 'GET',
      path: this.#path('_doc', partition, segmentStart),
      accept: [404],
    })
    if (status === 404 && body.found !== false) throw this.#replaced(doing, 'the index is gone')
    // A damaged one counts nothing: this segment is folded again, and its marker written anew.
    const throughOf = (source: SpeedDocument): Offset => (isIntact(source) ? markerOf(source).through : -1)
    const stored = body.found
      ? { through: throughOf(body._source), sequence: body._seq_no, term: body._primary_term }
      : null
    const flushed = this.#known?.segmentStart === segmentStart ? this.#known.flushedThrough : null
    if (flushed !== null && (stored === null || stored.through < flushed)) {
      const found = stored === null ? 'no marker' : `a marker through offset ${stored.through}`
      throw this.#replaced(doing, `offset ${flushed} was flushed before, but there is ${found}`)
    }
    return stored
  }

  /** Null when the stored marker is not the expected one. */
  async #write(marker: Marker, stored: StoredMarker | null, doing: string): Promise<StoredMarker | null> {
    const { partition, segmentStart, through } = marker
    const { status, body } = await this.#connection.request<WriteAnswer>({
      doing,
      method: 'PUT',
      path: this.#path(stored === null ? '_create' : '_doc', partition, segmentStart),
      query: stored === null ? {} : { if_seq_no: stored.sequence, if_primary_term: stored.term },
      body: markerDocument(marker),
      accept: [404, 409],
    })
    if (status === 404) throw this.#replaced(doing, 'the index is gone')
    return status === 409 ? null : { through, sequence: body._seq_no, term: body._primary_term }
  }

  #path(kind: string, partition: number, segmentStart: Offset): string {
    return `/${encodeURIComponent(this.#index)}/${kind}/${encodeURIComponent(markerId(partition, segmentStart))}`
  }

  #replaced(doing: string, why: string): ElasticsearchError {
    const message = `Elasticsearch at ${this.#connection.node}, index ${this.#index}: ${doing}: ${why}; the index was deleted, restored, or cleared by another owner. The open segment is folded again from the log`
    return new ElasticsearchError('replaced', message)
  }
}
