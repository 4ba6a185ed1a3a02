/** The log against the client's own record: every acknowledged event is there once, where the acknowledgement said; nothing is there that was not sent. */
import type { EventLog } from '#storage/log/event-log.ts'
import type { Acknowledged } from './event-client.ts'

export interface LogCheck {
  /** events in the log */
  readonly events: number
  /** one sentence per event that is missing, double, moved or foreign */
  readonly problems: readonly string[]
}

interface Place {
  readonly partition: number
  readonly offset: number
}

/** @param log holds everything from offset 0 on */
export async function checkAcknowledged(
  log: EventLog,
  acknowledged: readonly Acknowledged[],
  sent: ReadonlySet<number>,
): Promise<LogCheck> {
  const places = new Map<number, Place[]>()
  let events = 0
  for await (const { id, partition, offset } of recordsOf(log)) {
    events++
    places.set(id, [...(places.get(id) ?? []), { partition, offset }])
  }
  const problems: string[] = []
  for (const { id, partition, offset } of acknowledged) {
    const own = places.get(id) ?? []
    if (!own.some((place) => place.partition === partition && place.offset === offset)) {
      problems.push(
        `event ${id} was acknowledged at partition ${partition}, offset ${offset}, but is at ${JSON.stringify(own)}`,
      )
    }
  }
  for (const [id, own] of places) {
    if (own.length > 1)
      problems.push(`event ${id} was sent once, but is in the log ${own.length} times: ${JSON.stringify(own)}`)
    if (!sent.has(id)) problems.push(`event ${id} is in the log, but was never sent`)
  }
  return { events, problems }
}

async function* recordsOf(log: EventLog): AsyncGenerator<Place & { id: number }> {
  for (let partition = 0; partition < log.partitions; partition++) {
    const { start, end } = await log.range(partition)
    if (start !== 0)
      throw new Error(`partition ${partition}: the log was trimmed to offset ${start}; keep it longer in this test`)
    for (let from = start; from < end; ) {
      const batch = await log.read(partition, from, { recordsMax: 50_000, bytesMax: 16 * 1024 * 1024 })
      if (batch === null)
        throw new Error(`partition ${partition}: nothing at offset ${from}, but the log ends at ${end}`)
      const lines = batch.lines.toString('utf8').split('\n').slice(0, -1)
      if (lines.length !== batch.count)
        throw new Error(`partition ${partition}, offset ${from}: ${lines.length} lines in a batch of ${batch.count}`)
      for (const [index, line] of lines.entries()) {
        yield {
          partition,
          offset: batch.offsets?.[index] ?? batch.start + index,
          id: (JSON.parse(line) as { id: number }).id,
        }
      }
      from = batch.end
    }
  }
}
