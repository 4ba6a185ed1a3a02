/** Where the user is: the path names the page, and the parameters hold filters and choices, so that an address shows the same again. */

import { computed, signal } from '@preact/signals'
import type { Key } from './answer.ts'

const here = (): string => `${location.pathname}${location.search}`
const address = signal(here())

window.addEventListener('popstate', () => {
  address.value = here()
})

export const path = computed(() => address.value.split('?')[0]!)
export const parameters = computed(() => new URLSearchParams(address.value.split('?')[1] ?? ''))

/** The dataset whose page is shown; null: the overview. */
export const datasetName = computed(() => {
  const [, name] = /^\/datasets\/([^/]+)$/.exec(path.value) ?? []
  return name === undefined ? null : decodeURIComponent(name)
})

export function datasetPath(name: string): string {
  return `/datasets/${encodeURIComponent(name)}`
}

/** Opens a page of this application. */
export function go(to: string): void {
  history.pushState(null, '', to)
  address.value = here()
  window.scrollTo(0, 0)
}

/** Sets parameters of the address; null removes one. */
export function choose(changes: Readonly<Record<string, string | null>>): void {
  const next = new URLSearchParams(parameters.value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name)
    else next.set(name, value)
  }
  replaceParameters(next)
}

/** Sets all parameters of the address. */
export function replaceParameters(next: URLSearchParams): void {
  const text = next.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')
  history.replaceState(null, '', `${path.value}${text && `?${text}`}`)
  address.value = here()
}

export function chosen(name: string): string | null {
  return parameters.value.get(name)
}

const FILTER = 'f.'

/** dimension → the values that are looked at; several are compared */
export const filters = computed((): ReadonlyMap<string, readonly Key[]> => {
  const named = [...parameters.value].filter(([name]) => name.startsWith(FILTER))
  return new Map(named.map(([name, text]) => [name.slice(FILTER.length), valuesOf(text)]))
})

function valuesOf(text: string): readonly Key[] {
  if (!text.startsWith('[')) return text.split(',')
  try {
    return (JSON.parse(text) as unknown[]).map((value) => (value === null ? null : String(value)))
  } catch {
    return [text]
  }
}

export function setFilter(dimension: string, values: readonly Key[]): void {
  const plain = values.every((value) => value !== null && value !== '' && !/[,[]/.test(value))
  const text = plain ? values.join(',') : JSON.stringify(values)
  choose({ [`${FILTER}${dimension}`]: values.length === 0 ? null : text })
}

/** Adds the value to what is looked at, or takes it out. */
export function toggleFilter(dimension: string, value: Key): void {
  const now = filters.value.get(dimension) ?? []
  setFilter(dimension, now.includes(value) ? now.filter((one) => one !== value) : [...now, value])
}
