/** A page of docs/reference, as tests compare it with the code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'

const LANGUAGE = new URL('../core/definition.ts', import.meta.url).href

export class ReferencePage {
  readonly #text: string

  /** @param name of the file, e.g. sinks.md */
  constructor(name: string) {
    this.#text = readFileSync(fileURLToPath(new URL(`../docs/reference/${name}`, import.meta.url)), 'utf8')
  }

  /** Its code blocks of one language, in order. */
  blocks(language: string): string[] {
    return [...this.#text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, block]) => block!)
  }

  /** The cells of each row of the tables under a heading that begins with code; the first cell is empty. */
  rowsUnder(heading: string): string[][] {
    return this.#text
      .slice(this.#text.indexOf(`## ${heading}\n`))
      .split(/\n## /)[0]!
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')))
  }

  /** What its first TypeScript block defines. */
  async definition(): Promise<CompiledDataset> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-reference-'))
    try {
      const file = join(folder, 'definition.ts')
      writeFileSync(file, this.blocks('ts')[0]!.replace("'watershed'", JSON.stringify(LANGUAGE)))
      const { default: definition } = (await import(pathToFileURL(file).href)) as { default: DatasetDefinition }
      return await compileDataset(definition, await testConnection())
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
