/** Output of commands: data on stdout, everything else on stderr. */
import { writeSync } from 'node:fs'

const PAUSE = new Int32Array(new SharedArrayBuffer(4))

/** One JSON value on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

export function print(text: string): void {
  write(1, `${text}\n`)
}

/** Bytes as they are. @returns false when nobody reads on */
export function printBytes(bytes: Buffer): boolean {
  return write(1, bytes)
}

/** stderr for whole lines, as a log writes them. */
export const stderrLines = { write: (line: string): void => void write(2, line) }

/** Messages for the user: progress, warnings, next steps. */
export function say(text: string): void {
  write(2, `${text}\n`)
}

/** Aligned columns; numbers are right-aligned. An empty table prints only its header. */
export function printTable(heads: readonly string[], rows: readonly (readonly unknown[])[]): void {
  const cells = [heads, ...rows.map((row) => row.map(textOf))]
  const widths = heads.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, [...(row[column] ?? '')].length), 0),
  )
  const numeric = heads.map((_, column) => rows.length > 0 && rows.every((row) => isNumber(row[column])))
  for (const row of cells) {
    const padded = row.map((cell, column) => {
      const fill = ' '.repeat(Math.max(0, widths[column]! - [...cell].length))
      return numeric[column] ? fill + cell : cell + fill
    })
    print(padded.join('  ').trimEnd())
  }
}

/** The text form of integers and decimals, but not of every double. */
const PLAIN_NUMBER = /^-?\d+(\.\d+)?$/

/** For JSON.parse: keeps all digits of a number that JavaScript would round. */
export function keepDigits(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined || !PLAIN_NUMBER.test(source)) return value
  return String(value) === source ? value : source
}

/** Also a number that is kept as text to preserve its digits. */
function isNumber(value: unknown): boolean {
  if (typeof value === 'string') return PLAIN_NUMBER.test(value)
  return value === null || typeof value === 'number' || typeof value === 'bigint'
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters in data must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
}

/** Synchronous, so that nothing is lost when the process exits; a closed pipe (head) is not an error. */
function write(descriptor: 1 | 2, data: string | Buffer): boolean {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN') throw error
      // The pipe is full because its reader is slow: wait a moment.
      Atomics.wait(PAUSE, 0, 0, 5)
    }
  }
  return true
}
