/** Puts the crash tests' dataset into a folder outside the project, as a user's own file. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes `crash-events.ts` into the folder. */
export async function placeDefinition(folder: string): Promise<void> {
  // The package name is for people's own files; the test runner resolves imports itself and knows only addresses.
  const definition = await readFile(new URL('./crash-events.ts', import.meta.url), 'utf8')
  const language = new URL('../../core/definition.ts', import.meta.url).href
  await writeFile(join(folder, 'crash-events.ts'), definition.replace("'watershed'", `'${language}'`))
}
