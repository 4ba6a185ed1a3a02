/** watershed types: what editors and tsc need to check definitions in a folder outside this project. */
import { copyFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { commandWith, type SharedOptions } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, say } from './output.ts'

/** The committed declaration; `node runtime/types/write-declaration.ts` generates it. */
export const DECLARATION_FILE = fileURLToPath(new URL('../types/watershed.d.ts', import.meta.url))

/** For files that Node runs by stripping their types; no module system has to be chosen in a package.json. */
const COMPILER_OPTIONS = {
  target: 'es2024',
  module: 'preserve',
  types: [],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
}

export function typesCommand(): Command {
  return commandWith(
    'types',
    "Write watershed.d.ts, so that editors and tsc check what definitions import from 'watershed'",
  )
    .argument('[folder]', 'where the definitions are', '.')
    .action(writeTypes)
}

async function writeTypes(folder: string, { json }: SharedOptions): Promise<void> {
  if (!(await isThere(folder))) {
    throw new CommandError('storage', `folder '${resolve(folder)}' does not exist; create it, or name another`)
  }
  const declaration = resolve(folder, basename(DECLARATION_FILE))
  await copyFile(DECLARATION_FILE, declaration)
  const present = await projectAbove(resolve(folder))
  const project = present ?? resolve(folder, 'tsconfig.json')
  if (present === null) await writeFile(project, `${JSON.stringify({ compilerOptions: COMPILER_OPTIONS }, null, 2)}\n`)
  const written = present === null ? [declaration, project] : [declaration]
  if (json) printJson({ written, project })
  else say(`wrote ${written.join(' and ')}${present === null ? '' : `; ${present} must include it`}`)
}

/** The tsconfig.json that holds for a folder: its own, or the nearest above. */
async function projectAbove(folder: string): Promise<string | null> {
  const file = join(folder, 'tsconfig.json')
  if (await isThere(file)) return file
  return dirname(folder) === folder ? null : projectAbove(dirname(folder))
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
