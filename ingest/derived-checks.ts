/** Checks the rows of an offer whose keys, times or required columns are derived: each row in JavaScript first, the usable ones together in the engine. */
import { setImmediate as turn } from 'node:timers/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import { checkRow, type RowCheck } from './check-row.ts'
import type { EventDeriver } from './event-deriver.ts'
import { type Rows, rowOf } from './rows.ts'

const ROWS_PER_TURN = 1_000
const LINE_FEED = Buffer.from('\n')

export interface DerivedParts {
  readonly dataset: Pick<CompiledDataset, 'check'>
  readonly deriver: EventDeriver
  readonly recordBytesMax: number
}

/** A check for each row; rows that are no events, too long or contain a line break are left to the caller. */
export async function derivedChecks(parts: DerivedParts, rows: Rows, nowMs: number): Promise<RowCheck[]> {
  const { dataset, deriver, recordBytesMax } = parts
  const checks: RowCheck[] = []
  const lines: Buffer[] = []
  const places: number[] = []
  for (let index = 0; index < rows.starts.length; index++) {
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await turn()
    const row = rowOf(rows, index)
    const isLine = !rows.faults?.has(index) && row.length <= recordBytesMax && !row.includes(LINE_FEED)
    const check: RowCheck = isLine ? checkRow(dataset, row, nowMs) : { ok: false, reason: 'not one line' }
    checks.push(check)
    if (!check.ok) continue
    lines.push(row, LINE_FEED)
    places.push(index)
  }
  const verdicts = await deriver.verdicts({ lines: Buffer.concat(lines), count: places.length }, nowMs)
  for (const [at, verdict] of verdicts.entries()) {
    const checked = checks[places[at]!]!
    if ('reason' in verdict) checks[places[at]!] = { ok: false, reason: verdict.reason }
    else if (checked.ok) checks[places[at]!] = { ...checked, key: verdict.key }
  }
  return checks
}
