/**
 * Events from the log to lake and speed store with all RSVP views, against a bare single-thread JSON.parse of the same
 * bytes in the same run. Ratios: rate (wall) and CPU time per event (whole process). Also the bytes that closed segments have per event: typed,
 * and as JSON. BENCH_RAW=drop leaves the JSON out.
 */
import { PARTITIONS, RsvpPlatform } from './rsvp-platform.ts'

const EVENTS = Number(process.env.BENCH_EVENTS ?? 800_000)

interface Spent {
  readonly wallUs: number
  readonly cpuUs: number
}

async function spent(work: () => Promise<void> | void): Promise<Spent> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  await work()
  const used = process.cpuUsage(cpu)
  return { wallUs: ((performance.now() - wall) * 1_000) / EVENTS, cpuUs: (used.user + used.system) / EVENTS }
}

/** @returns µs per event of both sides and their ratios */
export async function streamRate(): Promise<Record<string, number>> {
  const platform = await RsvpPlatform.open()
  try {
    const all: Buffer[] = []
    await platform.append(EVENTS, all)
    const parse = (): void => {
      for (const lines of all) for (const line of lines.toString('utf8').split('\n')) if (line !== '') JSON.parse(line)
    }
    parse()
    const before = await spent(parse)
    const stream = await spent(() => platform.catchUp())
    const after = await spent(parse)
    const parseWall = (before.wallUs + after.wallUs) / 2
    const parseCpu = (before.cpuUs + after.cpuUs) / 2
    return {
      events: EVENTS,
      parseUsPerEvent: parseWall,
      streamUsPerEvent: stream.wallUs,
      streamCpuUsPerEvent: stream.cpuUs,
      rateAgainstParse: parseWall / stream.wallUs,
      cpuAgainstParse: stream.cpuUs / parseCpu,
      ...(await bytesPerEvent(platform, all)),
    }
  } finally {
    await platform.close()
  }
}

async function bytesPerEvent({ lake }: RsvpPlatform, all: readonly Buffer[]): Promise<Record<string, number>> {
  const segments = (await lake.chains(PARTITIONS)).flatMap((chain) => chain.segments)
  const rows = segments.reduce((sum, segment) => sum + segment.rows, 0)
  const typed = segments.reduce((sum, { events }) => sum + (events?.bytes ?? 0), 0)
  const json = segments.reduce((sum, { raw }) => sum + (raw?.file.bytes ?? 0), 0)
  return {
    logBytesPerEvent: all.reduce((sum, { length }) => sum + length, 0) / EVENTS,
    typedBytesPerEvent: typed / rows,
    jsonBytesPerEvent: json / rows,
  }
}
