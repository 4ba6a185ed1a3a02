/**
 * A record that cannot be an event and is not kept whole, as a line of the log: it becomes a dead letter with the reason and the bytes that
 * are in it. The line is a JSON list, which no event is.
 */
const MARK = '["watershed:unusable",'

export interface FramedRecord {
  readonly reason: string
  /** the beginning of the record */
  readonly bytes: Buffer
}

/** One line without line end. */
export function framed({ reason, bytes }: FramedRecord): Buffer {
  return Buffer.from(`${MARK}${JSON.stringify(reason)},"${bytes.toString('base64')}"]`)
}

/** What the line frames; undefined: it is any other line. */
export function unframed(line: Buffer): FramedRecord | undefined {
  if (line.length < MARK.length || line.toString('latin1', 0, MARK.length) !== MARK) return undefined
  try {
    const [, reason, bytes] = JSON.parse(line.toString()) as unknown[]
    if (typeof reason !== 'string' || typeof bytes !== 'string') return undefined
    return { reason, bytes: Buffer.from(bytes, 'base64') }
  } catch {
    return undefined
  }
}
