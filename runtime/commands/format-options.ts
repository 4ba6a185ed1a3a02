/** Flags of commands that read files of several formats. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { FILE_FORMATS } from '#ingest/formats/recognise.ts'
import { wholeNumber } from './command-options.ts'

/** Adds the flags that give `FormatOptions`. */
export function withFormatOptions(command: Command): Command {
  return command
    .option('--after <n>', 'leave out the lines (elements, rows) up to this one', wholeNumber(0))
    .addOption(
      new Option('--format <format>', 'default: recognised by the name and the first lines').choices(FILE_FORMATS),
    )
    .option('--delimiter <character>', 'CSV: what separates the fields (default: recognised)', delimiter)
    .option('--columns <names>', 'CSV without a header: comma-separated names of the columns', names)
    .option('--decimal-comma <names>', 'CSV: comma-separated columns with numbers such as 1.234,50', names)
}

function delimiter(text: string): string {
  const character = text === '\\t' ? '\t' : text
  if (!/^[\t -~]$/.test(character) || character === '"')
    throw new InvalidArgumentError('it must be one ASCII character, and not a quote; \\t is a tab.')
  return character
}

function names(text: string): string[] {
  const list = text.split(',')
  if (list.includes('')) throw new InvalidArgumentError('a name is empty.')
  return list
}
