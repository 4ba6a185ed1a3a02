/** Checks one grouping of a definition, and compiles it as a view of its own whose rows are the merged rows of another view. */
import { compileView } from '../compile-view.ts'
import type { CompiledGrouping, CompiledView, SqlColumn } from '../compiled.ts'
import { nearest } from '../definition-error.ts'
import { NAME } from '../definition-limits.ts'
import type { ColumnDefinition, DatasetDefinition, GroupingDefinition } from '../definition-parts.ts'
import type { SqlDialect } from '../dialect.ts'

export interface GroupingInput {
  readonly definition: DatasetDefinition
  readonly name: string
  readonly grouping: GroupingDefinition
  /** the dataset's */
  readonly views: ReadonlyMap<string, CompiledView>
  readonly dialect: SqlDialect
  /** problems found are added here */
  readonly problems: string[]
}

/** Rows of events have these, too; rows of a view have no place in the log. */
const PLACE: readonly SqlColumn[] = [
  { name: '_partition', type: 'INTEGER' },
  { name: '_offset', type: 'BIGINT' },
  { name: '_time', type: 'BIGINT' },
]

/** @returns null when a problem was found */
export async function compileGrouping(input: GroupingInput): Promise<CompiledGrouping | null> {
  const { definition, name, grouping, views, dialect, problems } = input
  const before = problems.length
  const say = (where: string, problem: string): number =>
    problems.push(`grouping '${name}'${where === '' ? '' : `, ${where}`}: ${problem}`)
  if (!NAME.test(name)) say('', `a name must match ${NAME.source}`)
  const over = views.get(grouping.over)
  if (over === undefined) {
    say('over', `'${grouping.over}' is not a view${nearest(grouping.over, views.keys())}`)
    return null
  }
  const by = grouping.by ?? over.dimensions.map((dimension) => dimension.name)
  const known = over.dimensions.map((dimension) => dimension.name)
  for (const one of by)
    if (!known.includes(one)) say('by', `'${one}' is not a dimension of view '${over.name}'${nearest(one, known)}`)
  if (new Set(by).size !== by.length) say('by', 'a dimension is given more than once')
  for (const [measure, { kind }] of Object.entries(grouping.measures))
    if (kind === 'first' || kind === 'latest')
      say(`measure '${measure}'`, `${kind} needs events, which have an order; rows have none: use maxBy or minBy`)
  if (problems.length > before) return null
  const rows = rowsOf(over, by)
  const { over: _over, by: _by, ...view } = grouping
  const compiled = await compileView({
    ...{ definition: { ...definition, columns: columnsOf(rows) }, name, view, dialect, problems },
    what: 'grouping',
    rowColumns: [...PLACE, ...rows],
    // What a view keeps is bounded by what events are accepted with; nothing of this is kept.
    sized: [],
    stored: new Map(),
    inputsOf: (names) => new Set(names),
  })
  if (compiled === null) return null
  for (const read of compiled.reads) {
    const problem = whyInexact(over, read)
    if (problem !== null) say('', problem)
  }
  return problems.length > before
    ? null
    : { dataset: definition.name, name, label: grouping.label, over, by, view: compiled }
}

/** The columns of the view's rows: dimensions, measures, and lookups whose key is one of these. */
function rowsOf({ dimensions, measures, lookups }: CompiledView, by: readonly string[]): SqlColumn[] {
  const own = [
    ...dimensions.filter(({ name }) => by.includes(name)),
    ...measures.map(({ name, type }) => ({ name, type })),
  ]
  const names = new Set(own.map(({ name }) => name))
  const found = lookups.filter(({ key }) => names.has(key))
  return [...own, ...found.map(({ name, list }) => ({ name, type: list ? 'VARCHAR[]' : 'VARCHAR' }))]
}

function columnsOf(rows: readonly SqlColumn[]): DatasetDefinition['columns'] {
  return Object.fromEntries(rows.map(({ name, type }) => [name, { type, path: '$' } as unknown as ColumnDefinition]))
}

/** A condition on an estimate would count other rows at another cut between the layers. */
function whyInexact({ name: view, measures }: CompiledView, read: string): string | null {
  const measure = measures.find(({ name }) => name === read)
  if (measure === undefined || measure.exactness.kind === 'exact') return null
  const { exactness, kind } = measure
  if (exactness.kind === 'float' && exactness.of === 'value') return null
  const way =
    exactness.kind === 'sketch'
      ? `give it { exact: true }`
      : exactness.kind === 'float' && exactness.of === 'magnitude'
        ? 'make it one of a DECIMAL'
        : 'use an exact measure'
  return `'${read}' of view '${view}' is a ${kind}, which is an estimate; ${way}`
}
