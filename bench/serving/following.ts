/** How live readers follow, and what is measured of them. Times are in milliseconds. */
import { CLIENT_CORE, runScript } from './pinned-process.ts'

/** Events of one query as bytes, and when they arrived. */
export type Recorded = readonly { readonly atMs: number; readonly base64: string }[]

export interface Following {
  readonly url: string
  /** each is followed by `readersPerPath` readers */
  readonly paths: readonly string[]
  readonly readersPerPath: number
  /** events that arrive meanwhile, from the same process; 0: none */
  readonly perSecond: number
  readonly dataset: 'meetup_rsvps'
  readonly warmMs: number
  readonly forMs: number
  /** process whose CPU time and memory are measured over the same time */
  readonly server: number
  /** whether the streams' bytes are part of the result, one reader of each path */
  readonly record: boolean
}

export interface Followed {
  readonly readers: number
  /** events of the streams that arrived at all readers in the measured time */
  readonly received: number
  readonly receivedBytes: number
  /** different events, each counted once however many readers got it */
  readonly different: number
  /** of events that were sent over HTTP, how many requests were measured at all readers */
  readonly requests: number
  /** from sending a request with events to a reader's first answer that counts them, over all readers and requests */
  readonly delayP50Ms: number
  readonly delayP99Ms: number
  readonly delayMaxMs: number
  /** pairs of request and reader without such an answer when the run was over */
  readonly missing: number
  /** between the first and the last reader of the same event */
  readonly spreadP50Ms: number
  /** of the process that serves; its other roles are not in it */
  readonly servingCpuSeconds: number
  /** with the roles beside it */
  readonly serverCpuSeconds: number
  readonly seconds: number
  /** cores that were busy with neither the server nor this client */
  readonly othersCores: number
  /** of the process that serves */
  readonly servingMib: number
  readonly recorded: readonly Recorded[]
}

/** Follows from a process of its own. */
export function follow(following: Following): Promise<Followed> {
  return runScript<Followed>('follow-process.ts', following, CLIENT_CORE)
}
