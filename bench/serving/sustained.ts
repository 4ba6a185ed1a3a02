/**
 * Ten minutes of 10,000 events a second with 50 different questions a second beside them: latencies, who used how much of the processors,
 * memory at the end, and whether `verify` finds every view equal to its recount afterwards. `BENCH_MINUTES` makes it shorter or longer.
 */
import { ask, steadily } from './asking.ts'
import { Feed } from './feeding.ts'
import { withFolder } from './prepared-folder.ts'
import { usageByRole } from './process-usage.ts'
import { ServerProcess, verified } from './server-process.ts'
import { differentQuestions } from './view-questions.ts'

const EVENTS_PER_SECOND = 10_000
const QUESTIONS_PER_SECOND = 50
const QUESTIONS = differentQuestions(10_000).filter((path) => path.includes('meetup_rsvps'))

export function sustained(): Promise<Record<string, number>> {
  const minutes = Number(process.env.BENCH_MINUTES ?? 10)
  return withFolder(async (folder) => {
    // A generation every other minute, as in a small production.
    const server = await ServerProcess.start({ folder, settings: { batchIncrementalCron: '*/2 * * * *' } })
    try {
      const { url, pid } = server
      const feed = await Feed.start({ url, dataset: 'meetup_rsvps', perSecond: EVENTS_PER_SECOND }, null)
      const before = usageByRole(pid)
      const began = performance.now()
      const load = { kind: 'open', perSecond: QUESTIONS_PER_SECOND } as const
      const asked = await ask({ url, server: pid, paths: QUESTIONS, load, forMs: minutes * 60_000 }, null)
      const seconds = (performance.now() - began) / 1_000
      const after = usageByRole(pid)
      const { events, refused } = await feed.stop()
      const { residentMib } = server
      const behind =
        (await server.metric('watershed_log_end_offset')) - (await server.metric('watershed_position_offset'))
      await server.stop()
      const shares = [...after].map(([role, used]): [string, number] => [
        `cores:${role}`,
        (used - (before.get(role) ?? 0)) / seconds,
      ])
      return {
        minutes,
        events,
        refusedShare: refused / events,
        ...steadily('steady', asked),
        ...Object.fromEntries(shares),
        othersCores: asked.othersCores,
        eventsBehind: behind,
        residentMib,
        verifyEqual: (await verified(folder)) ? 1 : 0,
      }
    } finally {
      await server.stop(true).catch(() => {})
    }
  })
}
