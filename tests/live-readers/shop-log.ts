/** The events of the shop: sent over HTTP, and counted naively from the log's own lines at any position. */
import { join } from 'node:path'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'

export const KINDS = ['order', 'refund', 'visit', 'search', 'login', 'share', 'review'] as const
const PAGES = ['/', '/a', '/b'] as const
export const PARTITIONS = 2
const BATCH = 8

interface Sale {
  readonly kind: string
  readonly page: string
  readonly amount: number
}

/** Makes and sends them. */
export class ShopEvents {
  #sent = 0

  /** @returns whether they were acknowledged */
  async send(address: string): Promise<boolean> {
    const lines = Array.from({ length: BATCH }, () => this.#line())
    try {
      const headers = { 'content-type': 'application/x-ndjson' }
      const { status } = await fetch(`${address}/v1/datasets/shop/events`, {
        method: 'POST',
        headers,
        body: lines.join('\n'),
      })
      return status === 202
    } catch {
      // The server was killed: whether they are in the log, only the log knows.
      return false
    }
  }

  #line(): string {
    const id = ++this.#sent
    const sale: Sale = {
      kind: KINDS[(id * 5) % KINDS.length]!,
      page: PAGES[id % PAGES.length]!,
      amount: (id % 40) - 10,
    }
    return JSON.stringify({ id, at: Date.now(), ...sale })
  }
}

/** What the log holds, partition by partition. Nothing of the platform's counting is used. */
export class ShopLog {
  readonly #sales: readonly (readonly Sale[])[]

  static async read(folder: string): Promise<ShopLog> {
    const log = await SqliteLog.open({
      file: join(folder, 'log', 'shop.sqlite'),
      dataset: 'shop',
      partitions: PARTITIONS,
    })
    try {
      return new ShopLog(
        await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => salesOf(log, partition))),
      )
    } finally {
      await log.close()
    }
  }

  private constructor(sales: readonly (readonly Sale[])[]) {
    this.#sales = sales
  }

  get ends(): readonly number[] {
    return this.#sales.map(({ length }) => length)
  }

  /**
   * The rows of a query at a position, sorted by their text.
   * @param by dimensions of the rows @param kind of the sales that count; null: all
   */
  rowsAt(position: readonly number[], by: readonly (keyof Sale)[], kind: string | null): string[] {
    const rows = new Map<string, { n: number; total: number }>()
    for (const [partition, sales] of this.#sales.entries()) {
      for (const sale of sales.slice(0, position[partition])) {
        if (kind !== null && sale.kind !== kind) continue
        const key = JSON.stringify(Object.fromEntries(by.map((name) => [name, sale[name]])))
        const { n, total } = rows.get(key) ?? { n: 0, total: 0 }
        rows.set(key, { n: n + 1, total: total + sale.amount })
      }
    }
    return [...rows].map(([key, measures]) => JSON.stringify({ ...JSON.parse(key), ...measures })).sort()
  }
}

async function salesOf(log: SqliteLog, partition: number): Promise<Sale[]> {
  const sales: Sale[] = []
  const { end } = await log.range(partition)
  while (sales.length < end) {
    const batch = await log.read(partition, sales.length, { recordsMax: 10_000, bytesMax: 4 * 1024 * 1024 })
    const lines = batch!.lines.toString('utf8').trimEnd().split('\n')
    sales.push(...lines.map((line) => JSON.parse(line) as Sale))
  }
  return sales
}
