/** Numbers, times and durations as the reader's locale writes them. */

import type { Value } from './answer.ts'
import { isCurrency, isMoment, isPercent, type Measure } from './definition.ts'

const LOCALES = [...navigator.languages]
const whole = new Intl.NumberFormat(LOCALES)
const fraction = new Intl.NumberFormat(LOCALES, { maximumFractionDigits: 2 })
const small = new Intl.NumberFormat(LOCALES, { maximumSignificantDigits: 3 })
const compact = new Intl.NumberFormat(LOCALES, { notation: 'compact', maximumSignificantDigits: 3 })
const moment = new Intl.DateTimeFormat(LOCALES, { dateStyle: 'medium', timeStyle: 'medium' })
const names = new Intl.DisplayNames(LOCALES, { type: 'region', fallback: 'code' })

const languages = new Intl.DisplayNames(LOCALES, { type: 'language', fallback: 'code' })

export const NONE = '–'
export const [YES, NO] = ['Yes', 'No']

export function formatNumber(value: number | bigint): string {
  if (typeof value === 'bigint' || Number.isInteger(value)) return whole.format(value)
  if (Math.abs(value) >= 100_000) return whole.format(Math.round(value))
  return (Math.abs(value) < 1 ? small : fraction).format(value)
}

const share = new Intl.NumberFormat(LOCALES, { style: 'percent', maximumFractionDigits: 1 })
const smallShare = new Intl.NumberFormat(LOCALES, { style: 'percent', maximumSignificantDigits: 2 })

/** 0.153 → 15.3% */
export function formatShare(value: number): string {
  return (Math.abs(value) < 0.01 ? smallShare : share).format(value)
}

/** 0.12 → +12% */
export function formatChange(value: number): string {
  return changes.format(value)
}

const changes = new Intl.NumberFormat(LOCALES, {
  style: 'percent',
  maximumFractionDigits: 1,
  signDisplay: 'exceptZero',
})

/** What decides how a number is written. */
export type Written = Pick<Measure, 'kind' | 'format' | 'unit'>

/** A number of this measure, as text: 15.3%, €1,234.50 or 12,345. */
export function formatMeasure(value: number | bigint, measure: Written | undefined): string {
  if (measure === undefined) return formatNumber(value)
  if (isPercent(measure)) return formatShare(Number(value))
  return isCurrency(measure.unit) ? moneyFormat(measure.unit, 'standard').format(value) : formatNumber(value)
}

/** The same for axes, where there is little room: €12K. */
export function formatMeasureCompact(value: number, measure: Written | undefined): string {
  if (measure === undefined) return formatCompact(value)
  if (isPercent(measure)) return formatShare(value)
  return isCurrency(measure.unit) ? moneyFormat(measure.unit, 'compact').format(value) : formatCompact(value)
}

const money = new Map<string, Intl.NumberFormat>()

function moneyFormat(currency: string, notation: 'standard' | 'compact'): Intl.NumberFormat {
  const key = `${currency} ${notation}`
  const digits = notation === 'compact' ? { maximumSignificantDigits: 3 } : {}
  const known = money.get(key) ?? new Intl.NumberFormat(LOCALES, { style: 'currency', currency, notation, ...digits })
  money.set(key, known)
  return known
}

/** For axes and tiles: 12K. */
export function formatCompact(value: number | bigint): string {
  return typeof value === 'number' && Math.abs(value) < 10_000 ? formatNumber(value) : compact.format(value)
}

const BUCKET: Readonly<Record<string, Intl.DateTimeFormatOptions>> = {
  clock: { hour: '2-digit', minute: '2-digit' },
  second: { hour: '2-digit', minute: '2-digit', second: '2-digit' },
  dayClock: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' },
  yearClock: { dateStyle: 'medium', timeStyle: 'short' },
  day: { dateStyle: 'medium' },
  month: { month: 'short', year: 'numeric' },
  year: { year: 'numeric' },
}
const buckets = new Map<string, Intl.DateTimeFormat>()

function bucketFormat(form: string, zone: string): Intl.DateTimeFormat {
  const key = `${form} ${zone}`
  const known = buckets.get(key) ?? new Intl.DateTimeFormat(LOCALES, { ...BUCKET[form], timeZone: zone })
  buckets.set(key, known)
  return known
}

/** The time zone of the reader. */
export const HERE = new Intl.DateTimeFormat().resolvedOptions().timeZone

/** @param grain of the bucket that begins at this time @param zone that its buckets are of */
export function formatBucket(ms: number, grain: string, zone: string): string {
  if (grain === 'year') return bucketFormat('year', zone).format(ms)
  if (grain === 'month' || grain === 'quarter') return bucketFormat('month', zone).format(ms)
  if (grain === 'day' || grain === 'week') return bucketFormat('day', zone).format(ms)
  if (/^(second|\d+m?s)$/.test(grain)) return bucketFormat('second', zone).format(ms)
  const isNow = (form: string): boolean =>
    bucketFormat(form, zone).format(ms) === bucketFormat(form, zone).format(Date.now())
  return bucketFormat(isNow('day') ? 'clock' : isNow('year') ? 'dayClock' : 'yearClock', zone).format(ms)
}

export function formatMoment(text: string): string {
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? text : moment.format(at)
}

/** 640 → 0.6 s; 180000 → 3 min. */
export function formatDuration(ms: number): string {
  const unit = (value: number, name: string): string =>
    new Intl.NumberFormat(LOCALES, {
      style: 'unit',
      unit: name,
      unitDisplay: 'short',
      maximumFractionDigits: value < 10 ? 1 : 0,
    }).format(value)
  const seconds = Math.abs(ms) / 1_000
  if (seconds < 100) return unit(seconds, 'second')
  if (seconds < 6_000) return unit(seconds / 60, 'minute')
  return seconds < 172_800 ? unit(seconds / 3_600, 'hour') : unit(seconds / 86_400, 'day')
}

/** The name of a country in the reader's language; null if the code is not one. */
export function countryName(code: string): string | null {
  if (!/^[a-z]{2}$/i.test(code)) return null
  const name = names.of(code.toUpperCase())
  return name === undefined || name === code.toUpperCase() ? null : name
}

/** The name of a language in the reader's language; null if the code is not one. */
export function languageName(code: string): string | null {
  if (!/^[a-z]{2,3}$/.test(code)) return null
  const name = languages.of(code)
  return name === undefined || name === code ? null : name
}

/** A value of a column of this type, as text. */
export function formatValue(value: Value | undefined, type = ''): string {
  if (value === null || value === undefined) return NONE
  if (typeof value === 'number' || typeof value === 'bigint') return formatNumber(value)
  if (typeof value === 'boolean') return value ? YES : NO
  if (typeof value === 'string') return isMoment(type) ? formatMoment(value) : value
  return value.map((one) => formatValue(one)).join(', ')
}

/** A sentence of the server with its times and numbers as the reader writes them; addresses stay as they are. */
export function localized(message: string): string {
  return message
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, formatMoment)
    .replace(/(?<![\w:.,-])\d{4,}(?![\w:.,-]\w)/g, (digits) =>
      /^20\d\d$/.test(digits) ? digits : formatNumber(BigInt(digits)),
    )
}
