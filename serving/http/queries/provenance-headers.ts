/**
 * What an answer says of itself, as headers: for formats whose rows have no room for it, for proxies and logs, and for clients that only
 * want to know whether something is new.
 */
import { positionText } from '#core/log-position.ts'
import type { Offset } from '#core/offsets.ts'
import type { AnswerAge, AnswerMeta } from '#serving/answers/answer-meta.ts'

/** With more partitions, an answer has no headers for offsets, so that they stay short; `meta` has them. */
export const PARTITIONS_IN_HEADERS_MAX = 64

/** Longer totals (texts among them) are only in `meta`. */
export const TOTALS_CHARS_MAX = 2_048

export type ProvenanceHeaders = Readonly<Record<string, string>>

/** Those that do not change while an answer is kept. */
export function lastingHeaders(
  meta: Pick<AnswerMeta, 'position' | 'boundary' | 'generation' | 'exact' | 'gapFree' | 'truncated'> &
    Partial<Pick<AnswerMeta, 'totals' | 'removed'>>,
): ProvenanceHeaders {
  return {
    ...offsets('watershed-position', meta.position),
    ...offsets('watershed-boundary', meta.boundary),
    'watershed-generation': meta.generation?.id ?? 'none',
    'watershed-exact': String(meta.exact),
    'watershed-gap-free': String(meta.gapFree),
    'watershed-truncated': String(meta.truncated),
    ...(meta.removed ? { 'watershed-removed-before': meta.removed.before } : {}),
    ...totals(meta.totals ?? null),
  }
}

/** Those that change with the clock, and with what arrives. */
export function ageHeaders({ behind, asOf }: Pick<AnswerAge, 'behind' | 'asOf'>): ProvenanceHeaders {
  return { 'watershed-behind': behind === null ? 'unknown' : String(behind), 'watershed-as-of': asOf ?? 'never' }
}

/** JSON in ASCII. */
function totals(row: AnswerMeta['totals']): ProvenanceHeaders {
  if (row === null) return {}
  const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  const text = JSON.stringify(row).replaceAll(/[^ -~]/g, escaped)
  return text.length > TOTALS_CHARS_MAX ? {} : { 'watershed-totals': text }
}

function offsets(name: string, ofPartitions: readonly Offset[]): ProvenanceHeaders {
  if (ofPartitions.length > PARTITIONS_IN_HEADERS_MAX) return {}
  return { [name]: positionText(new Map(ofPartitions.map((offset, partition) => [partition, offset]))) }
}
