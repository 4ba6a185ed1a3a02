/**
 * Slots of keys: where a view without panes is cut by its keys, each file has those of a range of slots. A slot comes from a hash, so that
 * slots are even however keys are distributed, and new keys fall into all of them.
 */
import type { SqlColumn } from './compiled.ts'
import { quoteName } from './sql-names.ts'

/** Slots are 0 … KEY_SLOTS − 1. */
export const KEY_SLOTS = 65_536

/** Types of which equal values have one text, in every version of the engine, also after a file of Parquet. */
const ONE_TEXT = new Set(['VARCHAR', 'BOOLEAN', 'DATE', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT'])

/**
 * SQL of the slot of a row with these dimensions: equal keys have the same one. Null where the view has no key, or one whose text
 * could differ for equal values.
 *
 * @example keySlotSql([{ name: 'id', type: 'BIGINT' }])
 * // CAST('0x' || substr(md5(CASE WHEN "id" IS NULL THEN '-' ELSE '+' || CAST("id" AS VARCHAR) END), 1, 4) AS INTEGER)
 */
export function keySlotSql(dimensions: readonly SqlColumn[]): string | null {
  if (dimensions.length === 0 || dimensions.some(({ type }) => !ONE_TEXT.has(type))) return null
  const texts = dimensions.map(({ name }) => {
    const value = quoteName(name)
    return `CASE WHEN ${value} IS NULL THEN '-' ELSE '+' || CAST(${value} AS VARCHAR) END`
  })
  return `CAST('0x' || substr(md5(${texts.join(` || chr(31) || `)}), 1, 4) AS INTEGER)`
}
