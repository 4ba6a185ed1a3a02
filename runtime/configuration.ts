/** Configuration from its three places, later ones first: flags, environment, file. Whatever is wrong names its place. */
import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nearest } from '#core/definition-error.ts'
import { type Configuration, kindOf, SETTING_NAMES, SETTINGS, type SettingName, variableOf } from './settings.ts'

/** Variables with our prefix that are no settings. */
const OTHER_VARIABLES = ['WATERSHED_CONFIG', 'WATERSHED_CRASH_AT']

/** Something in the configuration is wrong: says which setting, from where, and what would be right. */
export class ConfigurationError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.length === 1 ? problems[0]! : `the configuration can not be used:\n  - ${problems.join('\n  - ')}`)
    this.name = 'ConfigurationError'
  }
}

export interface ConfigurationSources {
  /** values of flags that were given; undefined ones are ignored */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** path of a JSON or .ts file; default: WATERSHED_CONFIG */
  readonly file?: string
}

interface Source {
  readonly name: string
  readonly values: Readonly<Record<string, unknown>>
}

/** @throws ConfigurationError */
export async function loadConfiguration(sources: ConfigurationSources): Promise<Configuration> {
  const environment = sources.environment ?? {}
  const file = sources.file ?? environment.WATERSHED_CONFIG
  const inOrder: Source[] = [
    ...(file === undefined ? [] : [await fromFile(file)]),
    fromEnvironment(environment),
    { name: 'flag', values: definedOf(sources.flags ?? {}) },
  ]
  const merged = Object.assign({}, ...inOrder.map((source) => source.values)) as Record<string, unknown>
  const parsed = SETTINGS.safeParse(merged)
  if (!parsed.success) {
    throw new ConfigurationError(
      parsed.error.issues.map((issue) => {
        const setting = String(issue.path[0])
        const source = inOrder.findLast((candidate) => setting in candidate.values)?.name ?? 'default'
        return `${setting} (${source}): ${issue.message}, but it is ${JSON.stringify(merged[setting])}`
      }),
    )
  }
  return checked({ ...parsed.data, demo: parsed.data.demo ?? !('datasets' in merged) })
}

function checked(configuration: Configuration): Configuration {
  if (!isLoopback(configuration.host) && configuration.keys.length === 0) {
    throw new ConfigurationError([
      `host ${configuration.host} can be reached from other machines: set 'keys' (or WATERSHED_KEYS) to a list of API keys, or listen on 127.0.0.1`,
    ])
  }
  return { ...configuration, data: resolve(configuration.data) }
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

async function fromFile(file: string): Promise<Source> {
  const path = resolve(file)
  const values = await readValues(path)
  if (values === null || typeof values !== 'object' || Array.isArray(values)) {
    throw new ConfigurationError([`configuration file '${path}' must hold one object of settings`])
  }
  const source = { name: `file '${path}'`, values: { ...(values as Record<string, unknown>) } }
  const unknown = Object.keys(source.values).filter((key) => !isSetting(key))
  if (unknown.length > 0) {
    throw new ConfigurationError(
      unknown.map((key) => `${source.name}: '${key}' is no setting${nearest(key, SETTING_NAMES)}`),
    )
  }
  return { ...source, values: withPaths(source.values, dirname(path)) }
}

async function readValues(path: string): Promise<unknown> {
  try {
    if (extname(path) !== '.ts') return JSON.parse(await readFile(path, 'utf8'))
    return ((await import(pathToFileURL(path).href)) as { default?: unknown }).default
  } catch (error) {
    throw new ConfigurationError([`configuration file '${path}' can not be read: ${(error as Error).message}`])
  }
}

/** Paths in a file are relative to the file. */
function withPaths(values: Record<string, unknown>, folder: string): Record<string, unknown> {
  const paths: Record<string, unknown> = {}
  if (typeof values.data === 'string') paths.data = resolve(folder, values.data)
  if (Array.isArray(values.datasets)) {
    paths.datasets = values.datasets.map((entry) =>
      typeof entry === 'string' && isDefinitionPath(entry) ? resolve(folder, entry) : entry,
    )
  }
  return { ...values, ...paths }
}

/** A dataset is named by a shipped name or by the path of its definition file. */
export function isDefinitionPath(entry: string): boolean {
  return /[./\\]/.test(entry)
}

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Source {
  const settings = new Map(SETTING_NAMES.map((setting) => [variableOf(setting), setting]))
  const values: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || !variable.startsWith('WATERSHED_') || OTHER_VARIABLES.includes(variable)) continue
    const setting = settings.get(variable)
    if (setting === undefined) {
      problems.push(`environment: ${variable} is no setting${nearest(variable, settings.keys())}`)
    } else {
      values[setting] = valueFrom(setting, text)
    }
  }
  if (problems.length > 0) throw new ConfigurationError(problems)
  return { name: 'environment', values }
}

/** A text that does not convert stays a text, so that the schema's message shows it. */
function valueFrom(setting: SettingName, text: string): unknown {
  switch (kindOf(setting)) {
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
    case 'boolean':
      return (
        ({ true: true, '1': true, false: false, '0': false } as Record<string, boolean>)[text.toLowerCase()] ?? text
      )
    case 'list':
      return text.split(',').flatMap((entry) => (entry.trim() === '' ? [] : [entry.trim()]))
    case 'text':
      return text
  }
}

function definedOf(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))
}

function isSetting(key: string): key is SettingName {
  return (SETTING_NAMES as readonly string[]).includes(key)
}
