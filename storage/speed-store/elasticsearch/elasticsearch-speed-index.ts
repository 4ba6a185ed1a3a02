/**
 * Names, mapping and documents of the speed store's indices. One index per partition with one shard: what a search sees of it is
 * always a state that the shard went through, so a search that sees a marker sees everything that was written before it.
 *
 * An index is never made again under its name: the name ends in random digits, and readers find it by its alias, of which the
 * server allows one write index. So of two that create it one wins, and an owner that goes on with a deleted index is refused.
 */
import { hash, randomUUID } from 'node:crypto'
import type { Offset } from '#core/offsets.ts'
import { rowChecksum } from '../row-checksum.ts'
import type { Marker, PartialRow } from '../speed-store.ts'

/** raise it when documents or mapping change: other formats have other names, and are not read */
const FORMAT = 3

export interface SpeedIndexOwner {
  /** begins every name that the product gives in the cluster */
  readonly prefix: string
  readonly dataset: string
  /** identity of the log whose offsets these are */
  readonly log: string
}

/** A stored document; `row` is a state row's or a marker's JSON text, which the server keeps and does not look into. */
export interface SpeedDocument {
  readonly kind: 'partial' | 'marker'
  readonly segment: string
  readonly row: string
  /** of `row` */
  readonly crc: number
}

export const PREFIX = /^[a-z][a-z0-9_-]{0,62}$/

export class SpeedIndexNames {
  readonly owner: SpeedIndexOwner
  readonly #base: string

  /** @throws RangeError when the prefix cannot begin an index's name */
  constructor(owner: SpeedIndexOwner) {
    if (!PREFIX.test(owner.prefix)) throw new RangeError(`index prefix '${owner.prefix}' must match ${PREFIX.source}`)
    this.owner = owner
    this.#base = `${owner.prefix}-speed-${owner.dataset}-${hash('sha256', `${FORMAT}:${owner.log}`).slice(0, 12)}`
  }

  /** of the partition's index */
  alias(partition: number): string {
    return `${this.#base}-p${partition}`
  }

  fresh(partition: number): string {
    return `${this.alias(partition)}-${randomUUID().slice(0, 8)}`
  }

  /** matches the indices of all partitions */
  get everyPartition(): string {
    return `${this.#base}-p*`
  }

  /** matches also the indices of other logs of the dataset */
  get everyLog(): string {
    return `${this.owner.prefix}-speed-${this.owner.dataset}-*`
  }

  get template(): string {
    return `${this.owner.prefix}-speed`
  }

  templateBody(replicas: number): object {
    return {
      index_patterns: [`${this.owner.prefix}-speed-*`],
      priority: 500,
      // A write to an index that is gone must fail, not make a new one.
      allow_auto_create: false,
      template: {
        settings: {
          number_of_shards: 1,
          number_of_replicas: replicas,
          // Owners refresh behind their markers: so a search finds whole flushes.
          refresh_interval: '-1',
          // A deleted row leaves nothing that could keep a later one out.
          gc_deletes: '0s',
          hidden: true,
        },
        mappings: MAPPINGS,
      },
    }
  }

  createBody(partition: number): object {
    const { dataset, log } = this.owner
    return {
      aliases: { [this.alias(partition)]: { is_write_index: true, is_hidden: true } },
      mappings: { _meta: { dataset, log, format: FORMAT } },
    }
  }
}

const MAPPINGS = {
  dynamic: 'strict',
  properties: {
    kind: { type: 'keyword', doc_values: false },
    /** "partition:start" */
    segment: { type: 'keyword', doc_values: false },
    start: { type: 'long', doc_values: false },
    view: { type: 'keyword', doc_values: false },
    /** start of the pane, epoch ms; absent in rows without time */
    pane: { type: 'long', doc_values: false },
    crc: { type: 'long', index: false, doc_values: false },
    row: { type: 'object', enabled: false },
  },
} as const

export function segmentOf(partition: number, start: Offset): string {
  return `${partition}:${start}`
}

export function markerId(partition: number, start: Offset): string {
  return `marker:${segmentOf(partition, start)}`
}

export function markerDocument(marker: Marker): object {
  const { partition, segmentStart } = marker
  const row = JSON.stringify(marker)
  const segment = segmentOf(partition, segmentStart)
  const document: SpeedDocument = { kind: 'marker', segment, row, crc: rowChecksum(row) }
  return { ...document, start: segmentStart }
}

/** Whether the document is as it was written. */
export function isIntact({ row, crc }: SpeedDocument): boolean {
  return crc === rowChecksum(row)
}

/** Of a document that is intact. */
export function markerOf(document: SpeedDocument): Marker {
  return JSON.parse(document.row) as Marker
}

/** The hash of the partial's identity. */
export function partialId({ view, partition, segmentStart, key }: PartialRow): string {
  return hash('sha256', `${view}\n${partition}\n${segmentStart}\n${key}`, 'base64url').slice(0, 24)
}

/** The bulk operation that writes the partial, unless a higher version is there. */
export function partialOperation(partial: PartialRow): string {
  const { view, partition, segmentStart, pane, version, row } = partial
  const paned = pane === null ? '' : `,"pane":${pane}`
  return `{"index":{"_id":"${partialId(partial)}","version":${version},"version_type":"external_gte"}}
{"kind":"partial","segment":"${partition}:${segmentStart}","start":${segmentStart},"view":${JSON.stringify(view)}${paned},"crc":${rowChecksum(row)},"row":${JSON.stringify(row)}}
`
}
