/** Lookups are applied last, to the few rows of the answer: one hash join per key with the pinned dictionary. */
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
  const joined = [...Map.groupBy(lookups, ({ dictionary, key }) => JSON.stringify([dictionary, key])).values()]
  const joins = joined.map((own, index) => joinSql(own, `l${index}`, dictionaries.get(own[0]!.dictionary)!))
  const values = lookups.map((lookup) => {
    const index = joined.findIndex((own) => own.includes(lookup))
    return `l${index}.v${joined[index]!.indexOf(lookup)} AS ${quoteName(lookup.name)}`
  })
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

/**
 * Per row the attributes of one key, `v0`, `v1` …; for a list of keys the distinct attributes, sorted; null if none is known. A dictionary
 * has each key once.
 */
function joinSql(lookups: readonly CompiledLookup[], alias: string, relation: string): string {
  const { key, list } = lookups[0]!
  const attributes = lookups.map(({ attribute }, at) => `attributes[${quoteText(attribute)}] AS v${at}`)
  const dictionary = `SELECT "key", ${attributes.join(', ')} FROM ${relation}`
  if (!list) return `LEFT JOIN (${dictionary}) AS ${alias} ON ${alias}."key" = r.${quoteName(key)}::VARCHAR`
  const keys = `SELECT _n, unnest(${quoteName(key)})::VARCHAR AS k FROM r`
  const values = lookups.map(
    (_, at) => `list(DISTINCT d.v${at} ORDER BY d.v${at}) FILTER (WHERE d.v${at} IS NOT NULL) AS v${at}`,
  )
  const found = `SELECT _n, ${values.join(', ')} FROM (${keys}) AS k JOIN (${dictionary}) AS d ON d."key" = k.k GROUP BY _n`
  return `LEFT JOIN (${found}) AS ${alias} ON ${alias}._n = r._n`
}
