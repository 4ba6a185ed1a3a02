/** Names, settings and mapping of the indices that hold presented rows. */
import { randomUUID } from 'node:crypto'
import type {
  PresentedField,
  PresentedIndex,
  PresentedProgress,
  PresentedRow,
  PresentedType,
} from '../presented-store.ts'

const DAY_MS = 86_400_000

const MAPPING: Readonly<Record<PresentedType, object>> = {
  // Longer texts are stored, but not indexed: one over 32,766 bytes would make the server refuse the row.
  keyword: { type: 'keyword', ignore_above: 8_191 },
  long: { type: 'long' },
  double: { type: 'double' },
  boolean: { type: 'boolean' },
  date: { type: 'date', format: 'strict_date_optional_time' },
  geo_point: { type: 'geo_point' },
}

/** A separate index for each filling: the name that users query is its alias. */
export function freshName(index: PresentedIndex): string {
  return `${index.name}-${Date.now()}-${randomUUID().slice(0, 8)}`
}

/** e.g. meetup_rsvps-trending_topics-2026.11.21 */
export function dayName(index: PresentedIndex, dayMs: number): string {
  return `${index.name}-${new Date(dayMs).toISOString().slice(0, 10).replaceAll('-', '.')}`
}

/** End of the day in the name's suffix, epoch ms; null for other names. */
export function dayEndMs(name: string): number | null {
  const match = /-(\d{4})\.(\d\d)\.(\d\d)$/.exec(name)
  return match === null ? null : Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) + DAY_MS
}

export function creationBody(
  index: PresentedIndex,
  replicas: number,
  alias: boolean,
  progress: PresentedProgress | null,
): object {
  return {
    ...(alias ? { aliases: { [index.name]: {} } } : {}),
    settings: {
      number_of_shards: 1,
      number_of_replicas: replicas,
      // Rows become visible when a filling is complete.
      refresh_interval: '-1',
    },
    mappings: {
      dynamic: 'strict',
      ...(progress === null ? {} : { _meta: metaOf(progress) }),
      properties: Object.fromEntries(index.fields.map(({ name, type }: PresentedField) => [name, MAPPING[type]])),
    },
  }
}

export function metaOf(progress: PresentedProgress): object {
  return { presented_by: 'watershed', ...progress }
}

export function rowOperation(index: string, { id, json, version }: PresentedRow): string {
  const action = { index: { _index: index, _id: id, version, version_type: 'external_gte' } }
  return `${JSON.stringify(action)}\n${json}\n`
}
