/** Bounds of a definition, and the hash that tells two definitions apart. */
import { createHash } from 'node:crypto'

export const DEFINITION_LIMITS = { columnsMax: 256, viewsMax: 64, dimensionsMax: 16, measuresMax: 64 } as const

/** Names of datasets, columns, views, dimensions and measures. */
export const NAME = /^[a-z][a-z0-9_]{0,62}$/

/** sha-256 of a value's JSON, 16 hex digits */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
}
