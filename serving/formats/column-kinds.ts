/** What formats distinguish among the engine's types. One rule for each kind: docs/reference/formats.md. */
import { decimalOf } from '#core/stored-value.ts'

export type ColumnKind =
  | { readonly kind: 'boolean' | 'double' | 'text' | 'date' | 'timestamp' }
  | { readonly kind: 'integer'; readonly bits: 8 | 16 | 32 | 64; readonly signed: boolean }
  | { readonly kind: 'decimal'; readonly digits: number; readonly scale: number }
  | { readonly kind: 'list'; readonly element: ColumnKind }

const BITS = { TINYINT: 8, SMALLINT: 16, INTEGER: 32, BIGINT: 64 } as const

/** @param type the engine's name of it */
export function columnKind(type: string): ColumnKind {
  if (type.endsWith('[]')) return { kind: 'list', element: columnKind(type.slice(0, -2)) }
  const decimal = decimalOf(type)
  if (decimal !== null) return { kind: 'decimal', ...decimal }
  const integer = /^(U?)(TINYINT|SMALLINT|INTEGER|BIGINT)$/.exec(type)
  if (integer !== null)
    return { kind: 'integer', bits: BITS[integer[2] as keyof typeof BITS], signed: integer[1] === '' }
  if (type === 'HUGEINT' || type === 'UHUGEINT') return { kind: 'decimal', digits: 38, scale: 0 }
  if (type === 'BOOLEAN') return { kind: 'boolean' }
  if (type === 'DOUBLE' || type === 'FLOAT') return { kind: 'double' }
  if (type === 'DATE') return { kind: 'date' }
  if (type.startsWith('TIMESTAMP')) return { kind: 'timestamp' }
  return { kind: 'text' }
}

/** The engine's type of a column of the kind, as binary formats have it: each moment with its zone, whole numbers never as doubles. */
export function engineType(kind: ColumnKind): string {
  switch (kind.kind) {
    case 'list':
      return `${engineType(kind.element)}[]`
    case 'decimal':
      return `DECIMAL(${kind.digits},${kind.scale})`
    case 'integer':
      return `${kind.signed ? '' : 'U'}${{ 8: 'TINYINT', 16: 'SMALLINT', 32: 'INTEGER', 64: 'BIGINT' }[kind.bits]}`
    case 'timestamp':
      return 'TIMESTAMP WITH TIME ZONE'
    case 'text':
      return 'VARCHAR'
    default:
      return kind.kind.toUpperCase()
  }
}
