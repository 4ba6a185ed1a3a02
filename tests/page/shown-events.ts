/** For the tests of the page: what it shows, of every shipped dataset that can be made here, and of a definition that the page knows nothing of. */
import { FlightGenerator } from '#datasets/flights/flight-generator.ts'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'

export const EVENTS = 600
export const FOREIGN = 'visits'
/** a shipped dataset that has no events at first */
export const EMPTY = 'bluesky_posts'

const SECOND = 1_000
const WIKIS = ['enwiki', 'dewiki', 'commonswiki'] as const
const TYPES = ['edit', 'new', 'log'] as const
/** no value and the empty text are two values */
const BROWSERS = [null, '', 'b1'] as const

/** dataset → its events, one a second until now; none of `EMPTY` */
export async function shownEvents(nowMs: number): Promise<Readonly<Record<string, readonly string[]>>> {
  const startMs = nowMs - EVENTS * SECOND
  const options = { seed: 7, startMs, eventsPerSecond: 1 }
  const made = async (name: string): Promise<readonly string[]> => {
    const generator = await SHIPPED_DATASETS[name]!.generator!(options)
    return Array.from({ length: EVENTS }, () => generator.next())
  }
  const rsvps = new RsvpGenerator({ ...options, malformedShare: 0 })
  const flights = new FlightGenerator(options)
  return {
    meetup_rsvps: Array.from({ length: EVENTS }, () => rsvps.next()),
    flights: Array.from({ length: EVENTS }, () => flights.next()),
    course_clicks: await made('course_clicks'),
    cloud_mentions: await made('cloud_mentions'),
    stock_quotes: await made('stock_quotes'),
    wikimedia_changes: Array.from({ length: 90 }, (_, n) => change(n, startMs)),
    [FOREIGN]: Array.from({ length: 90 }, (_, n) =>
      JSON.stringify({ at: startMs + n * SECOND, page: `/${n % 4}`, ms: n, browser: BROWSERS[n % 3] }),
    ),
  }
}

/** As Wikimedia's stream sends it; the newest pages are edited by several. */
function change(n: number, startMs: number): string {
  return JSON.stringify({
    meta: { id: `change-${n}`, dt: new Date(startMs + n * 6 * SECOND).toISOString(), domain: 'en.wikipedia.org' },
    ...{ wiki: WIKIS[n % 3], type: TYPES[(n >> 2) % 3], namespace: 0, title: `Page ${n % 4}`, user: `editor ${n % 7}` },
    ...{ bot: n % 5 === 0, minor: n % 2 === 0, length: { old: 1_000, new: 1_000 + n } },
  })
}

/** As Bluesky's Jetstream sends them. */
export function posts(nowMs: number): readonly string[] {
  return Array.from({ length: 90 }, (_, n) =>
    JSON.stringify({
      ...{ did: `did:plc:${n % 9}`, time_us: (nowMs - n * SECOND) * 1_000, kind: 'commit' },
      commit: {
        ...{ operation: 'create', collection: 'app.bsky.feed.post' },
        record: {
          createdAt: new Date(nowMs).toISOString(),
          text: `good #morning #${n % 3}`,
          langs: [['en', 'ja'][n % 2]],
        },
      },
    }),
  )
}
