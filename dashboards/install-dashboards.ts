/** Imports dashboards into Kibana through its saved-objects API. */

const REQUEST_MS_MAX = 60_000
const FAILURES_TOLD_MAX = 5

export interface KibanaAddress {
  /** e.g. http://127.0.0.1:5601, with its base path if it has one */
  readonly url: string
  /** Kibana space; default: the default space */
  readonly space?: string
  readonly auth?: { readonly username: string; readonly password: string } | { readonly apiKey: string } | null
}

export interface InstalledDashboards {
  readonly installed: number
  /** where people open them */
  readonly address: string
}

export class KibanaError extends Error {
  constructor(url: string, why: string, cause?: unknown) {
    super(`Kibana at ${url}: ${why}`, { cause })
    this.name = 'KibanaError'
  }
}

interface ImportAnswer {
  readonly success?: boolean
  readonly successCount?: number
  readonly message?: string
  readonly errors?: readonly {
    readonly type: string
    readonly id: string
    readonly error?: { readonly type?: string; readonly message?: string }
  }[]
}

/**
 * Imports all of them; objects of an earlier import are replaced.
 * @param objects one saved object a line
 * @throws KibanaError that lists what Kibana refused
 */
export async function installDashboards(kibana: KibanaAddress, objects: string): Promise<InstalledDashboards> {
  const base = `${kibana.url.replace(/\/+$/, '')}${kibana.space === undefined ? '' : `/s/${encodeURIComponent(kibana.space)}`}`
  const form = new FormData()
  form.append('file', new Blob([objects], { type: 'application/ndjson' }), 'kibana.ndjson')
  const answer = await send(`${base}/api/saved_objects/_import?overwrite=true`, form, kibana)
  const body = (await answer.json().catch(() => ({}))) as ImportAnswer
  if (!answer.ok || body.success !== true) throw new KibanaError(kibana.url, reasonOf(answer.status, body))
  return { installed: body.successCount ?? 0, address: `${base}/app/dashboards` }
}

async function send(url: string, body: FormData, { url: node, auth }: KibanaAddress): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      body,
      headers: { 'kbn-xsrf': 'watershed', ...authorization(auth) },
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
  } catch (error) {
    const { cause, message } = error as Error
    throw new KibanaError(node, `it is not reachable: ${cause instanceof Error ? cause.message : message}`, error)
  }
}

function authorization(auth: KibanaAddress['auth']): Record<string, string> {
  if (!auth) return {}
  if ('apiKey' in auth) return { authorization: `ApiKey ${auth.apiKey}` }
  return { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}` }
}

function reasonOf(status: number, { message, errors = [] }: ImportAnswer): string {
  if (status === 401 || status === 403)
    return `it refuses the user (${status}); use one with the privilege to manage saved objects`
  const some = errors
    .slice(0, FAILURES_TOLD_MAX)
    .map(({ type, id, error }) => `${type} ${id}: ${error?.message ?? error?.type ?? 'refused'}`)
  const more = errors.length > some.length ? [`and ${errors.length - some.length} more`] : []
  return [`the import failed (${status})`, ...(message === undefined ? [] : [message]), ...some, ...more].join('; ')
}
