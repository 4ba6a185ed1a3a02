/**
 * Warm-up of a process that answers queries. Most of the cost of a first answer is compilation, planning and filling caches, so it is paid
 * before the process reports its address.
 */
import { get as httpGet } from 'node:http'
import { get as httpsGet } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { LiveAnswers } from '#serving/live/live-answers.ts'
import type { Emit } from '#telemetry/emit.ts'

/** Time limit of each of the two steps. */
const WARM_UP_MS_MAX = 2_000

/**
 * Queries every view once. Views that fail because lake files are damaged are logged.
 * @returns path of one query per dataset that is fast now
 */
export async function warmUpViews(
  live: readonly LiveAnswers[],
  signal: AbortSignal,
  emit: Emit,
): Promise<readonly string[]> {
  const limited = limit(signal)
  const warm = live.map(async (answers) => {
    const [view] = await answers.warmUp(limited)
    for (const [failing, why] of answers.failing)
      emit({ name: 'view-failing', level: 'error', dataset: answers.name, message: failingText(failing, why) })
    return view === undefined ? [] : [`/v1/datasets/${answers.name}/views/${view}`]
  })
  return (await Promise.all(warm)).flat()
}

function failingText(view: string, why: string): string {
  return `view '${view}' cannot be answered: ${why}`
}

export interface Listener extends AddressInfo {
  readonly tls: boolean
  /** API key; absent: none is needed */
  readonly key: string | undefined
}

/** Sends each request on a new connection to this process's own listener. */
export async function warmUpRequests(
  { address: host, port, tls, key }: Listener,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const get = tls ? httpsGet : httpGet
  // The certificate names the host that clients use, which need not be the bound address.
  const options = { host, port, signal: limit(signal), agent: false, rejectUnauthorized: false }
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  for (const path of paths) {
    await new Promise<void>((resolve) => {
      const request = get({ ...options, path, headers })
      request.on('response', (response) => response.on('error', () => {}).resume())
      request.on('error', () => {}).on('close', resolve)
    })
  }
}

function limit(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(WARM_UP_MS_MAX)])
}
