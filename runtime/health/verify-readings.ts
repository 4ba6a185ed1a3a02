/** Gauges of the newest verification, read from the lake at each scrape: they have a value from the start, and outlive restarts. */
import type { Lake } from '#storage/lake/lake.ts'
import type { StateReading } from '#telemetry/metrics.ts'
import { provedSinceMs } from './record-verification.ts'

const NEVER = -1

/** Readings of all datasets; a lake that cannot be read counts as one that was never verified, so that an alert on the age fires. */
export async function verifyReadings(
  lakes: readonly Pick<Lake, 'dataset' | 'verification'>[],
): Promise<readonly StateReading[]> {
  const read = async (lake: Pick<Lake, 'dataset' | 'verification'>): Promise<StateReading[]> => {
    const { dataset } = lake
    const verified = await lake.verification().catch(() => null)
    return [
      { name: 'watershed_verify_equal', dataset, value: verified === null ? NEVER : Number(verified.equal) },
      { name: 'watershed_verify_timestamp_seconds', dataset, value: (verified?.atMs ?? 0) / 1_000 },
      {
        name: 'watershed_verify_whole_timestamp_seconds',
        dataset,
        value: (provedSinceMs(verified) ?? 0) / 1_000,
      },
    ]
  }
  return (await Promise.all(lakes.map(read))).flat()
}
