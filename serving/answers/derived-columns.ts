/** Columns that an answer calculates from its measures: docs/reference/queries.md. */
import type { CompiledMeasure, CompiledSeries, CompiledView, SqlColumn } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import type { ViewQuery } from '#core/query.ts'
import { QueryError } from './query-error.ts'

export interface DerivedColumn extends SqlColumn {
  readonly kind: 'share'
  readonly of: CompiledMeasure
}

const NUMBER = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\(.*|DOUBLE|FLOAT)$/

/** @throws QueryError that names the member */
export function derivedColumns(view: CompiledView, series: CompiledSeries | null, query: ViewQuery): DerivedColumn[] {
  const { shares = [], totals = false } = query
  if (series !== null) {
    const member = shares.length > 0 ? 'shares' : totals ? 'totals' : null
    if (member !== null)
      throw new QueryError(member, `is not for series: rows of '${series.name}' are calculated from one another`)
  }
  return shares.map((name, at) => {
    if (shares.indexOf(name) !== at) throw new QueryError('shares', 'a name is given more than once')
    return derived('shares', view, numberOf('shares', view, name), 'share', 'DOUBLE')
  })
}

function numberOf(member: string, { measures }: CompiledView, name: string): CompiledMeasure {
  const names = measures.map((measure) => measure.name)
  const measure = measures.find((one) => one.name === name)
  if (measure === undefined) throw new QueryError(member, `'${name}' is unknown${nearest(name, names)}`, names)
  if (!isNumber(measure)) throw new QueryError(member, `'${name}' has type ${measure.type}, and is not a number`)
  return measure
}

function isNumber({ type }: SqlColumn): boolean {
  return NUMBER.test(type)
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
  const taken = [...dimensions, ...measures, ...lookups].some((column) => column.name === name)
  if (taken || name === 'time')
    throw new QueryError(member, `the column '${name}' would have the name of another one of '${view}'`)
  return { name, type, kind, of }
}
