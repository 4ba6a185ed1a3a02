/** Splits a stream whose format its first bytes tell, or its reader names. */
import { LineSplitter } from '../ndjson-lines.ts'
import { type CsvOptions, CsvSplitter } from './csv.ts'
import { JsonArraySplitter } from './json-array.ts'
import { type FileFormat, type Recognised, recognise } from './recognise.ts'
import type { NumberedRecord, RecordSplitter, RecordUnit } from './records.ts'

export interface FormatOptions extends CsvOptions {
  /** default: recognised by the file's name and first lines */
  readonly format?: FileFormat
}

export class RecognisingSplitter implements RecordSplitter {
  readonly #name: string
  readonly #recordBytesMax: number
  readonly #options: FormatOptions
  readonly #onRecognised: (format: Recognised) => void
  #head = Buffer.alloc(0)
  #splitter: RecordSplitter | null = null

  /** @param name the file's name, whose ending may tell the format */
  constructor(
    name: string,
    recordBytesMax: number,
    options: FormatOptions,
    onRecognised: (format: Recognised) => void = () => {},
  ) {
    this.#name = name
    this.#recordBytesMax = recordBytesMax
    this.#options = options
    this.#onRecognised = onRecognised
  }

  get unit(): RecordUnit {
    return this.#splitter?.unit ?? 'line'
  }

  get ended(): number {
    return this.#splitter?.ended ?? 0
  }

  push(chunk: Buffer): Iterable<NumberedRecord> {
    if (this.#splitter !== null) return this.#splitter.push(chunk)
    this.#head = Buffer.concat([this.#head, chunk])
    return this.#begin(false)?.push(this.#head) ?? []
  }

  *end(isCut: boolean): Generator<NumberedRecord> {
    if (this.#splitter === null) yield* this.#begin(true)!.push(this.#head)
    yield* this.#splitter!.end(isCut)
  }

  /** null: not known yet */
  #begin(isAll: boolean): RecordSplitter | null {
    const recognised = this.#recognise(isAll)
    if (recognised === null) return null
    this.#splitter = this.#splitterOf(recognised)
    this.#onRecognised(recognised)
    return this.#splitter
  }

  #recognise(isAll: boolean): Recognised | null {
    const { format, delimiter } = this.#options
    if (format !== undefined && format !== 'csv') return { format }
    if (format === 'csv' && delimiter !== undefined) return { format, delimiter }
    const recognised = recognise(this.#head, isAll, format === 'csv' ? '.csv' : this.#name)
    if (recognised?.format !== 'csv')
      return format === 'csv' && recognised !== null ? { format, delimiter: ',' } : recognised
    return { format: 'csv', delimiter: delimiter ?? recognised.delimiter }
  }

  #splitterOf(recognised: Recognised): RecordSplitter {
    switch (recognised.format) {
      case 'ndjson':
        return new LineSplitter(this.#recordBytesMax)
      case 'json':
        return new JsonArraySplitter(this.#recordBytesMax)
      case 'csv':
        return new CsvSplitter(this.#recordBytesMax, { ...this.#options, delimiter: recognised.delimiter })
      case 'parquet':
        throw new SyntaxError(
          'it is a Parquet file, which cannot be read from a pipe or compressed; name the file itself',
        )
    }
  }
}
