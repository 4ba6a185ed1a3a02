/**
 * Writes sample-2001.csv again: 2,000 real flights of January to March 2001 from the npm package vega-datasets (flights-2k.json), in the
 * column names of the 2015 files. `node datasets/flights/sample-2001.ts`
 *
 * Source: U.S. Bureau of Transportation Statistics, on-time performance, reported under 14 CFR Part 234; a work of the federal government.
 * It has no airline and no cancelled flights, and does not say whether its delay is that of the arrival; here it is ARRIVAL_DELAY.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import Papa from 'papaparse'

interface Flight {
  /** 2001/01/01 06:55 */
  readonly date: string
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

export const SAMPLE_FILE = fileURLToPath(new URL('./sample-2001.csv', import.meta.url))

/** The flights of the package, as they are. */
export function packagedFlights(): readonly Flight[] {
  const file = new URL('../../node_modules/vega-datasets/data/flights-2k.json', import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as Flight[]
}

export function sampleText(): string {
  const rows = packagedFlights().map(({ date, delay, distance, origin, destination }) => {
    const [, year, month, day, hour, minute] = /^(\d+)\/(\d+)\/(\d+) (\d+):(\d+)$/.exec(date)!
    return {
      YEAR: Number(year),
      MONTH: Number(month),
      DAY: Number(day),
      ORIGIN_AIRPORT: origin,
      DESTINATION_AIRPORT: destination,
      SCHEDULED_DEPARTURE: `${hour}${minute}`,
      DISTANCE: distance,
      ARRIVAL_DELAY: delay,
    }
  })
  return `${Papa.unparse(rows, { newline: '\n' })}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SAMPLE_FILE, sampleText())
