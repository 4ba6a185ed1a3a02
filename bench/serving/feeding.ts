/** Events from a process of their own, at an exact rate. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { CLIENT_CORE, resultOf, spawnNode } from './pinned-process.ts'

export interface Feeding {
  readonly url: string
  /** which events are made: one of `event-makers.ts` */
  readonly dataset: 'meetup_rsvps' | 'winds'
  readonly perSecond: number
  /** one request so often, with the events that are due; default 50 */
  readonly everyMs?: number
}

export interface Fed {
  readonly events: number
  /** of which no answer said that they were taken: the rate was not kept then */
  readonly refused: number
  readonly seconds: number
  /** how late the latest request was sent */
  readonly lateMsMax: number
}

export class Feed {
  readonly #child: ChildProcess

  /** Resolves when the first request was answered. @param core which it is held to; null: none */
  static async start(feeding: Feeding, core: number | null = CLIENT_CORE): Promise<Feed> {
    const script = join(import.meta.dirname, 'feed-process.ts')
    const child = spawnNode(script, [JSON.stringify(feeding)], core ?? undefined)
    await once(child.stdout!, 'readable')
    return new Feed(child)
  }

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Says so on stderr when events were refused: what was measured meanwhile was not under the load that it claims. */
  async stop(): Promise<Fed> {
    this.#child.stdin!.end()
    const fed = await resultOf<Fed>(this.#child, 'feed-process.ts')
    if (fed.refused > 0) process.stderr.write(`${fed.refused} of ${fed.events} events were refused\n`)
    return fed
  }
}
