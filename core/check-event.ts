/** Validates events in plain JavaScript: at ingest, and to find the reason of a dead letter. */
import { type AcceptedTimes, acceptedTimes, whyNotAccepted } from './accepted-times.ts'
import type { CompiledDataset } from './compiled.ts'
import { failureFinder } from './conversion-failures.ts'
import type { DatasetDefinition, ReadColumn } from './definition-parts.ts'
import { EventScan } from './event-scan.ts'
import { FlatScan } from './flat-scan.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { isTooDeep, TOO_DEEP, whyUnreadable } from './json-text.ts'
import { readColumns } from './read-columns.ts'
import { sentText } from './sent-value.ts'
import { columnTimeMs, keyText, whyUnusable } from './usable-value.ts'
import type { CheckedColumn } from './value-check.ts'
import { type SizedColumn, sizedColumns, whyTooLarge } from './value-sizes.ts'

type Check = CompiledDataset['check']

export function eventCheck(
  definition: DatasetDefinition,
): Pick<CompiledDataset, 'check' | 'scanKey' | 'scanFlat' | 'explain' | 'timeMsOf'> {
  const sized = sizedColumns(definition)
  const columns = readColumns(definition.columns)
  const needed = Object.entries(columns)
    .filter(([name, column]) => column.required || name === definition.time)
    .filter(([, column]) => column.default === undefined)
    .map(([name, column]) => ({ name, column, path: parseJsonPath(column.path)! }))
  const accepted = acceptedTimes(definition)
  const timeProblem = timeCheck(definition.time, columns[definition.time], accepted)
  const keyOf = keyCheck(definition.key, columns[definition.key])
  const findFailures = failureFinder(columns)
  const rejecting = new Set(Object.keys(columns).filter((name) => columns[name]!.onError === 'reject'))
  const check: Check = (value, text, arrivalMs) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      return { ok: false, reason: 'an event must be a JSON object' }
    }
    const refused = timeProblem(value, text, arrivalMs)
    if (refused) return { ok: false, reason: refused }
    for (const { name, column, path } of needed) {
      const reason = whyUnusable(valueAt(value, path), column, () => sentText(text, path))
      if (reason) return { ok: false, reason: `${name} (${column.path}): ${reason}` }
    }
    const key = keyOf(value, text)
    if (!key.ok) return key
    const large = whyTooLarge(value, sized)
    if (large) return { ok: false, reason: large }
    const failures = findFailures(value, text)
    const fatal = failures.find(({ column }) => rejecting.has(column))
    if (fatal === undefined) return { ok: true, key: key.text, failures }
    const { type, path } = columns[fatal.column]!
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
  const all = Object.entries(columns).map(([name, column]) => ({
    column,
    needed: neededNames.has(name),
    key: name === definition.key,
    accepted: name === definition.time ? accepted : null,
  }))
  const timeMsOf = timeReader(columns[definition.time])
  if (!(definition.key in columns)) return { check, scanKey: () => null, scanFlat: () => null, explain, timeMsOf }
  const scan = new EventScan(all)
  // A value cannot be larger than its event: only of a large event each value is looked at.
  const largest = Math.min(...sized.map(({ max }) => max))
  const allSized = withSizes(all, sized)
  const sizedScan = new EventScan(allSized)
  const scanKey: CompiledDataset['scanKey'] = (bytes, from, end, arrivalMs) =>
    (end - from > largest ? sizedScan : scan).keyOf(bytes, from, end, arrivalMs)
  const scanFlat: CompiledDataset['scanFlat'] = (shape) => FlatScan.of(allSized, shape)
  return { check, scanKey, scanFlat, explain, timeMsOf }
}

/** Why an event time is not usable; of a derived one only the engine can tell. */
function timeCheck(
  name: string,
  column: ReadColumn | undefined,
  accepted: AcceptedTimes,
): (event: object, text: string, arrivalMs: number) => string | null {
  if (column === undefined) return () => null
  const path = parseJsonPath(column.path)!
  return (event, text, arrivalMs) => {
    const value = valueAt(event, path)
    const refused = whyNotAccepted(accepted, column, { value, shown: () => sentText(text, path), arrivalMs })
    return refused && `${name} (${column.path}): ${refused}`
  }
}

type KeyVerdict = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string }

/** The text of the key; empty for a derived one, which only the engine can tell. */
function keyCheck(name: string, column: ReadColumn | undefined): (event: object, text: string) => KeyVerdict {
  if (column === undefined) return () => ({ ok: true, text: '' })
  const path = parseJsonPath(column.path)!
  return (event, text) => {
    const key = valueAt(event, path)
    const unclear = key === undefined || key === null ? null : whyUnusable(key, column, () => sentText(text, path))
    if (unclear === null) return { ok: true, text: keyText(key, column) }
    return { ok: false, reason: `${name} (${column.path}): ${unclear}; this key determines the partition` }
  }
}

/** Reads the event time of a line; null for a derived one, which only the engine can tell. */
function timeReader(column: ReadColumn | undefined): CompiledDataset['timeMsOf'] {
  if (column === undefined) return null
  const path = parseJsonPath(column.path)!
  return (line) => {
    if (isTooDeep(line)) return null
    try {
      const value: unknown = JSON.parse(line.toString())
      return value !== null && typeof value === 'object' ? columnTimeMs(valueAt(value, path), column) : null
    } catch {
      return null
    }
  }
}

function withSizes(checked: readonly CheckedColumn[], sized: readonly SizedColumn[]): CheckedColumn[] {
  const sizes = new Map<ReadColumn, number>()
  for (const { column, max } of sized) sizes.set(column, Math.min(max, sizes.get(column) ?? max))
  return checked.map((each) => ({ ...each, bytesMax: sizes.get(each.column) }))
}
