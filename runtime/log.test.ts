import { describe, expect, test } from 'vitest'
import type { Emit } from '#telemetry/emit.ts'
import { type LogSettings, serviceLog } from './log.ts'

const closed = {
  name: 'segment-closed',
  level: 'info',
  dataset: 'shop',
  message: 'partition 1: segment closed',
  fields: { partition: 1, level: 'seven' },
} as const

/** What the log writes, line by line. */
function written(settings: LogSettings, use: (emit: Emit) => void, terminal = false): string[] {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  use(serviceLog(settings, { role: 'stream', terminal, destination, secrets: ['hunter22'] }))
  return lines
}

describe('a service', () => {
  test('writes one JSON object per line where stderr is no terminal', () => {
    const lines = written({ logLevel: 'info', logFormat: 'auto' }, (emit) => emit(closed))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      role: 'stream',
      pid: process.pid,
      event: 'segment-closed',
      dataset: 'shop',
      partition: 1,
      level_: 'seven',
      message: 'partition 1: segment closed',
    })
  })

  test('writes readable lines on a terminal, and where it is asked to', () => {
    for (const [logFormat, terminal] of [['auto', true] as const, ['readable', false] as const]) {
      const [line] = written({ logLevel: 'info', logFormat }, (emit) => emit(closed), terminal)
      expect(line).toContain('shop, partition 1: segment closed')
      expect(line).toMatch(/INFO/)
      expect(line).not.toContain('{')
    }
  })

  test('leaves out what is below its level', () => {
    const all = (emit: Emit): void => {
      for (const level of ['debug', 'info', 'warn', 'error'] as const) emit({ name: 'x', level, message: level })
    }
    const shown = (logLevel: LogSettings['logLevel']): string[] =>
      written({ logLevel, logFormat: 'json' }, all).map((line) => (JSON.parse(line) as { message: string }).message)
    expect(shown('debug')).toEqual(['debug', 'info', 'warn', 'error'])
    expect(shown('warn')).toEqual(['warn', 'error'])
    expect(shown('silent')).toEqual([])
  })

  test('escapes control characters of data, and keeps the lines of a stack apart from others', () => {
    const foreign = {
      name: 'x',
      level: 'warn',
      message: "no '\u001b[2J\r\u009b'\nFORGED",
      fields: { key: '\u0007' },
    } as const
    const [line] = written({ logLevel: 'info', logFormat: 'json' }, (emit) => emit(foreign))
    expect(JSON.parse(line!)).toMatchObject({ message: "no '\\u001b[2J\\r\\u009b'\n    FORGED", key: '\\u0007' })
    const [shown] = written({ logLevel: 'info', logFormat: 'readable' }, (emit) => emit(foreign))
    expect(shown).toContain("no '\\u001b[2J\\r\\u009b'\n    FORGED\n")
  })

  test('shows no secret, in a message or in a field', () => {
    const [line] = written({ logLevel: 'info', logFormat: 'json' }, (emit) =>
      emit({ name: 'x', level: 'error', message: 'redis://me:hunter22@host', fields: { url: 'hunter22' } }),
    )
    expect(line).not.toContain('hunter22')
    expect(JSON.parse(line!)).toMatchObject({ message: 'redis://me:***@host', url: '***' })
  })
})
