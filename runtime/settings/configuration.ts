/** Merges the three sources of the configuration; flags override the environment, which overrides the file. Every problem names its source. */
import { resolve } from 'node:path'
import { ConfigurationError } from './configuration-error.ts'
import { isLoopback } from './loopback.ts'
import { plaintextProblems } from './plaintext-credentials.ts'
import { shownValue } from './secrets.ts'
import { ALL_SETTINGS, SECTIONS } from './setting-names.ts'
import {
  isDefinitionPath,
  type SettingSource,
  settingsOfEnvironment,
  settingsOfFile,
  settingsOfFlags,
} from './setting-sources.ts'
import { type Configuration, SETTINGS } from './settings.ts'

export interface ConfigurationSources {
  /** defaults of the command, instead of the schema's */
  readonly defaults?: Readonly<Record<string, unknown>>
  /** values of the given flags; undefined ones are ignored */
  readonly flags?: Readonly<Record<string, unknown>>
  /** values of --set: name=value */
  readonly set?: readonly string[]
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** path of a JSON or .ts file; default: WATERSHED_CONFIG */
  readonly file?: string
}

/** An effective setting. */
export interface SettingInForce {
  readonly name: string
  /** secrets are masked; null if there is no value */
  readonly value: unknown
  /** 'default', or the file, variable or flag */
  readonly from: string
}

interface Loaded {
  readonly configuration: Configuration
  readonly sources: readonly SettingSource[]
}

/** @throws ConfigurationError */
export async function loadConfiguration(sources: ConfigurationSources): Promise<Configuration> {
  return (await load(sources)).configuration
}

/** Every setting with its value and source. @throws ConfigurationError */
export async function settingsInForce(given: ConfigurationSources): Promise<readonly SettingInForce[]> {
  const { configuration, sources } = await load(given)
  return [...ALL_SETTINGS.values()].map((setting) => {
    const value = valueIn(configuration, setting.name)
    return { name: setting.name, value: shownValue(setting, value) ?? null, from: fromOf(setting.name, sources) }
  })
}

async function load({
  defaults = {},
  flags = {},
  set = [],
  environment = {},
  file,
}: ConfigurationSources): Promise<Loaded> {
  const path = file ?? environment.WATERSHED_CONFIG
  const sources = [
    { values: new Map(Object.entries(defaults)), from: () => 'default' },
    ...(path === undefined ? [] : [await settingsOfFile(path)]),
    settingsOfEnvironment(environment),
    settingsOfFlags(flags, set),
  ]
  const merged = new Map(sources.flatMap(({ values }) => [...values]))
  const parsed = SETTINGS.safeParse(nested(merged))
  if (!parsed.success) {
    throw new ConfigurationError(
      parsed.error.issues.map((issue) => {
        const name = issue.path.slice(0, SECTIONS.includes(String(issue.path[0])) ? 2 : 1).join('.')
        const shown = shownValue(ALL_SETTINGS.get(name), merged.get(name))
        return `${name} (${fromOf(name, sources)}): ${issue.message}, but the value is ${JSON.stringify(shown)}`
      }),
    )
  }
  const configuration = { ...parsed.data, demo: parsed.data.demo ?? isDemoByDefault(merged, flags) }
  assertConsistent(configuration)
  const scratch = configuration.scratch === undefined ? undefined : resolve(configuration.scratch)
  const lakeCache = configuration.lakeCache === undefined ? undefined : resolve(configuration.lakeCache)
  return { configuration: { ...configuration, data: resolve(configuration.data), scratch, lakeCache }, sources }
}

/** Whoever names a shipped dataset by hand wants to see it work; a configuration that names it is for events of their own. */
function isDemoByDefault(
  merged: ReadonlyMap<string, unknown>,
  { datasets }: Readonly<Record<string, unknown>>,
): boolean {
  if (!merged.has('datasets')) return true
  return Array.isArray(datasets) && !datasets.some(isDefinitionPath)
}

/** Checks that concern several settings. */
function assertConsistent(configuration: Configuration): void {
  const { host, keys, kafka, elasticsearch, tlsCert, tlsKey } = configuration
  const problems: string[] = []
  if (!isLoopback(host) && keys.length === 0) {
    problems.push(
      `host ${host} is reachable from other machines: set 'keys' (or WATERSHED_KEYS) to a list of API keys, or listen on 127.0.0.1`,
    )
  }
  const sasl = [kafka.saslMechanism, kafka.saslUsername, kafka.saslPassword].filter((part) => part !== undefined)
  if (sasl.length !== 0 && sasl.length !== 3)
    problems.push(
      'kafka.saslMechanism, kafka.saslUsername and kafka.saslPassword must be set together: set all three, or none',
    )
  if (kafka.format === 'confluent' && kafka.registryUrl === undefined)
    problems.push("kafka.format 'confluent' requires kafka.registryUrl")
  if ((kafka.registryUsername === undefined) !== (kafka.registryPassword === undefined))
    problems.push('kafka.registryUsername and kafka.registryPassword must be set together: set both, or none')
  const { apiKey, username, password } = elasticsearch
  if ((username === undefined) !== (password === undefined))
    problems.push('elasticsearch.username and elasticsearch.password must be set together: set both, or none')
  if (apiKey !== undefined && username !== undefined)
    problems.push('elasticsearch.apiKey and elasticsearch.username are mutually exclusive: set only one of them')
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    problems.push('tlsCert and tlsKey must be set together: set both, or none')
  problems.push(...lakeProblems(configuration), ...trinoProblems(configuration))
  problems.push(...plaintextProblems(configuration))
  if (problems.length > 0) throw new ConfigurationError(problems)
}

/** Settings of an object store without one would be ignored silently, and the lake made in the folder. */
function lakeProblems({ lake, lakeCache, s3 }: Configuration): string[] {
  if (lake !== undefined) return []
  const unused = ['endpoint', 'region', 'pathStyle'].filter((name) => s3[name as keyof typeof s3] !== undefined)
  return [...unused.map((name) => `s3.${name}`), ...(lakeCache === undefined ? [] : ['lakeCache'])].map(
    (name) => `${name} is set, but the lake is a folder: set lake=s3://<bucket>/<prefix> as well, or remove ${name}`,
  )
}

function trinoProblems({ batchEngine, lake, trino }: Configuration): string[] {
  if (batchEngine !== 'trino') return []
  const problems: string[] = []
  if (lake === undefined && trino.lakeUri === undefined)
    problems.push(
      "batchEngine is trino, but the lake is a folder: set trino.lakeUri to the folder's address for Trino (local:/// where local.location of its catalog is that folder), or lake=s3://<bucket>/<prefix>",
    )
  if (trino.password !== undefined && trino.token !== undefined)
    problems.push('trino.password and trino.token are mutually exclusive: set only one of them')
  return problems
}

function nested(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const whole: Record<string, unknown> = {}
  for (const [name, value] of values) {
    const [section, own] = name.split('.') as [string, string?]
    if (own === undefined) whole[section] = value
    else whole[section] = { ...(whole[section] as object | undefined), [own]: value }
  }
  return whole
}

function valueIn(configuration: Configuration, name: string): unknown {
  return name
    .split('.')
    .reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>>)[key], configuration)
}

function fromOf(name: string, sources: readonly SettingSource[]): string {
  return sources.findLast(({ values }) => values.has(name))?.from(name) ?? 'default'
}
