/** Settings by name (those of a section have a dot, as in kafka.brokers), with their environment variables and whether they are secret. */
import { z } from 'zod'
import { SETTINGS } from './settings.ts'

/** How a setting is encoded as text: in the environment, and with --set. */
export type SettingKind = 'text' | 'number' | 'boolean' | 'list' | 'map'

/** 'whole': never shown; 'url': shown without the passwords and query values of addresses */
export type Secrecy = 'none' | 'whole' | 'url'

export interface Setting {
  readonly name: string
  readonly schema: z.ZodType
  readonly kind: SettingKind
  readonly secrecy: Secrecy
  /** WATERSHED_KAFKA_BROKERS */
  readonly variable: string
}

export const SECTIONS = Object.entries(SETTINGS.shape)
  .filter(([, schema]) => innermost(schema) instanceof z.ZodObject)
  .map(([name]) => name)

/** Every setting, in the order of the schema. */
export const ALL_SETTINGS: ReadonlyMap<string, Setting> = new Map(
  Object.entries(SETTINGS.shape)
    .flatMap(([name, schema]) => {
      const inner = innermost(schema)
      if (!(inner instanceof z.ZodObject)) return [settingOf(name, schema)]
      return Object.entries(inner.shape).map(([own, ownSchema]) => settingOf(`${name}.${own}`, ownSchema as z.ZodType))
    })
    .map((setting) => [setting.name, setting]),
)

/** The environment variable of a setting: segmentAgeMsMax → WATERSHED_SEGMENT_AGE_MS_MAX, redis.url → WATERSHED_REDIS_URL. */
export function variableOf(name: string): string {
  const words = name.replace('.', '_').replace(/[A-Z]/g, (letter) => `_${letter}`)
  return `WATERSHED_${words.toUpperCase()}`
}

/** Converts a text to a value. A text that cannot be converted is kept, so that the schema's message shows it. */
export function valueFrom({ kind }: Setting, text: string): unknown {
  switch (kind) {
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
    case 'boolean':
      return BOOLEANS[text.toLowerCase()] ?? text
    case 'list':
      return partsOf(text)
    case 'map': {
      // A value can contain further equals signs, for example in a URL.
      const pairs = partsOf(text).map((part) => /^([^=]*)=(.*)$/.exec(part)?.slice(1))
      return pairs.every((pair) => pair !== undefined) ? Object.fromEntries(pairs) : text
    }
    case 'text':
      return text
  }
}

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }

function partsOf(text: string): string[] {
  return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
}

function settingOf(name: string, schema: z.ZodType): Setting {
  return { name, schema, kind: kindOf(innermost(schema)), secrecy: secrecyOf(schema), variable: variableOf(name) }
}

function kindOf(inner: z.ZodType): SettingKind {
  if (inner instanceof z.ZodNumber) return 'number'
  if (inner instanceof z.ZodBoolean) return 'boolean'
  if (inner instanceof z.ZodRecord) return 'map'
  return inner instanceof z.ZodArray ? 'list' : 'text'
}

/** Unwraps defaults and optionals. */
function innermost(schema: z.ZodType): z.ZodType {
  const wrapped = schema instanceof z.ZodDefault || schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault
  return wrapped ? innermost(schema.def.innerType as z.ZodType) : schema
}

/** `secret` is in the metadata of the schema or of the schema that it wraps. */
function secrecyOf(schema: z.ZodType): Secrecy {
  const { secret } = (schema.meta() ?? {}) as { readonly secret?: true | 'url' }
  if (secret !== undefined) return secret === 'url' ? 'url' : 'whole'
  const wrapped = schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
  return wrapped ? secrecyOf(schema.def.innerType as z.ZodType) : 'none'
}
