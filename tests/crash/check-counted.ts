/** What must hold when everything was counted: verify is equal, every acknowledged event is in the log once, and the answer says the same. */
import { Workspace } from '#runtime/commands/workspace.ts'
import type { OpenDataset } from '#runtime/drivers/open-dataset.ts'
import { mergedSnapshot } from '#runtime/health/merged-snapshot.ts'
import { loadConfiguration } from '#runtime/settings/configuration.ts'
import { SnapshotError, takeSnapshot } from '#serving/answers/snapshot.ts'
import { silent } from '#telemetry/emit.ts'
import { until } from '#tests/until.ts'
import { type VerifyReport, verifyDataset } from '#verification/verify-dataset.ts'
import { checkAcknowledged } from './check-acknowledged.ts'
import type { EventClient } from './event-client.ts'

export interface CountedPlace {
  /** configuration of the platform under test */
  readonly configuration: string
  /** of processes that answer queries: all must answer alike */
  readonly addresses: readonly string[]
  readonly drainMsMax: number
}

/** Waits until the running platform has counted every event, and checks. Returns the number of events. @throws with what is wrong */
export async function checkCounted(place: CountedPlace, client: EventClient): Promise<number> {
  const configuration = await loadConfiguration({ file: place.configuration })
  const workspace = await Workspace.open(configuration, 'serve', silent)
  try {
    const open = await workspace.dataset('crash_events')
    await drained(open, place.drainMsMax)
    const report = await verified(open, workspace.scratchFolder)
    const log = await checkAcknowledged(open.log, client.acknowledged, client.sent)
    for (const address of place.addresses) await checkAnswer(address, report, place.drainMsMax)
    if (log.problems.length > 0) throw new Error(log.problems.slice(0, 10).join('\n'))
    return log.events
  } finally {
    await workspace.close()
  }
}

async function verified(open: OpenDataset, scratchFolder: string): Promise<VerifyReport> {
  const report = await verifyDataset({ ...open, scratchFolder, snapshot: () => mergedSnapshot(open) })
  if (report.equal) return report
  const first = report.views.flatMap(({ view, first: rows }) => rows.map((row) => `${view}: ${JSON.stringify(row)}`))
  throw new Error(`verify is not equal: ${[...report.problems, ...first.slice(0, 10)].join('\n')}`)
}

/** An answer that was computed after all events were in the log must equal the recount. */
async function checkAnswer(address: string, report: VerifyReport, withinMs: number): Promise<void> {
  const url = `${address}/v1/datasets/crash_events/views/by_kind?dimensions=&measures=events`
  const begunMs = Date.now()
  const answer = await until(
    'an answer of after the last event',
    async () => {
      const { data, meta } = (await (await fetch(url)).json()) as CountedAnswer
      return meta.behind === 0 && Date.parse(meta.asOf ?? '') >= begunMs && { data, meta }
    },
    { withinMs },
  )
  const rows = report.partitions.reduce((sum, count) => sum + count.rows, 0)
  const events = answer.data[0]?.events ?? 0
  if (events !== rows)
    throw new Error(`the answer counts ${events} events, the recount ${rows}: ${JSON.stringify(answer)}`)
}

interface CountedAnswer {
  readonly data: readonly { readonly events: number }[]
  readonly meta: { readonly behind: number | null; readonly asOf: string | null }
}

/** Resolves when every event in the log is counted. */
async function drained(open: OpenDataset, withinMs: number): Promise<void> {
  let why: string | null = null
  const counted = async (): Promise<boolean> => {
    why = await notCounted(open)
    return why === null
  }
  await until('every event in the log is counted', counted, { withinMs, said: () => `${why}` })
}

/** What is not counted yet; null when all is. */
async function notCounted(open: OpenDataset): Promise<string | null> {
  try {
    const behind: string[] = []
    for (const { partition, position } of (await takeSnapshot(open)).partitions) {
      const { end } = await open.log.range(partition)
      if (position < end) behind.push(`partition ${partition}: ${position} of ${end}`)
    }
    return behind.length === 0 ? null : behind.join(', ')
  } catch (error) {
    // The parts can disagree for a while: after a restore, until the log was read again.
    if (error instanceof SnapshotError) return error.message
    throw error
  }
}
