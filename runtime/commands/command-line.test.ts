import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Command, CommanderError } from 'commander'
import { describe, expect, test } from 'vitest'
import { DefinitionError } from '#core/definition-error.ts'
import { DictionaryFileError } from '#datasets/dictionaries/dictionary-file.ts'
import { FileSourceError } from '#ingest/file-source.ts'
import { PositionNotReachedError, QueryTimeoutError } from '#serving/answers/query-error.ts'
import { SnapshotError } from '#serving/answers/snapshot.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { TrinoError } from '#storage/trino/trino-error.ts'
import { ConfigurationError } from '../settings/configuration-error.ts'
import { commandLine } from './command-line.ts'
import { endOf, exitCode } from './end-of.ts'
import { CommandError, EXIT_CODES, listenError } from './exit-codes.ts'

/** every command that does something, with its path; the program itself only shows its help and version */
function leaves(command: Command, path: readonly string[]): [string, Command][] {
  const own: [string, Command][] = command.parent && command.options.length > 0 ? [[path.join(' '), command]] : []
  return [...own, ...command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]))]
}

function usageOf([path, command]: [string, Command]): string {
  const names = command.registeredArguments.map((one) => {
    const name = one.variadic ? `${one.name()}...` : one.name()
    return one.required ? `<${name}>` : `[${name}]`
  })
  return [path, ...names].join(' ')
}

describe('docs/reference/command-line.md', async () => {
  const text = await readFile(new URL('../../docs/reference/command-line.md', import.meta.url), 'utf8')
  const all = await commandLine()

  test('has exactly the commands', () => {
    const documented = [...text.matchAll(/^### `(.+)`$/gm)].map((match) => match[1])
    expect(documented).toEqual(leaves(all, ['watershed']).map(usageOf))
  })

  test.each(leaves(all, ['watershed']))('has exactly the flags of %s', (path, command) => {
    const heading = `### \`${usageOf([path, command])}\``
    const section = text.slice(text.indexOf(heading)).split(/\n##/)[0]!
    const flags = (part: string): string[] => [...part.matchAll(/^\| `(-.+?)` \|/gm)].map((match) => match[1]!)
    const shared = flags(text.slice(0, text.indexOf('## Commands')))
    expect([...shared, ...flags(section)].toSorted()).toEqual(command.options.map((option) => option.flags).toSorted())
  })

  test('has exactly the exit codes', () => {
    const documented = [...text.matchAll(/^\| (\d+) \| (\w+) \| (.+) \|$/gm)].map((row) => row.slice(1, 4))
    expect(documented).toEqual(
      Object.entries(EXIT_CODES).map(([name, { code, meaning }]) => [String(code), name, meaning]),
    )
  })
})

const listening = (code: string): Error => listenError('127.0.0.1', 80, Object.assign(new Error(code), { code }))

test.each(['--version', '-V'])('%s prints the version of package.json', async (flag) => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const main = fileURLToPath(new URL('../main.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, flag], { encoding: 'utf8' })
  expect([status, stdout, stderr]).toEqual([0, `${version}\n`, ''])
})

describe('endOf', () => {
  test.each([
    [new CommandError('busy', 'x'), 'busy'],
    [new ConfigurationError(['x']), 'configuration'],
    [new DefinitionError('x', ['y']), 'definition'],
    [new LakeError('disk-full', 'x'), 'storage'],
    [new Error('line 7: x', { cause: new LakeError('disk-full', 'x') }), 'storage'],
    [new LakeError('generation-unknown', 'x'), 'usage'],
    [new LakeError('generation-lost', 'x'), 'storage'],
    [new DictionaryFileError('a.csv', 'line 3', 'x'), 'definition'],
    [new DictionaryFileError('a.csv', null, 'x', Object.assign(new Error(), { code: 'ENOENT' })), 'storage'],
    [Object.assign(new Error('x'), { code: 'ENOENT' }), 'storage'],
    [new CommanderError(1, 'commander.unknownOption', 'x'), 'usage'],
    [new CommanderError(0, 'commander.help', 'x'), 'done'],
    [new SnapshotError('x', 'y'), 'storage'],
    [new TrinoError('unreachable', 'x'), 'storage'],
    [new QueryTimeoutError(10), 'timeout'],
    [new PositionNotReachedError(new Map([[0, 5]]), [4], 10), 'timeout'],
    [listening('EADDRINUSE'), 'busy'],
    [listening('EACCES'), 'configuration'],
    [listening('EADDRNOTAVAIL'), 'configuration'],
    [new FileSourceError('x.gz', 'line', Object.assign(new Error('x'), { code: 'Z_BUF_ERROR' }), 3, 3), 'definition'],
    [new FileSourceError('x.json', 'element', new SyntaxError('x'), 3, 3), 'definition'],
    [new FileSourceError('x', 'line', new LakeError('disk-full', 'x'), 3, 3), 'storage'],
    [new TypeError('x'), 'fault'],
  ] as const)('%s ends with %s', (error, exit) => {
    expect(endOf(error).exit).toBe(exit)
  })

  test('codes are stable and different', () => {
    const codes = Object.values(EXIT_CODES).map(({ code }) => code)
    expect(new Set(codes).size).toBe(codes.length)
    expect(exitCode('rejected')).toBe(2)
  })
})
