/** How a server is flooded with events, and what is measured meanwhile. */
import { join } from 'node:path'
import { resultOf, spawnNode } from '../serving/pinned-process.ts'
import { rsvpBodies } from './rsvp-bodies.ts'
import { salesArrow, salesNdjson } from './sales-bodies.ts'

/** What is sent: its events, and how they are written. */
export const SENT = {
  rsvps: { bodies: rsvpBodies, contentType: 'application/x-ndjson' },
  'sales as NDJSON': { bodies: salesNdjson, contentType: 'application/x-ndjson' },
  'sales as Arrow': { bodies: salesArrow, contentType: 'application/vnd.apache.arrow.stream' },
} as const

export interface Flooding {
  readonly url: string
  readonly path: string
  readonly sent: keyof typeof SENT
  /** events of one request */
  readonly request: number
  /** each sends its next request as soon as the last one is answered */
  readonly connections: number
  /** sent before, and not measured */
  readonly warmMs: number
  readonly forMs: number
  /** process whose CPU time is measured over the same time, with those that it started */
  readonly server: number
}

export interface Flooded {
  readonly eventsPerSecond: number
  /** requests that were refused as too much at once; they are sent again */
  readonly busy: number
  /** CPU time of the server per event, microseconds */
  readonly serverCpuUs: number
  /** of this process */
  readonly clientCpuUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** all events that were acknowledged, also while warming up */
  readonly acknowledged: number
}

/** Floods from a process of its own. */
export async function flood(flooding: Flooding): Promise<Flooded> {
  const child = spawnNode(join(import.meta.dirname, 'flood-process.ts'))
  child.stdin!.end(JSON.stringify(flooding))
  return resultOf<Flooded>(child, 'flood-process.ts')
}
