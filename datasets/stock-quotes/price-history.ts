/**
 * Real prices, from the npm package vega-datasets (BSD-3-Clause): the S&P 500 by day from 2000 to 2020, and the monthly prices of five
 * companies from 2000 to 2010. A bar is dated with the end of its trading day, a price with the day that the file names.
 */
import { readFile } from 'node:fs/promises'

const CLOSES_AT = 'T21:00:00Z'

async function rowsOf(file: string): Promise<string[][]> {
  const text = await readFile(new URL(`./prices/${file}`, import.meta.url), 'utf8')
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(','))
}

/** Events in the order of their times, each as a line of JSON. */
export async function priceHistory(): Promise<readonly string[]> {
  const days = (await rowsOf('sp500-daily.csv')).map(([date, open, high, low, close, , volume]) => ({
    symbol: 'SPX',
    at: `${date}${CLOSES_AT}`,
    ...{ open, high, low, close },
    volume: Number(volume),
  }))
  const months = (await rowsOf('stocks-monthly.csv')).map(([symbol, date, close]) => ({
    symbol: symbol!,
    at: `${new Date(`${date} UTC`).toISOString().slice(0, 10)}${CLOSES_AT}`,
    close,
  }))
  return [...days, ...months]
    .toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
    .map((event) => JSON.stringify(event))
}
