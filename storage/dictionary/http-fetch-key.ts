/** Requests one key from an HTTP source: GET of a URL template; the response is a JSON object. */
import { httpAddress, shownAddress } from '#storage/http/http-address.ts'
import { type FetchKey, FetchRefused, SourceBusy } from './dictionary-fetcher.ts'
import type { Attributes } from './fetched-entries.ts'

const ANSWER_BYTES_MAX = 256 * 1024
/** pause after 429 or 503 without Retry-After */
const REST_MS = 5_000
const PLACE = '{key}'
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const REDIRECTS_MAX = 5

export interface HttpSource {
  /** an http or https URL with the placeholder {key}, e.g. https://api.example.org/groups/{key} */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** attribute → path of its value in the answer, e.g. { category: 'category.name' }; default: all top fields that are texts, numbers or booleans */
  readonly attributes?: Readonly<Record<string, string>>
}

/** @throws RangeError if the template is invalid */
export function httpFetchKey(source: HttpSource): FetchKey {
  assertTemplate(source.url)
  const { url: template, headers } = httpAddress(source.url)
  const sent = { accept: 'application/json', ...headers, ...source.headers }
  return async (key, signal) => {
    // Any encoding of these is a step in the path: the request would go to another resource.
    if (key === '.' || key === '..') return null
    const url = template.replaceAll(PLACE, encodeURIComponent(key))
    const shown = shownAddress(url)
    const response = await fetchWithin(url, sent, signal)
    try {
      if (response.status === 404 || response.status === 410) return null
      assertUsable(response, shown)
      return attributesOf(await boundedJson(response, shown), source.attributes, shown)
    } finally {
      // An unread response body would keep its connection open.
      await response.body?.cancel().catch(() => {})
    }
  }
}

/** Follows redirects, but not to another host or to an unencrypted address: the key, and credentials in headers, are for this source only. */
async function fetchWithin(
  address: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  const { host, protocol } = new URL(address)
  let url = address
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const response = await fetch(url, { headers, signal, redirect: 'manual' })
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null
    if (location === null) return response
    await response.body?.cancel().catch(() => {})
    const next = URL.canParse(location, url) ? new URL(location, url) : null
    if (next?.host !== host || next.protocol !== protocol)
      throw new FetchRefused(
        `${shownAddress(url)} redirects to ${next === null ? 'an invalid address' : shownAddress(next.href)}, another host or protocol, which is not followed; use the final address as the source`,
      )
    url = next.href
  }
  throw new FetchRefused(`${shownAddress(address)} redirects more than ${REDIRECTS_MAX} times`)
}

function assertTemplate(url: string): void {
  if (/^https?:\/\/[^/?#]*\{key\}/i.test(url))
    throw new RangeError(
      `'${shownAddress(url)}' has the placeholder ${PLACE} in its host part, so a key could choose the host; use it in the path or in the query (example: https://api.example.org/groups/${PLACE})`,
    )
  const probe = url.replaceAll(PLACE, 'x')
  const usable = url.includes(PLACE) && URL.canParse(probe) && /^https?:$/.test(new URL(probe).protocol)
  if (usable) return
  throw new RangeError(
    `'${shownAddress(url)}' is not an http or https URL with the placeholder ${PLACE} (example: https://api.example.org/groups/${PLACE})`,
  )
}

function assertUsable(response: Response, shown: string): void {
  if (response.ok) return
  const said = `${shown} answered ${response.status} ${response.statusText}`
  if (response.status === 429 || response.status === 503) throw new SourceBusy(said, restMs(response))
  if (response.status >= 500 || response.status === 408) throw new Error(said)
  throw new FetchRefused(said)
}

/** Retry-After, in seconds or as a date. */
function restMs(response: Response): number {
  const after = response.headers.get('retry-after')
  if (after === null) return REST_MS
  const ms = /^\d+$/.test(after) ? Number(after) * 1_000 : Date.parse(after) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : REST_MS
}

async function boundedJson(response: Response, shown: string): Promise<unknown> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength
    if (bytes > ANSWER_BYTES_MAX) throw new FetchRefused(`${shown} returned more than ${ANSWER_BYTES_MAX} bytes`)
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8'))
  } catch (error) {
    throw new FetchRefused(`${shown} did not return JSON: ${(error as Error).message}`, { cause: error })
  }
}

function attributesOf(answer: unknown, wanted: HttpSource['attributes'], shown: string): Attributes {
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer))
    throw new FetchRefused(`${shown} did not return a JSON object`)
  const paths = wanted ?? Object.fromEntries(Object.keys(answer).map((field) => [field, field]))
  const found = Object.entries(paths).map(([name, path]) => [name, valueAt(answer, wanted ? path.split('.') : [path])])
  return Object.fromEntries(found.filter(([, value]) => value !== null))
}

/** The text of a scalar value; null for anything else. */
function valueAt(answer: object, path: readonly string[]): string | null {
  let value: unknown = answer
  for (const field of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, field)) return null
    value = (value as Record<string, unknown>)[field]
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : null
}
