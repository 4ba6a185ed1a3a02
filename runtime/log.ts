/**
 * Writes platform events to stderr. A service writes one JSON object per line, or readable lines on a terminal; a short-lived command
 * writes messages for the user, unless JSON is requested. Written synchronously, so that the log is complete up to a crash.
 */
import { createRequire } from 'node:module'
import type { DestinationStream, Logger } from 'pino'
import { visibleLines } from '#core/visible-text.ts'
import type { Emit, PlatformEvent } from '#telemetry/emit.ts'
import { say, stderrLines } from './commands/output.ts'
import { masked } from './settings/secrets.ts'
import type { Configuration } from './settings/settings.ts'

/** Loaded by what writes through them: a short-lived command writes plain sentences. */
const load = createRequire(import.meta.url)
const pinoOf = () => load('pino') as typeof import('pino')
const prettyOf = () => load('pino-pretty') as typeof import('pino-pretty')

export type LogSettings = Pick<Configuration, 'logLevel' | 'logFormat'>

export interface LogOptions {
  /** start, serve, stream, batch …: a field of every line */
  readonly role: string
  /** replaced by *** wherever they appear in a text */
  readonly secrets?: readonly string[]
  /** default: stderr */
  readonly destination?: DestinationStream
  /** whether stderr is a terminal; default: detected */
  readonly terminal?: boolean
}

/** in ascending order */
const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** fields of every line; an event's field of the same name gets the suffix _ */
const OWN_FIELDS = new Set(['level', 'time', 'role', 'pid', 'event', 'dataset', 'message'])

/** The log of a long-running process. */
export function serviceLog(settings: LogSettings, options: LogOptions): Emit {
  const { terminal = process.stderr.isTTY === true } = options
  const readable = settings.logFormat === 'readable' || (settings.logFormat === 'auto' && terminal)
  const target = options.destination ?? stderrLines
  return emitTo(loggerOf(settings, options, readable ? readableLines(target, terminal) : target), options.secrets ?? [])
}

/** The log of a short-lived command: messages for the user, or JSON if requested. */
export function commandLog(settings: LogSettings, options: LogOptions): Emit {
  if (settings.logFormat === 'json') return serviceLog(settings, options)
  const shown = LEVELS.indexOf(settings.logLevel)
  return (event) => {
    if (LEVELS.indexOf(event.level) < shown) return
    const sentence = sentenceOf(event.message, event.dataset)
    say(shownText(event.level === 'info' ? sentence : `${event.level}: ${sentence}`, options.secrets ?? []))
  }
}

function loggerOf({ logLevel }: LogSettings, { role }: LogOptions, destination: DestinationStream): Logger {
  const { pino } = pinoOf()
  return pino(
    {
      level: logLevel,
      messageKey: 'message',
      base: { role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}

function readableLines(destination: DestinationStream, terminal: boolean): DestinationStream {
  const { isColorSupported, prettyFactory } = prettyOf()
  const colorize = terminal && isColorSupported
  const pretty = prettyFactory({
    colorize,
    messageKey: 'message',
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'role,pid',
    hideObject: true,
    messageFormat: ({ message, dataset }) => sentenceOf(String(message), dataset as string | undefined),
  })
  return { write: (line) => destination.write(pretty(line)) }
}

/** Lines of several datasets are interleaved. */
function sentenceOf(message: string, dataset: string | undefined): string {
  return dataset === undefined || message.includes(dataset) ? message : `${dataset}, ${message}`
}

function emitTo(logger: Logger, secrets: readonly string[]): Emit {
  return (event) => logger[event.level](fieldsOf(event, secrets), shownText(event.message, secrets))
}

/** Messages and fields quote names, paths and data of others. */
function shownText(text: string, secrets: readonly string[]): string {
  return visibleLines(masked(text, secrets))
}

function fieldsOf({ name, dataset, fields = {} }: PlatformEvent, secrets: readonly string[]): Record<string, unknown> {
  const own = Object.entries(fields).map(([field, value]) => [
    OWN_FIELDS.has(field) ? `${field}_` : field,
    typeof value === 'string' ? shownText(value, secrets) : value,
  ])
  return { event: name, ...(dataset === undefined ? {} : { dataset }), ...Object.fromEntries(own) }
}
