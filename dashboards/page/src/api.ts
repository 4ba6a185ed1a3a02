/** All requests of the page. They come from the same address as the page, and carry its session cookie if there is one. */
import { type Answer, parseJson } from './answer.ts'
import type { Dataset } from './definition.ts'

/** The server refused a request: its problem document. */
export class RefusedError extends Error {
  readonly status: number
  readonly title: string
  readonly retryable: boolean
  constructor(status: number, title: string, retryable: boolean, detail: string) {
    super(detail)
    this.status = status
    this.title = title
    this.retryable = retryable
  }
}

/** No answer came: the server is down, or the network is. */
export class UnreachableError extends Error {}

export interface Fetched<T> {
  /** null: unchanged since the version of the given tag */
  readonly value: T | null
  readonly tag: string | null
}

const TIMEOUT_MS = 30_000

/** @param tag of the version that is known already; an unchanged one is not sent again */
export async function get<T>(path: string, signal?: AbortSignal, tag: string | null = null): Promise<Fetched<T>> {
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  const response = await fetch(path, {
    headers: { accept: 'application/json', ...(tag !== null && { 'if-none-match': tag }) },
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw new UnreachableError('no answer from the server')
  })
  if (response.status === 304) return { value: null, tag }
  const text = await response.text().catch(() => {
    throw new UnreachableError('the connection broke while the answer was sent')
  })
  // Not ready is an answer, too.
  if (!response.ok && path !== '/readyz') throw refusal(response.status, text)
  return { value: parseJson(text) as T, tag: response.headers.get('etag') }
}

/** Changes something. @throws RefusedError, UnreachableError */
export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch(() => {
    throw new UnreachableError('no answer from the server')
  })
  const text = await response.text()
  if (!response.ok) throw refusal(response.status, text)
  return parseJson(text) as T
}

export function refusal(status: number, text: string): RefusedError {
  try {
    const { title, detail, retryable } = JSON.parse(text) as { title: string; detail: string; retryable: boolean }
    return new RefusedError(status, title, retryable, detail)
  } catch {
    return new RefusedError(status, `HTTP ${status}`, status >= 500, text.slice(0, 300))
  }
}

export async function listDatasets(): Promise<readonly Dataset[]> {
  return (await get<{ datasets: readonly Dataset[] }>('/v1/datasets')).value!.datasets
}

export type Query = Readonly<Record<string, string | number | readonly string[] | null | undefined>>

/** The address of an answer; it is also what a user can copy. */
export function viewPath(dataset: string, view: string, query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue
    for (const one of typeof value === 'object' ? value : [value]) parameters.append(name, String(one))
  }
  const text = parameters.toString()
  return `/v1/datasets/${encodeURIComponent(dataset)}/views/${encodeURIComponent(view)}${text && `?${text}`}`
}

export type { Answer }
