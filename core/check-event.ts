/**
 * Why an event can not be used, in plain JavaScript: the check at the door, and the reason in a dead letter. It is a
 * little stricter than the engine's conversions (which also read "7.5" as 8), never laxer for well-formed JSON.
 */

import { TIME_MS_MAX, TIME_MS_MIN } from './compile-decode.ts'
import type { CompiledDataset } from './compiled.ts'
import type { ColumnDefinition, DatasetDefinition } from './definition.ts'
import { type JsonPath, parseJsonPath, valueAt } from './json-path.ts'

type Check = CompiledDataset['check']

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d(?::\d\d)?)?)?$/
const WHOLE = /^-?\d{1,18}$/
const NUMBER = /^-?\d{1,15}(\.\d{1,15})?$/

export function eventCheck(definition: DatasetDefinition): { check: Check; explain: CompiledDataset['explain'] } {
  const needed = Object.entries<ColumnDefinition>(definition.columns)
    .filter(([name, column]) => column.required || name === definition.time)
    .filter(([, column]) => column.default === undefined)
    .map(([name, column]) => ({ name, column, path: parseJsonPath(column.path)! }))
  const key = parseJsonPath(definition.columns[definition.key]!.path)!
  const check: Check = (value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      return { ok: false, reason: 'an event is a JSON object' }
    }
    for (const { name, column, path } of needed) {
      const reason = whyUnusable(valueAt(value, path), column)
      if (reason) return { ok: false, reason: `${name} (${column.path}): ${reason}` }
    }
    return { ok: true, key: keyText(value, key) }
  }
  const explain = (line: string): string | null => {
    try {
      const verdict = check(JSON.parse(line))
      return verdict.ok ? null : verdict.reason
    } catch (error) {
      return `the record is no JSON: ${(error as Error).message}`
    }
  }
  return { check, explain }
}

/** Text of the key. Whole numbers past 2^53 lose digits here, which does no harm: the text only decides the partition. */
function keyText(value: unknown, path: JsonPath): string {
  const key = valueAt(value, path)
  return typeof key === 'object' ? JSON.stringify(key ?? null) : String(key)
}

function whyUnusable(value: unknown, column: ColumnDefinition): string | null {
  if (value === undefined || value === null) return 'is missing, and required'
  const shown = JSON.stringify(value).slice(0, 80)
  if (column.type === 'TIMESTAMP')
    return isTime(value, column.unit ?? 'iso') ? null : `${shown} is no time (${column.unit ?? 'iso'}, years 1 to 9999)`
  if (column.type === 'BIGINT' || column.type === 'INTEGER') {
    const limit = column.type === 'BIGINT' ? 2 ** 63 : 2 ** 31
    return isWhole(value) && Math.abs(Number(value)) < limit ? null : `${shown} is no ${column.type}`
  }
  if (column.type === 'DOUBLE' || column.type.startsWith('DECIMAL'))
    return isNumber(value) ? null : `${shown} is no ${column.type}`
  if (column.type === 'BOOLEAN') return typeof value === 'boolean' ? null : `${shown} is no BOOLEAN`
  if (column.type === 'DATE') return typeof value === 'string' && isIso(value) ? null : `${shown} is no DATE`
  if (column.type.endsWith('[]')) return Array.isArray(value) ? null : `${shown} is no list`
  return null
}

function isWhole(value: unknown): boolean {
  return (typeof value === 'number' && Number.isFinite(value)) || (typeof value === 'string' && WHOLE.test(value))
}

function isNumber(value: unknown): boolean {
  return (typeof value === 'number' && Number.isFinite(value)) || (typeof value === 'string' && NUMBER.test(value))
}

function isTime(value: unknown, unit: 's' | 'ms' | 'us' | 'iso'): boolean {
  if (unit === 'iso') return typeof value === 'string' && isIso(value)
  if (!isWhole(value)) return false
  const ms = Number(value) * { s: 1_000, ms: 1, us: 0.001 }[unit]
  return ms >= TIME_MS_MIN && ms <= TIME_MS_MAX - 1_000
}

function isIso(text: string): boolean {
  const match = ISO.exec(text)
  if (!match || match[1]!.startsWith('0000')) return false
  const day = new Date(`${match[1]}T00:00:00Z`)
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== match[1]) return false
  return !Number.isNaN(Date.parse(`1970-01-01T${(match[2] ?? '00:00').slice(0, 12)}Z`))
}
