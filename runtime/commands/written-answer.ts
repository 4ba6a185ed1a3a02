/** `watershed query --format csv -o file`: the bytes that the HTTP API gives, in a file or on stdout. */
import { open, rename } from 'node:fs/promises'
import { extname } from 'node:path'
import { type Command, Option } from 'commander'
import type { Answer } from '#serving/answers/merged-view.ts'
import { FORMAT_NAMES, FORMATS, formatByExtension } from '#serving/formats/all-formats.ts'
import type { AnswerFormat, FormatName } from '#serving/formats/answer-format.ts'
import { CommandError } from './exit-codes.ts'
import { printBytes } from './output.ts'
import type { Workspace } from './workspace.ts'

export interface OutputOptions {
  readonly format?: FormatName
  readonly output?: string
  readonly bom?: boolean
  readonly json?: boolean
}

/** How an answer is written. */
export interface WrittenAs {
  readonly format: AnswerFormat
  /** null: stdout */
  readonly file: string | null
  readonly bom: boolean
}

const TEXTS: readonly FormatName[] = ['json', 'ndjson', 'csv']

export function withOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--format <format>',
        'write the answer as a program reads it (default: by the extension of --output)',
      ).choices(FORMAT_NAMES),
    )
    .option('-o, --output <file>', 'file to write; it appears when it is complete (default: stdout)')
    .option('--bom', 'CSV: begin with a byte order mark, which some spreadsheets need')
    .option('--all', 'every row, however many; same as --limit all')
}

/** null: as a table, or as JSON with --json. @throws CommandError */
export function writtenAs({ format: name, output, bom = false, json = false }: OutputOptions): WrittenAs | null {
  if (json && name !== undefined && name !== 'json')
    throw new CommandError('usage', `--json and --format ${name} exclude each other`)
  const extension = output === undefined ? undefined : extname(output).slice(1)
  const byName = FORMATS.find((format) => format.name === (name ?? (json ? 'json' : undefined)))
  const format = byName ?? (extension === undefined ? undefined : formatByExtension(extension))
  if (format === undefined) {
    if (output === undefined) return null
    throw new CommandError('usage', `'${output}' does not tell the format; add --format ${FORMAT_NAMES.join(' | ')}`)
  }
  if (output === undefined && name === undefined) return null
  if (output === undefined && process.stdout.isTTY && !TEXTS.includes(format.name))
    throw new CommandError('usage', `${format.name} is not for terminals; name a file with --output`)
  return { format, file: output ?? null, bom }
}

/** The bytes of an answer that is at hand. */
export async function encoded(
  { columns, rowsJson, meta }: Answer,
  { format, bom }: WrittenAs,
  { engine, scratchFolder }: Pick<Workspace, 'engine' | 'scratchFolder'>,
): Promise<Buffer> {
  const answer = { columns, rowsJson, metaJson: JSON.stringify(meta) }
  const bytes = await format.encode(answer, { bom, engine, scratchFolder })
  return typeof bytes === 'string' ? Buffer.from(bytes) : bytes
}

/** @param written is called with the bytes so far */
export async function writeOut(
  pieces: Iterable<Buffer> | AsyncIterable<Buffer>,
  { file }: Pick<WrittenAs, 'file'>,
  written: (bytes: number) => void = () => {},
): Promise<void> {
  let bytes = 0
  if (file === null) {
    for await (const piece of pieces) {
      if (!printBytes(piece)) return
      bytes += piece.length
      written(bytes)
    }
    return
  }
  const unfinished = `${file}.inprogress`
  const handle = await open(unfinished, 'w')
  try {
    for await (const piece of pieces) {
      await handle.writeFile(piece)
      bytes += piece.length
      written(bytes)
    }
  } finally {
    await handle.close()
  }
  await rename(unfinished, file)
}
