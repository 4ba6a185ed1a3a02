/** Lookups are applied last, to the few rows of the answer: each is one hash join with the pinned dictionary. */
import type { CompiledLookup } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { QueryPlan } from './query-plan.ts'

export interface EnrichedRows {
  readonly sql: string
  readonly names: readonly string[]
}

/**
 * Joins the lookups whose key is in the answer to `rows`, a SELECT with a unique column _n.
 * @param dictionaries dictionary → relation of its pinned version; lookups in other dictionaries are omitted
 */
export function enrichedSql(plan: QueryPlan, rows: string, dictionaries: ReadonlyMap<string, string>): EnrichedRows {
  const lookups = lookupsShown(plan, dictionaries)
  if (lookups.length === 0) return { sql: rows, names: [] }
  const joins = lookups.map((lookup, index) => joinSql(lookup, `l${index}`, dictionaries.get(lookup.dictionary)!))
  const values = lookups.map(({ name }, index) => `l${index}.v AS ${quoteName(name)}`)
  return {
    sql: `WITH r AS MATERIALIZED (${rows}) SELECT ${['r.*', ...values].join(', ')} FROM r ${joins.join(' ')}`,
    names: lookups.map(({ name }) => name),
  }
}

/** The lookups whose key is in the answer and whose dictionary is at hand. */
export function lookupsShown(plan: QueryPlan, dictionaries: ReadonlyMap<string, unknown>): readonly CompiledLookup[] {
  const shown = new Set([...plan.dimensions, ...plan.values.map(({ name }) => name)])
  return plan.view.lookups.filter(({ key, dictionary }) => shown.has(key) && dictionaries.has(dictionary))
}

/** Per row: the attribute; for a list of keys the distinct attributes, sorted; null if none is known. A dictionary has each key once. */
function joinSql({ key, attribute, list }: CompiledLookup, alias: string, relation: string): string {
  const dictionary = `SELECT "key", attributes[${quoteText(attribute)}] AS v FROM ${relation}`
  if (!list) return `LEFT JOIN (${dictionary}) AS ${alias} ON ${alias}."key" = r.${quoteName(key)}::VARCHAR`
  const keys = `SELECT _n, unnest(${quoteName(key)})::VARCHAR AS k FROM r`
  const values = 'list(DISTINCT d.v ORDER BY d.v) FILTER (WHERE d.v IS NOT NULL) AS v'
  const found = `SELECT _n, ${values} FROM (${keys}) AS k JOIN (${dictionary}) AS d ON d."key" = k.k GROUP BY _n`
  return `LEFT JOIN (${found}) AS ${alias} ON ${alias}._n = r._n`
}
