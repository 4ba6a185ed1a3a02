/** Validates events in plain JavaScript: at ingest, and to find the reason of a dead letter. */
import type { CompiledDataset } from './compiled.ts'
import type { ColumnDefinition, DatasetDefinition } from './definition.ts'
import { type CheckedColumn, EventScan } from './event-scan.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { isTooDeep, TOO_DEEP, whyUnreadable } from './json-text.ts'
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
  const check: Check = (value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      return { ok: false, reason: 'an event must be a JSON object' }
    }
    for (const { name, column, path } of needed) {
      const reason = whyUnusable(valueAt(value, path), column)
      if (reason) return { ok: false, reason: `${name} (${column.path}): ${reason}` }
    }
    const key = valueAt(value, keyPath)
    const unclear = key === undefined || key === null ? null : whyUnusable(key, keyColumn)
    if (unclear)
      return {
        ok: false,
        reason: `${definition.key} (${keyColumn.path}): ${unclear}; this key determines the partition`,
      }
    const large = whyTooLarge(value, sized)
    if (large) return { ok: false, reason: large }
    return { ok: true, key: keyText(key, keyColumn) }
  }
  const explain = (line: string): string | null => {
    if (isTooDeep(Buffer.from(line))) return TOO_DEEP
    try {
      const value: unknown = JSON.parse(line)
      const verdict = check(value)
      return verdict.ok ? whyUnreadable(line, value) : verdict.reason
    } catch (error) {
      return `the record is not valid JSON: ${(error as Error).message}`
    }
  }
  const checked = needed.map(({ name, column }) => ({ column, needed: true, key: name === definition.key }))
  const all = checked.some(({ key }) => key) ? checked : [...checked, { column: keyColumn, needed: false, key: true }]
  const scan = new EventScan(all)
  // A value cannot be larger than its event: only of a large event each value is looked at.
  const largest = Math.min(...sized.map(({ max }) => max))
  const sizedScan = new EventScan(withSizes(all, sized))
  const scanKey: CompiledDataset['scanKey'] = (bytes, from, end) =>
    (end - from > largest ? sizedScan : scan).keyOf(bytes, from, end)
  return { check, scanKey, explain }
}

function withSizes(checked: readonly CheckedColumn[], sized: readonly SizedColumn[]): CheckedColumn[] {
  const sizes = new Map<ColumnDefinition, number>()
  for (const { column, max } of sized) sizes.set(column, Math.min(max, sizes.get(column) ?? max))
  const others = [...sizes.keys()].filter((column) => !checked.some((each) => each.column === column))
  const all = [...checked, ...others.map((column) => ({ column, needed: false, key: false }))]
  return all.map((each) => ({ ...each, bytesMax: sizes.get(each.column) }))
}
