/** Validates events in plain JavaScript: at ingest, and to find the reason of a dead letter. */
import { acceptedTimes, whyNotAccepted } from './accepted-times.ts'
import type { CompiledDataset } from './compiled.ts'
import { failureFinder } from './conversion-failures.ts'
import type { ColumnDefinition, DatasetDefinition } from './definition.ts'
import { type CheckedColumn, EventScan } from './event-scan.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { isTooDeep, TOO_DEEP, whyUnreadable } from './json-text.ts'
import { sentText } from './sent-value.ts'
import { keyText, whyUnusable } from './usable-value.ts'
import { type SizedColumn, sizedColumns, whyTooLarge } from './value-sizes.ts'

type Check = CompiledDataset['check']

export function eventCheck(definition: DatasetDefinition): Pick<CompiledDataset, 'check' | 'scanKey' | 'explain'> {
  const sized = sizedColumns(definition)
  const needed = Object.entries<ColumnDefinition>(definition.columns)
    .filter(([name, column]) => column.required || name === definition.time)
    .filter(([, column]) => column.default === undefined)
    .map(([name, column]) => ({ name, column, path: parseJsonPath(column.path)! }))
  const keyColumn: ColumnDefinition = definition.columns[definition.key]!
  const keyPath = parseJsonPath(keyColumn.path)!
  const timeColumn: ColumnDefinition = definition.columns[definition.time]!
  const timePath = parseJsonPath(timeColumn.path)!
  const accepted = acceptedTimes(definition)
  const findFailures = failureFinder(definition.columns)
  const rejecting = new Set(
    Object.keys(definition.columns).filter((name) => definition.columns[name]!.onError === 'reject'),
  )
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
    const large = whyTooLarge(value, sized)
    if (large) return { ok: false, reason: large }
    const failures = findFailures(value, text)
    const fatal = failures.find(({ column }) => rejecting.has(column))
    if (fatal === undefined) return { ok: true, key: keyText(key, keyColumn), failures }
    const { type, path }: ColumnDefinition = definition.columns[fatal.column]!
    return {
      ok: false,
      reason: `${fatal.column} (${path}): ${fatal.value} cannot be converted to ${type}, and the column has onError 'reject'`,
    }
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
  const neededNames = new Set(needed.map(({ name }) => name))
  const all = Object.entries<ColumnDefinition>(definition.columns).map(([name, column]) => ({
    column,
    needed: neededNames.has(name),
    key: name === definition.key,
    accepted: name === definition.time ? accepted : null,
  }))
  const scan = new EventScan(all)
  // A value cannot be larger than its event: only of a large event each value is looked at.
  const largest = Math.min(...sized.map(({ max }) => max))
  const sizedScan = new EventScan(withSizes(all, sized))
  const scanKey: CompiledDataset['scanKey'] = (bytes, from, end, arrivalMs) =>
    (end - from > largest ? sizedScan : scan).keyOf(bytes, from, end, arrivalMs)
  return { check, scanKey, explain }
}

function withSizes(checked: readonly CheckedColumn[], sized: readonly SizedColumn[]): CheckedColumn[] {
  const sizes = new Map<ColumnDefinition, number>()
  for (const { column, max } of sized) sizes.set(column, Math.min(max, sizes.get(column) ?? max))
  return checked.map((each) => ({ ...each, bytesMax: sizes.get(each.column) }))
}
