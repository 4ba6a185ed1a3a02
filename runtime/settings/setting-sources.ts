/** Sources of settings: file, environment, flags. Each gives values by name; an unknown name is refused, with the nearest known one as a suggestion. */
import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nearest } from '#core/definition-error.ts'
import { ConfigurationError } from './configuration-error.ts'
import { ALL_SETTINGS, SECTIONS, valueFrom } from './setting-names.ts'

/** Values by setting name, and a description of each value's source. */
export interface SettingSource {
  readonly values: ReadonlyMap<string, unknown>
  /** e.g. environment WATERSHED_PORT */
  from(name: string): string
}

/** Variables with the prefix that are not settings. */
const OTHER_VARIABLES = ['WATERSHED_CONFIG', 'WATERSHED_CRASH_AT', 'WATERSHED_REQUIRE_SERVERS']

/** @throws ConfigurationError */
export async function settingsOfFile(file: string): Promise<SettingSource> {
  const path = resolve(file)
  const place = `file '${path}'`
  const whole = await readValues(path)
  if (!isObject(whole)) throw new ConfigurationError([`configuration ${place} must contain one object of settings`])
  const values = flat(whole, place)
  return { values: withPaths(values, dirname(path)), from: () => place }
}

/** @throws ConfigurationError */
export function settingsOfEnvironment(environment: Readonly<Record<string, string | undefined>>): SettingSource {
  const settings = new Map([...ALL_SETTINGS.values()].map((setting) => [setting.variable, setting]))
  const values = new Map<string, unknown>()
  const problems: string[] = []
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith('WATERSHED_') || OTHER_VARIABLES.includes(variable)) continue
    const setting = settings.get(variable)
    if (setting === undefined)
      problems.push(`environment: ${variable} is not a setting${nearest(variable, settings.keys())}`)
    else values.set(setting.name, valueFrom(setting, text))
  }
  if (problems.length > 0) throw new ConfigurationError(problems)
  return { values, from: (name) => `environment ${ALL_SETTINGS.get(name)!.variable}` }
}

/** `set`: texts of the form name=value; `flags`: values of flags that were given. @throws ConfigurationError */
export function settingsOfFlags(flags: Readonly<Record<string, unknown>>, set: readonly string[]): SettingSource {
  const values = new Map<string, unknown>()
  const given = new Set<string>()
  for (const text of set) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
    if (name === undefined)
      throw new ConfigurationError([`--set ${text}: use the form name=value (example: --set port=8080)`])
    const setting = ALL_SETTINGS.get(name)
    if (setting === undefined) throw new ConfigurationError([`--set: '${name}' is not a setting${near(name)}`])
    values.set(name, valueFrom(setting, value!))
    given.add(name)
  }
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue
    values.set(name, value)
    given.delete(name)
  }
  return { values, from: (name) => (given.has(name) ? '--set' : 'flag') }
}

/** A dataset is given by a shipped name or by the path of its definition file. */
export function isDefinitionPath(entry: string): boolean {
  return /[./\\]/.test(entry)
}

async function readValues(path: string): Promise<unknown> {
  try {
    if (extname(path) !== '.ts') return JSON.parse(await readFile(path, 'utf8'))
    return ((await import(pathToFileURL(path).href)) as { default?: unknown }).default
  } catch (error) {
    throw new ConfigurationError([`configuration file '${path}' cannot be read: ${(error as Error).message}`])
  }
}

/** Sections become names with a dot. */
function flat(whole: Readonly<Record<string, unknown>>, place: string): Map<string, unknown> {
  const values = new Map<string, unknown>()
  const problems: string[] = []
  const take = (name: string, value: unknown): void => {
    if (ALL_SETTINGS.has(name)) values.set(name, value)
    else problems.push(`${place}: '${name}' is not a setting${near(name)}`)
  }
  for (const [name, value] of Object.entries(whole)) {
    if (!SECTIONS.includes(name)) take(name, value)
    else if (isObject(value)) for (const [own, inner] of Object.entries(value)) take(`${name}.${own}`, inner)
    else problems.push(`${place}: '${name}' is a section; it must be an object of settings`)
  }
  if (problems.length > 0) throw new ConfigurationError(problems)
  return values
}

/** Paths in a file are relative to the file. */
function withPaths(values: Map<string, unknown>, folder: string): Map<string, unknown> {
  for (const name of ['data', 'scratch', 'tlsCert', 'tlsKey']) {
    const path = values.get(name)
    if (typeof path === 'string') values.set(name, resolve(folder, path))
  }
  const datasets = values.get('datasets')
  if (Array.isArray(datasets)) {
    values.set(
      'datasets',
      datasets.map((entry) => (typeof entry === 'string' && isDefinitionPath(entry) ? resolve(folder, entry) : entry)),
    )
  }
  return values
}

function near(name: string): string {
  return nearest(name, ALL_SETTINGS.keys())
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
