/** Validates one row at ingest: UTF-8, JSON, and an event of the dataset. What the engine could not read is rejected here, not later. */
import { isUtf8 } from 'node:buffer'
import type { CompiledDataset } from '#core/compiled.ts'
import { isTooDeep, TOO_DEEP, whyUnreadable } from '#core/json-text.ts'

export type RowCheck = ReturnType<CompiledDataset['check']>

/** Never throws: any problem with the row is returned as the reason. */
export function checkRow(dataset: Pick<CompiledDataset, 'check'>, bytes: Buffer): RowCheck {
  if (!isUtf8(bytes)) return { ok: false, reason: 'the row is not UTF-8 text' }
  // Before parsing: a megabyte of brackets becomes a hundred times as much memory.
  if (isTooDeep(bytes)) return { ok: false, reason: TOO_DEEP }
  const text = bytes.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    const reason = whyUnreadable(text, value)
    return reason === null ? dataset.check(value, text) : { ok: false, reason }
  } catch (error) {
    return { ok: false, reason: `the row is not valid JSON: ${(error as Error).message}` }
  }
}
