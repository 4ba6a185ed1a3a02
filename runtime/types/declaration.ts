/** The language of dataset files as one declaration, for editors and compilers in folders where no package 'watershed' is installed. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The compiler of this project: only for development. */
export const TSC = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

const SOURCE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))
const ENTRY = 'definition.d.ts'
const HEAD = `/**
 * What a dataset definition imports from 'watershed'. Generated: \`watershed types\` writes it again, for example after an update.
 * TypeScript 5.8 or newer.
 */
`

interface Statement {
  readonly text: string
  /** null: it declares nothing, but exports what is declared elsewhere */
  readonly name: string | null
  readonly file: string
}

/**
 * `declare module 'watershed'` with everything that core/definition.ts exports, and what those types need from other files.
 * @throws Error when the compiler reports an error, or when two files declare the same name
 */
export async function declarationText(): Promise<string> {
  const statements = (await emitted()).flatMap(([file, text]) => statementsOf(file, text))
  const body = neededBy(ENTRY, statements).map(({ file, text }) => ambient(text, file === ENTRY))
  return `${HEAD}declare module 'watershed' {\n${indented(body.join('\n'))}\n}\n`
}

/** The declarations that the compiler emits, [file name, text], the entry first. */
async function emitted(): Promise<readonly (readonly [string, string])[]> {
  const folder = await mkdtemp(join(tmpdir(), 'watershed-types-'))
  try {
    const modules = ['--target', 'es2024', '--module', 'nodenext', '--allowImportingTsExtensions', '--types', 'node']
    const emit = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', folder]
    await promisify(execFile)(process.execPath, [TSC, '--ignoreConfig', ...modules, ...emit, SOURCE])
    const others = (await readdir(folder)).filter((file) => file !== ENTRY).toSorted()
    const texts = [ENTRY, ...others].map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const)
    return await Promise.all(texts)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The compiler begins every statement, and the comment before it, at the start of a line, and nothing else except what closes one. */
function statementsOf(file: string, text: string): readonly Statement[] {
  return text
    .split(/^(?=\/\*\*)|(?<!\*\/\n)^(?=[a-z])/m)
    .map((part) => part.trim())
    .filter((part) => part !== '' && !/^import /m.test(part))
    .map((part) => ({
      file,
      text: part,
      name: /^(?:export |declare )*(?:type|interface|const|function) (\w+)/m.exec(part)?.[1] ?? null,
    }))
}

/** All of one file, and of the others what it mentions, directly or by way of them. */
function neededBy(entry: string, statements: readonly Statement[]): readonly Statement[] {
  const declared = new Map<string, Statement>()
  for (const statement of statements) {
    if (statement.name === null) continue
    const twin = declared.get(statement.name)
    if (twin) throw new Error(`${twin.file} and ${statement.file} both declare ${statement.name}; rename one`)
    declared.set(statement.name, statement)
  }
  const needed = new Set(statements.filter(({ file }) => file === entry))
  for (const { text } of needed) {
    const words = text.replace(/\/\*\*[\s\S]*?\*\//g, '').matchAll(/\w+/g)
    for (const [word] of words) if (declared.has(word)) needed.add(declared.get(word)!)
  }
  return [...needed]
}

/** As it stands within `declare module`; of other files than the entry nothing is exported. */
function ambient(text: string, exported: boolean): string {
  const reexported = /^(export \{[^}]*\}) from '[^']*';?$/.exec(text)
  if (reexported) return `${reexported[1]};`
  return text.replace(/^(export )?(declare )?(?=type|interface|const|function)/m, exported ? '$1' : '')
}

function indented(text: string): string {
  return text.replace(/^ +/gm, (spaces) => ' '.repeat(Math.ceil(spaces.length / 2))).replace(/^(?=.)/gm, '  ')
}
