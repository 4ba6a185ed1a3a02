/** Validates events in plain JavaScript: at ingest, and to find the reason of a dead letter. */
import { acceptedTimes, whyNotAccepted } from './accepted-times.ts'
import type { CompiledDataset } from './compiled.ts'
import type { ColumnDefinition, DatasetDefinition } from './definition.ts'
import { EventScan } from './event-scan.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { isTooDeep, TOO_DEEP, whyUnreadable } from './json-text.ts'
import { sentText } from './sent-value.ts'
import { keyText, whyUnusable } from './usable-value.ts'

type Check = CompiledDataset['check']

export function eventCheck(definition: DatasetDefinition): Pick<CompiledDataset, 'check' | 'scanKey' | 'explain'> {
  const needed = Object.entries<ColumnDefinition>(definition.columns)
    .filter(([name, column]) => column.required || name === definition.time)
    .filter(([, column]) => column.default === undefined)
    .map(([name, column]) => ({ name, column, path: parseJsonPath(column.path)! }))
  const keyColumn: ColumnDefinition = definition.columns[definition.key]!
  const keyPath = parseJsonPath(keyColumn.path)!
  const timeColumn: ColumnDefinition = definition.columns[definition.time]!
  const timePath = parseJsonPath(timeColumn.path)!
  const accepted = acceptedTimes(definition)
  const check: Check = (value, text, arrivalMs) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      return { ok: false, reason: 'an event must be a JSON object' }
    }
    const time = valueAt(value, timePath)
    const refused = whyNotAccepted(accepted, timeColumn, {
      value: time,
      shown: () => sentText(text, timePath),
      arrivalMs,
    })
    if (refused) return { ok: false, reason: `${definition.time} (${timeColumn.path}): ${refused}` }
    for (const { name, column, path } of needed) {
      const reason = whyUnusable(valueAt(value, path), column, () => sentText(text, path))
      if (reason) return { ok: false, reason: `${name} (${column.path}): ${reason}` }
    }
    const key = valueAt(value, keyPath)
    const unclear =
      key === undefined || key === null ? null : whyUnusable(key, keyColumn, () => sentText(text, keyPath))
    if (unclear)
      return {
        ok: false,
        reason: `${definition.key} (${keyColumn.path}): ${unclear}; this key determines the partition`,
      }
    return { ok: true, key: keyText(key, keyColumn) }
  }
  const explain = (line: string, arrivalMs: number): string | null => {
    if (isTooDeep(Buffer.from(line))) return TOO_DEEP
    try {
      const value: unknown = JSON.parse(line)
      const verdict = check(value, line, arrivalMs)
      return verdict.ok ? whyUnreadable(line, value) : verdict.reason
    } catch (error) {
      return `the record is not valid JSON: ${(error as Error).message}`
    }
  }
  const checked = needed.map(({ name, column }) => ({
    column,
    needed: true,
    key: name === definition.key,
    accepted: name === definition.time ? accepted : null,
  }))
  // A default is always accepted, but a time that is given instead may not be.
  if (timeColumn.default !== undefined) checked.push({ column: timeColumn, needed: false, key: false, accepted })
  const key = { column: keyColumn, needed: false, key: true, accepted: null }
  const scan = new EventScan(checked.some((each) => each.key) ? checked : [...checked, key])
  return { check, scanKey: (bytes, from, end, arrivalMs) => scan.keyOf(bytes, from, end, arrivalMs), explain }
}
