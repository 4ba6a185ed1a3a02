/** Columns that an answer calculates from its measures: shares of the total, and the comparison with an earlier period. */
import type { CompiledMeasure, CompiledSeries, CompiledView, SqlColumn } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import type { ViewQuery } from '#core/query.ts'
import { decimalOf } from '#core/stored-value.ts'
import { QueryError } from './query-error.ts'

export interface DerivedColumn extends SqlColumn {
  readonly kind: 'share' | 'previous' | 'difference' | 'ratio'
  readonly of: CompiledMeasure
}

const WHOLE = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/

/** @throws QueryError that names the member */
export function derivedColumns(view: CompiledView, series: CompiledSeries | null, query: ViewQuery): DerivedColumn[] {
  const { shares = [], totals = false, compare } = query
  if (series !== null) {
    const member = compare !== undefined ? 'compare' : shares.length > 0 ? 'shares' : totals ? 'totals' : null
    if (member !== null) throw new QueryError(member, whyNotOfSeries(member, series))
  }
  const compared = compare === undefined ? [] : (query.measures ?? view.measures.map(({ name }) => name))
  return [
    ...compared.flatMap((name) => comparedColumns(view, name)),
    ...shares.map((name, at) => {
      if (shares.indexOf(name) !== at) throw new QueryError('shares', 'a name is given more than once')
      return derived('shares', view, numberOf(view, name), 'share', 'DOUBLE')
    }),
  ]
}

function whyNotOfSeries(member: 'compare' | 'shares' | 'totals', { name, over }: CompiledSeries): string {
  const view = `ask the view '${over.name}' that it is calculated from`
  if (member === 'compare')
    return `is not for series: rows of '${name}' look back by themselves; give the series a lag or difference in its definition, or ${view}`
  return `is not for series: rows of '${name}' are calculated from one another, so that all of them together have no value; ${view}`
}

/** What it was; of a number, also how much it changed. Unknown names are refused with those of the measures. */
function comparedColumns(view: CompiledView, name: string): DerivedColumn[] {
  const measure = view.measures.find((one) => one.name === name)
  if (measure === undefined) return []
  const column = (kind: DerivedColumn['kind'], type: string): DerivedColumn =>
    derived('compare', view, measure, kind, type)
  const before = column('previous', measure.type)
  const type = differenceType(measure)
  return type === null ? [before] : [before, column('difference', type), column('ratio', 'DOUBLE')]
}

/** Wide enough for the difference of any two values; null: it is not a number. */
function differenceType({ kind, type }: CompiledMeasure): string | null {
  if (kind === 'count' || kind === 'countDistinct') return 'BIGINT'
  if (WHOLE.test(type)) return 'HUGEINT'
  if (type === 'DOUBLE' || type === 'FLOAT') return 'DOUBLE'
  const decimal = decimalOf(type)
  return decimal && `DECIMAL(${Math.min(38, decimal.digits + 1)},${decimal.scale})`
}

function numberOf({ measures }: CompiledView, name: string): CompiledMeasure {
  const names = measures.map((measure) => measure.name)
  const measure = measures.find((one) => one.name === name)
  if (measure === undefined) throw new QueryError('shares', `'${name}' is unknown${nearest(name, names)}`, names)
  if (differenceType(measure) === null)
    throw new QueryError('shares', `'${name}' has type ${measure.type}, and is not a number`)
  return measure
}

/** A name that the view has for something else cannot be a second column of it. */
function derived(
  member: string,
  { name: view, dimensions, measures, lookups }: CompiledView,
  of: CompiledMeasure,
  kind: DerivedColumn['kind'],
  type: string,
): DerivedColumn {
  const name = `${of.name}_${kind}`
  if ([...dimensions, ...measures, ...lookups].some((column) => column.name === name))
    throw new QueryError(member, `the column '${name}' would have the name of another one of '${view}'`)
  return { name, type, kind, of }
}
