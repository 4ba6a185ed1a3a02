/** Real data of somebody else, and the definition that `watershed init` drafts for them: nobody wrote it, and the page knows nothing of it. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** as the file is named */
export const DRAFTED = 'weather'
/** weather of every day in Seattle and New York, 2012 to 2015 */
const FILE = fileURLToPath(new URL('../../node_modules/vega-datasets/data/weather.csv', import.meta.url))
const MAIN = fileURLToPath(new URL('../../runtime/main.ts', import.meta.url))

export interface Drafted {
  /** path of the definition */
  readonly definition: string
  /** path of the same for a test, which has no package of the name that it imports */
  readonly here: string
  readonly lines: readonly string[]
}

/** @param folder where the definition is written */
export async function draftWeather(folder: string): Promise<Drafted> {
  const definition = join(folder, `${DRAFTED}.ts`)
  await promisify(execFile)(process.execPath, [MAIN, 'init', FILE, '--output', definition])
  const here = join(folder, 'here.ts')
  const text = readFileSync(definition, 'utf8')
  writeFileSync(
    here,
    text.replace("'watershed'", `'${fileURLToPath(new URL('../../core/definition.ts', import.meta.url))}'`),
  )
  const [head, ...rows] = readFileSync(FILE, 'utf8').trim().split(/\r?\n/)
  const names = head!.split(',')
  const lines = rows.map((row) =>
    JSON.stringify(Object.fromEntries(row.split(',').map((text, at) => [names[at], text]))),
  )
  return { definition, here, lines }
}
