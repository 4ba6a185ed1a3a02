/**
 * What is left of a definition without the parts that have problems, and without what refers to these. Compiled in turn, it tells of
 * problems that do not follow from the known ones.
 */
import { isColumnType } from './column-types.ts'
import { NAME } from './definition-limits.ts'
import type { DatasetDefinition } from './definition-parts.ts'
import { DEFINITION_MEMBERS } from './definition-schema.ts'

/** Not yet checked: it can have anything anywhere. */
type Part = Record<string, unknown>

/** How every problem begins: with its place. */
const PLACE =
  /^(?:(?<kind>column|view|series|grouping|source|sink) '(?<name>[^']*)'|(?<member>\w+))(?:\.\w+)?(?:, (?:(?<entries>dimension|measure|unnest|enrich|column) '(?<entry>[^']*)'|panel (?<panel>\d+)|(?<option>\w+)))?/
const GROUPS = { column: 'columns', view: 'views', series: 'series', grouping: 'groupings' }
const ENTRIES = { dimension: 'dimensions', measure: 'measures', unnest: 'unnest', enrich: 'enrich', column: 'columns' }
const KNOWN = { views: 'view', series: 'series', groupings: 'grouping' } as const
/** required members of views, series and groupings; without one the whole part is left out */
const NEEDED = {
  views: ['dimensions', 'measures'],
  series: ['over', 'grain', 'columns'],
  groupings: ['over', 'dimensions', 'measures'],
} as const
/** members that do not decide on the names and times of the rows */
const OF_NO_NAMES: ReadonlySet<string> = new Set(['where', 'rank', 'fill', 'label', 'description'])
/** members with texts that are not expressions and name nothing else of the definition */
const OTHER_TEXTS: ReadonlySet<string> = new Set(['kind', 'label', 'description', 'unit', 'dictionary', 'attribute'])
/** what stands where something is needed that was left out */
const STAND_IN = {
  roles: { time: 'TIMESTAMP', key: 'VARCHAR' },
  measures: { stand_in: { kind: 'count' } },
  panel: { kind: 'events' },
} as const

/** Null if nothing can be left out. @param problems of the definition, each beginning with its place */
export function restOf(definition: DatasetDefinition, problems: readonly string[]): DatasetDefinition | null {
  if (!isPart(definition) || !isPart(definition.columns) || !isPart(definition.views)) return null
  const rest = new Rest(copied(definition) as Part)
  for (const problem of problems) rest.leaveOut(PLACE.exec(problem)?.groups ?? {})
  const whole = rest.whole()
  return rest.isSmaller ? (whole as unknown as DatasetDefinition) : null
}

class Rest {
  isSmaller = false
  readonly #all: Part
  /** whether the names of all views, series and groupings are known */
  #areNamed = true
  readonly #columns = new Set<string>()
  /** views, series and groupings against which nothing can be checked */
  readonly #parts = new Set<string>()
  /** by view, series or grouping: names that are missing in its rows */
  readonly #outputs = new Map<string, Set<string>>()
  /** the same of the names of its unnested elements */
  readonly #elements = new Map<string, Set<string>>()

  constructor(all: Part) {
    this.#all = all
  }

  leaveOut({
    kind,
    name = '',
    member = '',
    entries,
    entry = '',
    panel,
    option,
  }: Record<string, string | undefined>): void {
    const group = GROUPS[kind as keyof typeof GROUPS]
    if (kind === 'column') this.#leaveOutColumn(name)
    else if (entries !== undefined) this.#leaveOutEntry(group, name, ENTRIES[entries as keyof typeof ENTRIES], entry)
    else if (group !== undefined) this.#leaveOutMember(group as keyof typeof KNOWN, name, option)
    else if (kind !== undefined) this.#filter(`${kind}s`, (one) => one.name !== name)
    else if (member === 'dashboard') this.#replacePanel(panel === undefined ? Number(option) : Number(panel) - 1)
    else if (member === 'sources' || member === 'sinks') this.#filter(member, (_, index) => String(index) !== option)
    else if (member === 'unknown') this.#leaveOutUnknown()
    else if (member === 'name') this.#set(this.#all, 'name', 'stand_in')
    else if (option !== undefined && isPart(this.#all[member])) this.#delete(this.#all[member], option)
    else if (member !== 'columns' && member !== 'views') {
      this.#areNamed &&= member !== 'series' && member !== 'groupings'
      this.#delete(this.#all, member)
    }
  }

  /** The definition, also without what refers to parts that are left out. */
  whole(): Part {
    const { columns, views, series, groupings } = this.#all
    for (const lost of this.#columns)
      for (const [name, { as }] of entriesOf(columns)) if (mentions(as, [lost])) this.#leaveOutColumn(name)
    for (const [name, view] of entriesOf(views)) this.#leaveOutOfView('views', name, view, this.#columns)
    for (const [group, parts] of Object.entries({ series, groupings }))
      for (const [name, part] of entriesOf(parts)) {
        const lost = this.#outputs.get(String(part.over)) ?? new Set()
        if (this.#parts.has(String(part.over)) || mentions([part.by, Object.keys(partOf(part.fill))], lost))
          this.#leaveOutPart(name)
        else if (group === 'groupings') this.#leaveOutOfView(group, name, part, lost)
        else this.#leaveOutOfSeries(name, part, lost)
      }
    this.#leaveOutShown()
    for (const [role, type] of Object.entries(STAND_IN.roles))
      if (!Object.hasOwn(partOf(columns), String(this.#all[role]))) {
        this.#set(this.#all, role, `stand_in_${role}`)
        partOf(columns)[`stand_in_${role}`] = { type, path: `$.stand_in_${role}` }
      }
    return this.#all
  }

  /** Sinks and panels of what is not as the file says. */
  #leaveOutShown(): void {
    const { views, series, groupings, sinks, dashboard } = this.#all
    const named = new Set([views, series, groupings].flatMap((group) => Object.keys(partOf(group))))
    const isWhole = (name: string): boolean => {
      if (!this.#areNamed && !named.has(name)) return false
      const { over } = partAt(this.#all, 'series', name) ?? partAt(this.#all, 'groupings', name) ?? {}
      return ![name, String(over)].some((one) => this.#parts.has(one) || this.#outputs.has(one))
    }
    if (Array.isArray(sinks)) this.#all.sinks = sinks.filter(({ view }) => isWhole(view))
    // The numbers of panels stay those of the file.
    const isShown = (panel: Part): boolean =>
      panel.kind === 'events' ? !mentions(panel, this.#columns) : isWhole(String(panel.view))
    this.#all.dashboard = (Array.isArray(dashboard) ? dashboard : []).map((panel: Part) =>
      isShown(partOf(panel)) ? panel : { ...STAND_IN.panel, limit: panel.limit, width: panel.width },
    )
  }

  /** If its type is known, a plain column of that type takes its place, so that references to it can still be checked. */
  #leaveOutColumn(name: string): void {
    const columns = partOf(this.#all.columns)
    const { type, path } = partOf(columns[name])
    const isList = String(type).endsWith('[]')
    const plain = `$.stand_in_of_${name}`
    const isTyped = typeof type === 'string' && isColumnType(type) && (isList || !String(path).includes('[*]'))
    if (NAME.test(name) && isTyped && path !== plain) this.#set(columns, name, { type, path: plain })
    else {
      this.#columns.add(name)
      this.#delete(columns, name)
    }
  }

  #leaveOutPart(name: string): void {
    this.#parts.add(name)
    for (const group of Object.keys(KNOWN)) if (isPart(this.#all[group])) this.#delete(this.#all[group], name)
  }

  #leaveOutEntry(group: string, name: string, entries: string, entry: string): void {
    const part = partAt(this.#all, group, name)
    if (!isPart(part?.[entries])) return
    this.#delete(part[entries], entry)
    add(entries === 'unnest' ? this.#elements : this.#outputs, name, entry)
    if (entries === 'measures' && Object.keys(part.measures as Part).length === 0) part.measures = STAND_IN.measures
  }

  /** A member of a view, series or grouping that it can do without; or the whole of it. */
  #leaveOutMember(group: keyof typeof KNOWN, name: string, member: string | undefined): void {
    const part = partAt(this.#all, group, name) ?? {}
    const unknown = Object.keys(part).filter((one) => !DEFINITION_MEMBERS[KNOWN[group]].includes(one))
    const without = member === undefined ? unknown : [member]
    const isUnnamed = member === 'unnest' && !isPart(part.unnest)
    for (const one of without) {
      // A misspelt member may have the names that others refer to.
      for (const [entry] of entriesOf(part[one]))
        for (const names of [this.#elements, this.#outputs]) add(names, name, entry)
      this.#delete(part, one)
    }
    if (isUnnamed || without.length === 0 || NEEDED[group].some((one) => part[one] === undefined))
      this.#leaveOutPart(name)
    else if (!without.every((one) => OF_NO_NAMES.has(one))) this.#parts.add(name)
  }

  #leaveOutUnknown(): void {
    for (const name of Object.keys(this.#all).filter((one) => !DEFINITION_MEMBERS.dataset.includes(one)))
      this.#delete(this.#all, name)
    // One of them may be a misspelt series, or the misspelt name.
    this.#areNamed = false
    this.#all.name ??= 'stand_in'
  }

  #leaveOutOfView(group: string, name: string, view: Part, outside: ReadonlySet<string>): void {
    for (const [as, list] of Object.entries(partOf(view.unnest)))
      if (mentions(list, outside)) this.#leaveOutEntry(group, name, 'unnest', as)
    const inputs = [...outside, ...(this.#elements.get(name) ?? [])]
    for (const entries of ['dimensions', 'measures'])
      for (const [entry, value] of Object.entries(partOf(view[entries])))
        if (mentions(value, inputs)) this.#leaveOutEntry(group, name, entries, entry)
    if (mentions(view.where, inputs)) this.#delete(view, 'where')
    const outputs = this.#outputs.get(name) ?? []
    for (const [entry, lookup] of Object.entries(partOf(view.enrich)))
      if (mentions(lookup, outputs)) this.#leaveOutEntry(group, name, 'enrich', entry)
    if (mentions(view.rank, outputs)) this.#delete(view, 'rank')
  }

  #leaveOutOfSeries(name: string, series: Part, outside: ReadonlySet<string>): void {
    const columns = partOf(series.columns)
    const lost = new Set([...outside, ...(this.#outputs.get(name) ?? [])])
    for (const one of lost)
      for (const [column, value] of Object.entries(columns))
        if (mentions(value, [one])) {
          this.#leaveOutEntry('series', name, 'columns', column)
          lost.add(column)
        }
    if (lost.size > 0 && Object.keys(columns).length === 0) this.#leaveOutPart(name)
  }

  #replacePanel(index: number): void {
    const { dashboard } = this.#all
    if (Array.isArray(dashboard)) this.#set(dashboard as unknown as Part, String(index), STAND_IN.panel)
    else this.#delete(this.#all, 'dashboard')
  }

  #filter(member: string, keeps: (one: Part, index: number) => boolean): void {
    const before = this.#all[member]
    if (Array.isArray(before)) this.#set(this.#all, member, before.filter(keeps))
    else this.#delete(this.#all, member)
  }

  #set(part: Part, member: string, value: unknown): void {
    if (JSON.stringify(part[member]) !== JSON.stringify(value)) this.isSmaller = true
    part[member] = value
  }

  #delete(part: Part, member: string): void {
    if (Object.hasOwn(part, member)) this.isSmaller = true
    delete part[member]
  }
}

/** Whether a text of an expression, at any depth, has one of the names as a word. */
function mentions(value: unknown, names: Iterable<string>): boolean {
  const lost = new Set(names)
  return lost.size > 0 && wordsOf(value).some((word) => lost.has(word))
}

function wordsOf(value: unknown): string[] {
  if (typeof value === 'string') return value.match(/\w+/g) ?? []
  if (Array.isArray(value)) return value.flatMap(wordsOf)
  return Object.entries(partOf(value)).flatMap(([name, member]) => (OTHER_TEXTS.has(name) ? [] : wordsOf(member)))
}

function add(names: Map<string, Set<string>>, part: string, name: string): void {
  names.set(part, (names.get(part) ?? new Set()).add(name))
}

function isPart(value: unknown): value is Part {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function partOf(value: unknown): Part {
  return isPart(value) ? value : {}
}

function partAt(all: Part, group: string, name: string): Part | undefined {
  const part = partOf(all[group])[name]
  return isPart(part) ? part : undefined
}

/** Members that are objects themselves. */
function entriesOf(value: unknown): [string, Part][] {
  return Object.entries(partOf(value)).map(([name, member]) => [name, partOf(member)])
}

/** Functions and the like stay as they are. */
function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied)
  if (!isPart(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copied(member)]))
}
