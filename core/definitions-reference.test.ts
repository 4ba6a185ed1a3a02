/** Compares docs/reference/definitions.md with the code: its examples compile, and its tables list exactly the names, options and limits of the code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testConnection } from '#storage/engine/engine-fixture.ts'
import { LIST_TYPES, SCALAR_TYPES, TIME_UNITS } from './column-types.ts'
import { compileDataset } from './compile-dataset.ts'
import type { CompiledDataset } from './compiled.ts'
import * as language from './definition.ts'
import { DefinitionError } from './definition-error.ts'
import { DEFINITION_LIMITS } from './definition-limits.ts'
import { DEFINITION_MEMBERS, REQUIRED_MEMBERS } from './definition-schema.ts'
import { TRINO_RULES } from './dialects/trino-expression.ts'
import { ALLOWED_FUNCTIONS } from './expression.ts'
import { CALENDAR_GRAINS, GRAIN_MS } from './grains.ts'
import { JSON_DEPTH_MAX } from './json-text.ts'
import { measureSql, wantsNumber } from './measures/by-kind.ts'
import { PANEL_KINDS } from './panel-definition.ts'
import { QUERY_LIMITS } from './query.ts'
import { TIME_FORMAT_CHARS_MAX, TIME_SPECIFIERS } from './time-format.ts'
import { trinoMeasure } from './trino/trino-measures.ts'

const text = readFileSync(fileURLToPath(new URL('../docs/reference/definitions.md', import.meta.url)), 'utf8')
const blocks = (kind: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\n([^]*?)^\`\`\``, 'gm'))].map((match) => match[1]!)
/** the cells of a table, without its head: the first one behind the heading whose first cell is this */
function table(first: string, heading = '# Definitions'): string[][] {
  const lines = text.slice(text.indexOf(`${heading}\n`)).split('\n')
  const head = lines.findIndex((line, at) => line.startsWith(`| ${first} |`) && lines[at + 1]!.startsWith('|---'))
  const end = lines.indexOf('', head)
  return lines.slice(head + 2, end).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}
const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!)
const firstCodes = (...where: Parameters<typeof table>): string[] => table(...where).flatMap(([cell]) => codes(cell!))

let folder: string
const connection = await testConnection()
const examples = new Map<string, language.DatasetDefinition>()
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-reference-'))
  const offered = new URL('./definition.ts', import.meta.url).href
  for (const [index, block] of blocks('ts').entries()) {
    const file = join(folder, `example-${index}.ts`)
    writeFileSync(file, block.replace("'watershed'", JSON.stringify(offered)))
    const { default: definition } = (await import(pathToFileURL(file).href)) as { default: language.DatasetDefinition }
    examples.set(definition.name, definition)
  }
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('every example compiles, and together they call every builder', async () => {
  expect([...examples.keys()]).toEqual([
    'winds',
    'posts',
    'answers',
    'trips',
    'trades',
    'shop_clicks',
    'visits',
    'orders',
  ])
  for (const definition of examples.values()) await compileDataset(definition, connection)
  const builders = Object.keys(language).filter((name) => !name.startsWith('define'))
  const calls = blocks('ts').join('\n')
  expect(builders.filter((name) => !calls.includes(`: ${name}(`))).toEqual([])
})

describe('the members', () => {
  test('of a dataset, its accepted times, a column, a view, a window, a ranking and a lookup are complete', () => {
    const { dataset, accept, column, view, window, rank, lookup } = DEFINITION_MEMBERS
    expect(firstCodes('member', '## Dataset')).toEqual(dataset)
    expect(firstCodes('`accept`')).toEqual(accept)
    expect(firstCodes('member', '## Columns')).toEqual(column)
    expect(firstCodes('member', '## Views')).toEqual(view)
    expect(firstCodes('`window`')).toEqual(window)
    expect(firstCodes('`rank`')).toEqual(rank)
    expect(firstCodes('`lookup(dictionary, key, attribute)`')).toEqual(lookup)
    expect(firstCodes('member', '## Series')).toEqual(DEFINITION_MEMBERS.series)
    expect(firstCodes('member', '## Groupings')).toEqual(DEFINITION_MEMBERS.grouping)
    expect(firstCodes('panel')).toEqual(DEFINITION_MEMBERS.panel)
    expect(firstCodes('kind', '## Dashboard')).toEqual(PANEL_KINDS)
  })

  test.each<[string, ...Parameters<typeof table>]>([
    ['dataset', 'member', '## Dataset'],
    ['column', 'member', '## Columns'],
    ['view', 'member', '## Views'],
    ['window', '`window`'],
    ['rank', '`rank`'],
    ['lookup', '`lookup(dictionary, key, attribute)`'],
    ['series', 'member', '## Series'],
    ['grouping', 'member', '## Groupings'],
    ['panel', 'panel'],
  ])('that a %s must have are said to be required', (part, ...where) => {
    const required = table(...where).filter(([, meaning]) => meaning!.startsWith('required: '))
    expect(required.flatMap(([cell]) => codes(cell!))).toEqual(REQUIRED_MEMBERS[part])
  })

  test('types, units, specifiers of time formats and grains are complete', () => {
    expect(firstCodes('type').toSorted()).toEqual([...SCALAR_TYPES, ...LIST_TYPES, 'DECIMAL(p,s)'].toSorted())
    expect(firstCodes('unit')).toEqual([...TIME_UNITS])
    expect(firstCodes('specifier').toSorted()).toEqual(TIME_SPECIFIERS.toSorted())
    expect(firstCodes('grain')).toEqual([...Object.keys(GRAIN_MS), ...CALENDAR_GRAINS])
  })
})

describe('the measures', () => {
  const rows = table('measure')
  test('are complete, each with its options', () => {
    const documented = rows.map(([name, options]) => [/^`(\w+)\(/.exec(name!)![1], codes(options!)])
    expect(Object.fromEntries(documented)).toEqual(DEFINITION_MEMBERS.measures)
  })

  test('have the documented states and exactness', async () => {
    const trips: CompiledDataset = await compileDataset(examples.get('trips')!, connection)
    const { measures } = trips.views.get('daily')!
    for (const [name, , state, exactness] of rows) {
      const kind = /^`(\w+)\(/.exec(name!)![1]
      for (const measure of measures.filter((entry) => entry.kind === kind)) {
        const parts = measure.state.map((column) => [column.name.split('__')[1], column.type])
        const ofDoubles = 'of' in measure.exactness && measure.exactness.of === 'magnitude'
        const stored = state!.split('; of doubles ').at(ofDoubles ? -1 : 0)!
        const documented = codes(stored).filter((code) => !code.startsWith('exact'))
        expect(documented.map((code) => code.split(' ')[0])).toEqual(parts.map(([part]) => part))
        for (const [index, code] of documented.entries())
          if (code.includes(' ')) expect(code).toBe(parts[index]!.join(' '))
        expect(exactness).toContain(measure.exactness.kind)
      }
    }
  })

  test('are invertible as they say, over integers, decimals and doubles', () => {
    const flags = (kind: language.MeasureDefinition['kind']): string[] => {
      const definition = { kind, expression: 'x', denominator: 'y', second: 'y', q: 0.5, bounds: [1] }
      const names = { x: 'x', y: 'y', s: (part: string) => part, unnested: false }
      const of = (type: string): string => measureSql({ definition, type, second: type, ...names }).invertible
      return [...new Set(['INTEGER', 'DECIMAL(9,2)', 'DOUBLE'].map(of))]
    }
    const kinds = Object.keys(DEFINITION_MEMBERS.measures) as language.MeasureDefinition['kind'][]
    const documented = rows.map(([name, , , , invertible]) => [/^`(\w+)\(/.exec(name!)![1], codes(invertible!)])
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(kinds.map((kind) => [kind, flags(kind)])))
  })
})

test('the functions that Trino lacks are complete, each with its reason', () => {
  const documented = table('not on Trino').flatMap(([names, reason]) => codes(names!).map((name) => [name, reason]))
  const refused = Object.entries(TRINO_RULES).filter(([, rule]) => typeof rule === 'string')
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(refused))
})

test('the measures that Trino lacks are complete', () => {
  const kinds = Object.keys(DEFINITION_MEMBERS.measures) as language.MeasureDefinition['kind'][]
  const refused = (type: string, unnested: boolean): string[] =>
    kinds.filter((kind) => {
      const definition = { kind, expression: 'x', denominator: 'y', second: 'y', q: 0.5, bounds: [1] }
      return 'refused' in trinoMeasure({ definition, type, second: type, x: '"x"', y: '"y"', unnested })
    })
  const [sentence] = /^All \[measures\].*$/m.exec(text)!
  const [always, unnested] = sentence.split('where lists are unnested').map(codes)
  expect(refused('BIGINT', true)).toEqual([])
  const ofNumbers = kinds.filter((kind) => wantsNumber(kind))
  const ofLists = (given: string[]): string[] => given.filter((kind) => !ofNumbers.includes(kind as never)).toSorted()
  expect(ofLists(refused('VARCHAR[]', false))).toEqual(always!.toSorted())
  expect(ofLists(refused('VARCHAR[]', true))).toEqual([...always!, ...unnested!].toSorted())
})

describe('the calculations of series', () => {
  const rows = table('calculation')
  const kindOf = (name: string): string => (name === 'calculate' ? 'expression' : name)

  test('are complete, each with its rows', () => {
    const documented = rows.map(([call]) => /^`(\w+)\(expression(?:, (rows|\{ every, times \}))?/.exec(call!)!.slice(1))
    const members = documented.map(([name, counted]) => [
      kindOf(name!),
      counted === undefined
        ? ['label']
        : counted === 'rows'
          ? ['rows', 'label']
          : ['every', 'times', 'absent', 'label'],
    ])
    expect(Object.fromEntries(members)).toEqual(DEFINITION_MEMBERS.calculations)
    expect(text).toContain(`from 1 to ${DEFINITION_LIMITS.seriesRowsMax} (\`seriesRowsMax\`)`)
    expect(text).toContain(`from 1 to ${DEFINITION_LIMITS.usualTimesMax} (\`usualTimesMax\`)`)
    expect(text).toContain(`more than ${QUERY_LIMITS.filledRowsMax.toLocaleString('en')} (\`filledRowsMax\`)`)
  })

  test('read as many rows as they say', async () => {
    const trades = examples.get('trades')!
    for (const [call, , reads] of rows) {
      const [, name, counted] = /^`(\w+)\(expression(, rows|, \{)?/.exec(call!)!
      const builder = Object.entries(language).find(([exported]) => exported === name)![1] as (
        expression: string,
        rows?: number | language.UsualOptions,
      ) => language.SeriesColumnDefinition
      const options = name === 'usual' ? ({ every: '7d', times: 30 } as const) : 30
      const column = counted === undefined ? builder('close') : builder('close', options)
      const series = { one: { over: 'bars', grain: 'day', columns: { column } } } as const
      const { rowsBack, across } = (await compileDataset({ ...trades, series }, connection)).series.get('one')!
        .columns[0]!
      const formula = reads!
        .replaceAll('`rows`', '30')
        .replace('·', '*')
        .replace(', of all keys', '')
        .replace(', and the rows at those times', '')
      expect([name, rowsBack]).toEqual([name, formula === 'all' ? null : new Function(`return ${formula}`)()])
      expect(across).toBe(reads!.includes('of all keys'))
    }
  })
})

test('the functions are exactly those that an expression may call', () => {
  const words = blocks('functions').join(' ').trim().split(/\s+/)
  const named = [...ALLOWED_FUNCTIONS].filter((name) => /^\w+$/.test(name))
  expect(words).toEqual(named.toSorted())
})

test('the limits have the names and values of the code', () => {
  expect(table('limit').map(([name, value]) => [codes(name!)[0], Number(value)])).toEqual(
    Object.entries(DEFINITION_LIMITS),
  )
  expect(text).toContain(`formats of a TIMESTAMP, of up to ${TIME_FORMAT_CHARS_MAX} characters`)
  expect(text).toContain(`nested ${JSON_DEPTH_MAX.toLocaleString('en')} levels deep`)
})

test('the listed problems are what such mistakes report', async () => {
  const trips = examples.get('trips')!
  const daily = trips.views.daily!
  const { sum } = language
  const view = (change: object) => ({ ...trips, views: { daily: { ...daily, ...change } } })
  const fares = (measure: object) => view({ measures: { ...daily.measures, fares: measure } })
  const mistakes = [
    fares(sum('fair')),
    fares({ ...sum('fare'), were: 'cancelled' }),
    fares(sum('trip')),
    fares(sum('random()')),
    view({ where: 'km' }),
    view({ time: ['minutes'] }),
    view({ time: undefined, window: { size: '5m', every: '40s' } }),
    view({ rank: { by: 'trip', limit: 10 } }),
    { ...trips, columns: { ...trips.columns, km: { ...trips.columns.km, default: 'far' } } },
    { ...trips, key: 'km' },
  ]
  const told: string[] = []
  for (const mistake of mistakes) {
    const problem = await compileDataset(mistake as language.DatasetDefinition, connection).catch(
      (error: Error) => error,
    )
    expect(problem).toBeInstanceOf(DefinitionError)
    told.push(...(problem as DefinitionError).problems)
  }
  expect(told).toEqual(blocks('problems').join('').trimEnd().split('\n'))
})
