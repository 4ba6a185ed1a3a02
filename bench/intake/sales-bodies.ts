/** The same sales of sales-table.ts as NDJSON and as Arrow, with the types that a client's data frame has. */
import { makeVector, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'

/** so many that no cache holds them all */
const EVENTS = 60_000
const FROM_MS = 1_700_000_000_000

interface Sale {
  readonly id: number
  readonly at: number
  readonly shop: string
  readonly items: number
  readonly price: number
  readonly country: string
}

function saleOf(id: number): Sale {
  const country = ['Germany', 'France', 'Norway'][id % 3]!
  return { id, at: FROM_MS + id, shop: `shop ${id % 977}`, items: id % 7, price: ((id * 37) % 10_007) / 100, country }
}

/** @param request events of each body */
export function salesNdjson(request: number): readonly Buffer[] {
  return salesOf(request).map((sales) => Buffer.from(sales.map((sale) => `${JSON.stringify(sale)}\n`).join('')))
}

/** @param request events of each body */
export function salesArrow(request: number): readonly Buffer[] {
  return salesOf(request).map((sales) => {
    const texts = (name: 'shop' | 'country') => {
      const values = sales.map((sale) => sale[name])
      return vectorFromArray(values, new Utf8())
    }
    const table = new Table({
      id: makeVector(BigInt64Array.from(sales, ({ id }) => BigInt(id))),
      at: makeVector(BigInt64Array.from(sales, ({ at }) => BigInt(at))),
      shop: texts('shop'),
      items: makeVector(Int32Array.from(sales, ({ items }) => items)),
      price: makeVector(Float64Array.from(sales, ({ price }) => price)),
      country: texts('country'),
    })
    return Buffer.from(tableToIPC(table, 'stream'))
  })
}

function salesOf(request: number): Sale[][] {
  return Array.from({ length: EVENTS / request }, (_, body) =>
    Array.from({ length: request }, (_, at) => saleOf(body * request + at)),
  )
}
