/** Looks at one row at the door: is it text, JSON, and an event of the dataset? What the engine could not read is told here, not later. */
import { isUtf8 } from 'node:buffer'
import type { CompiledDataset } from '#core/compiled.ts'
import { whyUnreadable } from '#core/json-text.ts'

export type RowCheck = ReturnType<CompiledDataset['check']>

/** An escape that may be half of a surrogate pair; rare, so that the walk over all strings is rare, too. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/

/** Never throws: whatever is wrong with the row is the reason. */
export function checkRow(dataset: Pick<CompiledDataset, 'check'>, bytes: Buffer): RowCheck {
  if (!isUtf8(bytes)) return { ok: false, reason: 'the row is not UTF-8 text' }
  const text = bytes.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    if (SURROGATE_ESCAPE.test(text) && !isWellFormed(value)) {
      return { ok: false, reason: 'a text holds half of a surrogate pair (\\ud800 to \\udfff), which is no character' }
    }
    const reason = whyUnreadable(text, value)
    return reason === null ? dataset.check(value) : { ok: false, reason }
  } catch (error) {
    return { ok: false, reason: `the row is no JSON: ${(error as Error).message}` }
  }
}

function isWellFormed(value: unknown): boolean {
  const open: unknown[] = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next === 'string' && !next.isWellFormed()) return false
    if (next !== null && typeof next === 'object') {
      for (const [name, inner] of Object.entries(next)) open.push(name, inner)
    }
  }
  return true
}
