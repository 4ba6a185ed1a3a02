/** Validates events in plain JavaScript: at ingest, and to find the reason of a dead letter. */
import { acceptedTimes, whyNotAccepted } from './accepted-times.ts'
import type { CompiledDataset } from './compiled.ts'
import { failureFinder } from './conversion-failures.ts'
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
  const scan = new EventScan(
    Object.entries<ColumnDefinition>(definition.columns).map(([name, column]) => ({
      column,
      needed: neededNames.has(name),
      key: name === definition.key,
      accepted: name === definition.time ? accepted : null,
    })),
  )
  return { check, scanKey: (bytes, from, end, arrivalMs) => scan.keyOf(bytes, from, end, arrivalMs), explain }
}
